"""run-mer2024.sh without an environment: help, unknown steps, and the commands of the registry."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from feature_extraction.feature_table import FEATURES
from feature_extraction.registry import main
from toolkit.globals import (
    AUDIO_RANK_LOW2HIGH,
    IMAGR_RANK_LOW2HIGH,
    TEXT_RANK_LOW2HIGH,
    featname_mapping,
    featname_mapping_reverse,
)

REPOSITORY = Path(__file__).resolve().parent.parent
DRIVER = REPOSITORY / "run-mer2024.sh"
STEPS = (
    "setup demo test models preprocess faces audio visual asr text unimodal fusion noise ov predict check submission"
).split()


def _driver(*arguments, cwd=REPOSITORY):
    # no environment at this place, and none may be made for these questions
    env = os.environ | {"MER_VENV": str(cwd / "no such venv")}
    env.pop("MER_PYTHON", None)
    return subprocess.run(
        ["bash", str(DRIVER), *arguments], capture_output=True, text=True, check=False, cwd=cwd, env=env
    )


def test_help_lists_every_step(tmp_path):
    done = _driver("help", cwd=tmp_path)
    assert done.returncode == 0
    listed = [
        line.split()[0] for line in done.stdout.splitlines() if line and line[0].islower() and "usage" not in line
    ]
    assert list(dict.fromkeys(listed)) == STEPS  # two have a second form, --all


@pytest.mark.parametrize("step", STEPS)
def test_each_step_explains_itself(step, tmp_path):
    done = _driver(step, "--help", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith(step)
    assert os.listdir(tmp_path) == []


def test_an_unknown_step_lists_the_known():
    done = _driver("trian")
    assert done.returncode == 1
    assert done.stderr == f"run-mer2024.sh trian: unknown step; steps: {' '.join(STEPS)}\n"


def test_an_interpreter_that_does_not_exist_is_named(tmp_path):
    env = os.environ | {"MER_PYTHON": "/no/such/python"}
    done = subprocess.run(["bash", str(DRIVER), "models"], capture_output=True, text=True, check=False, env=env)
    assert done.returncode != 0 and "MER_PYTHON=/no/such/python is not an executable" in done.stderr


def test_registry_rows_are_unique_and_cover_the_mapping():
    stems = [row.stem for row in FEATURES]
    assert len(stems) == len(set(stems))
    assert set(featname_mapping) <= set(stems)
    for rank, modality in (
        (AUDIO_RANK_LOW2HIGH, "audio"),
        (TEXT_RANK_LOW2HIGH, "text"),
        (IMAGR_RANK_LOW2HIGH, "visual"),
    ):
        by_stem = {row.stem: row for row in FEATURES}
        assert {by_stem[featname_mapping_reverse[display]].modality for display in rank} == {modality}


def test_registry_widths_of_the_spec():
    widths = {row.stem: (row.width, row.frame_width) for row in FEATURES}
    assert widths["eGeMAPS"] == (88, 23) and widths["IS09"] == (384, 32) and widths["IS13"] == (6373, 130)
    assert widths["vggish"][0] == 128 and widths["wav2vec-large-c"][0] == 512 and widths["manet"][0] == 1024
    assert widths["chinese-hubert-large"][0] == 1024 and widths["clip-vit-large-patch14"][0] == 768


@pytest.mark.parametrize("row", [row for row in FEATURES if row.script], ids=lambda row: row.stem)
def test_scripts_of_the_registry_exist(row):
    assert (REPOSITORY / "feature_extraction" / row.script).is_file()


def test_commands_of_the_registry(capsys):
    main(["--modality", "audio", "--commands", "eGeMAPS", "whisper-base"])
    assert capsys.readouterr().out.splitlines() == [
        "feature_extraction/audio/handcrafted_feature_extractor.py --feature_set eGeMAPS",
        "feature_extraction/audio/extract_audio_huggingface.py --model_name whisper-base",
    ]


def _function(name):
    """The text of one function of the driver."""
    return f"{name}() {{" + DRIVER.read_text().partition(f"\n{name}() {{")[2].partition("\n}\n")[0] + "\n}"


@pytest.mark.parametrize(
    ("arguments", "dataset", "root", "rest"),
    [
        ([], "MER2024", "", []),
        (["a b", "--dataset", "MELD", "--trials", "3"], "MELD", "", ["a b", "--trials", "3"]),
        (["--data_root=/d r", "--dataset=My Corpus", "x"], "My Corpus", "/d r", ["x"]),
    ],
)
def test_dataset_and_data_root_are_taken_from_the_arguments_of_a_step(arguments, dataset, root, rest):
    shown = 'printf "%s\\n" "$dataset" "$root" "${corpus[@]}" -- ${rest[@]+"${rest[@]}"}'
    program = f'{_function("take_corpus")}\ntake_corpus "$@"\n{shown}'
    done = subprocess.run(["bash", "-euc", program, "x", *arguments], capture_output=True, text=True, check=True)
    corpus = ["--dataset", dataset, *(["--data_root", root] if root else [])]
    assert done.stdout.splitlines() == [dataset, root, *corpus, "--", *rest]


@pytest.mark.parametrize(
    ("dataset", "module"),
    [("MER2024", "mer2024"), ("MER2023_UNLABEL", "mer2023_unlabel"), ("SIMSv2", "simsv2")]
    + [(name, "iemocap") for name in ("IEMOCAP", "IEMOCAPFour", "IEMOCAPSix")],
)
def test_preprocess_finds_the_module_of_a_corpus(dataset, module):
    program = f"die() {{ exit 9; }}\n{_function('preprocess_module')}\ndataset={dataset}; preprocess_module"
    done = subprocess.run(["bash", "-euc", program], capture_output=True, text=True, check=True)
    assert done.stdout == module
    assert (REPOSITORY / "toolkit" / "preprocess" / f"{module}.py").is_file()


@pytest.mark.parametrize("dataset", ["media", "custom", "mer2024", "MyCorpus"])
def test_preprocess_takes_no_other_name(dataset):
    program = f"die() {{ exit 9; }}\n{_function('preprocess_module')}\ndataset={dataset}; preprocess_module"
    assert subprocess.run(["bash", "-euc", program], capture_output=True, check=False).returncode == 9


@pytest.mark.parametrize(("there", "status"), [(["t.csv"], 9), (["t.csv", "transcription-old.csv"], 0), ([], 0)])
def test_asr_replaces_only_transcripts_that_it_made(tmp_path, there, status):
    for name in there:
        (tmp_path / name).write_text("name,chinese\na,b\n")
    stand_ins = (
        f'place() {{ case $1 in root) echo "{tmp_path}" ;; *) echo "{tmp_path}/t.csv" ;; esac; }}\n'
        "die() { exit 9; }; clips() { :; }; py() { :; }; gpu() { echo -1; }; here=''\n"
    )
    program = f"{stand_ins}{_function('take_corpus')}\n{_function('step_asr')}\nstep_asr --dataset SIMS"
    assert subprocess.run(["bash", "-euc", program], capture_output=True, check=False).returncode == status


def test_a_relative_data_root_belongs_to_the_folder_of_the_caller(tmp_path):
    program = f"{_function('place')}\nhome=/ root=data dataset=MELD python='{sys.executable}'\nplace features"
    done = subprocess.run(["bash", "-euc", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == str(tmp_path.resolve() / "data/meld-dataset-process/features")
