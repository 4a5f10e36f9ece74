"""Which extraction command a saved model's feature stands for."""

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from feature_extraction import predict_media, predict_text
from feature_extraction.predict_media import media_notes
from feature_extraction.predict_plan import plan_features
from feature_extraction.predict_text import check_text_source, make_transcript, wordless
from feature_extraction.predict_work import find_clips, place_clips, work_folder
from toolkit.globals import PATH_TO_REPOSITORY, corpus_paths
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv


@pytest.fixture
def tools(tmp_path):
    """A tools folder that seems to hold some models (nothing is loaded)."""
    for name in ("chinese-hubert-large", "chinese-macbert-large", "clip-vit-large-patch14", "videomae-base", "mine"):
        folder = tmp_path / "tools/transformers" / name
        folder.mkdir(parents=True)
        kind = {"conv_kernel": []} if "hubert" in name else {"image_size": 1} if "clip" in name else {"vocab_size": 9}
        (folder / "config.json").write_text(json.dumps(kind))
        (folder / "model.safetensors").touch()
    (tmp_path / "tools/manet").mkdir()
    (tmp_path / "tools/manet/model.pth").touch()
    (tmp_path / "tools/wav2vec").mkdir()
    (tmp_path / "tools/wav2vec/wav2vec_large.pt").touch()
    return tmp_path / "tools"


HF = "feature_extraction.{0}.extract_{0}_huggingface"


@pytest.mark.parametrize(
    ("feature", "folder", "module", "arguments"),
    [
        (
            "eGeMAPS_UTT",
            "eGeMAPS_UTT",
            "feature_extraction.audio.handcrafted_feature_extractor",
            "--feature_set eGeMAPS --feature_level UTTERANCE",
        ),
        (
            "mfcc-FRA",
            "mfcc-FRA",
            "feature_extraction.audio.handcrafted_feature_extractor",
            "--feature_extractor librosa --feature_set mfcc --feature_level FRAME",
        ),
        (
            "chinese-hubert-large-FRA",
            "chinese-hubert-large-FRA",
            HF.format("audio"),
            "--model_name chinese-hubert-large --feature_level FRAME",
        ),
        (  # a model trained on noisy sound: a clip has its own sound
            "chinese-hubert-large-noisesnr5-UTT",
            "chinese-hubert-large-UTT",
            HF.format("audio"),
            "--model_name chinese-hubert-large --feature_level UTTERANCE",
        ),
        (
            "eGeMAPS_noisesnr5_UTT",
            "eGeMAPS_UTT",
            "feature_extraction.audio.handcrafted_feature_extractor",
            "--feature_set eGeMAPS --feature_level UTTERANCE",
        ),
        (
            "chinese-macbert-large-UTT",
            "chinese-macbert-large-UTT",
            HF.format("text"),
            "--model_name chinese-macbert-large --language chinese --feature_level UTTERANCE",
        ),
        (
            "mine-langeng-punccase1-UTT",
            "mine-langeng-punccase1-UTT",
            HF.format("text"),
            "--model_name mine --language english --punc_case case1 --feature_level UTTERANCE",
        ),
        (
            "clip-vit-large-patch14-UTT",
            "clip-vit-large-patch14-UTT",
            "feature_extraction.visual.extract_vision_huggingface",
            "--model_name clip-vit-large-patch14 --feature_level UTTERANCE",
        ),
        (
            "sunlicai-videomae-base-UTT",
            "sunlicai-videomae-base-UTT",
            "feature_extraction.visual.extract_vision_huggingface",
            "--model_name videomae-base --videomae_type sunlicai --feature_level UTTERANCE",
        ),
        (
            "manet-UTT",
            "manet_UTT",
            "feature_extraction.visual.extract_manet_embedding",
            "--feature_level UTTERANCE",
        ),
        (
            "wav2vec-large-z-UTT",
            "wav2vec-large-z-UTT",
            "feature_extraction.audio.extract_wav2vec_embedding",
            "--feature_level UTTERANCE",
        ),
    ],
)
def test_a_feature_is_made_by_its_training_script(tools, feature, folder, module, arguments):
    plan = plan_features([feature, feature], tools)[feature]
    assert (plan.folder, plan.module, " ".join(plan.arguments)) == (folder, module, arguments)
    assert bool(plan.remark) == ("noise" in feature or "punc" in feature)


def test_features_that_cannot_be_made_here_are_all_named(tools):
    with pytest.raises(UserError) as caught:
        plan_features(["my-own-UTT", "chinese-hubert-base-UTT", "eGeMAPS_UTT", "mine-ttschi-UTT"], tools)
    lines = str(caught.value).splitlines()
    assert lines[1].startswith("  - my-own-UTT: 'my-own' is not in the registry")
    assert lines[2].startswith("  - chinese-hubert-base-UTT: its weights are missing: ")
    assert lines[3].startswith("  - mine-ttschi-UTT: made from synthetic speech")
    assert lines[4].endswith("give --features FOLDER instead of --video") and len(lines) == 5


# ---------------------------------------------------------------- clips and the work folder


def test_clips_are_files_and_folders_of_them(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("b.mp4", "a b.MKV", "notes.txt", ".hidden.mp4"):
        (folder / name).touch()
    (tmp_path / "single.webm").touch()
    clips, faults = find_clips([str(tmp_path / "single.webm"), str(folder), str(folder / "b.mp4")])
    assert clips == {"single": tmp_path / "single.webm", "a b": folder / "a b.MKV", "b": folder / "b.mp4"}
    assert faults == {}


def test_a_link_to_nothing_in_a_folder_costs_no_other_clip(tmp_path):
    (tmp_path / "a.mp4").touch()
    (tmp_path / "lost.mp4").symlink_to(tmp_path / "gone.mp4")
    (tmp_path / "round.mp4").symlink_to("round.mp4")
    clips, faults = find_clips([str(tmp_path)])
    assert list(clips) == ["a"] and list(faults) == ["lost", "round"]
    assert faults["lost"].startswith(f"{tmp_path / 'lost.mp4'}: a link to {tmp_path / 'gone.mp4'}, which cannot be ope")
    assert faults["lost"].endswith("(No such file or directory); replace or remove it")
    assert list(place_clips(corpus_paths("MER2024", tmp_path / "work"), clips)) == ["a"]


def test_one_call_at_a_time_works_in_a_kept_folder(tmp_path):
    keep = str(tmp_path / "work")
    with work_folder(keep) as paths:
        paths.root.mkdir()
        (paths.root / "clips.json").write_text("{}")
        with pytest.raises(UserError, match="work: another main-predict.py works in it; wait"), work_folder(keep):
            pass
        with work_folder(str(tmp_path / "other")):
            pass
    with work_folder(keep) as paths:
        assert paths.root.is_dir()


def test_a_kept_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    place = str(tmp_path / "file" / "inside")
    with pytest.raises(UserError, match="--keep_work .*inside: cannot be written"), work_folder(place):
        pass


def test_sigterm_takes_the_temporary_folder_along(tmp_path):
    """In a process of its own, with a child that inherited the handler: the child dies of the signal itself."""
    code = """
import multiprocessing, os, signal, sys, time
from feature_extraction.predict_work import work_folder
fork = multiprocessing.get_context("fork")
ready = fork.Event()
def wait():
    ready.set()
    time.sleep(60)
with work_folder(None) as paths:
    child = fork.Process(target=wait)
    child.start()
    ready.wait()
    child.terminate()
    child.join()
    print(paths.root.parent, child.exitcode, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
"""
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(PATH_TO_REPOSITORY)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    folder, status = done.stdout.rsplit(" ", 1)
    assert Path(folder).parent == tmp_path and int(status) == -signal.SIGTERM
    assert done.returncode == 128 + signal.SIGTERM, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_signal_handler_of_before_is_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with work_folder(None):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_notes_on_files_are_kept_until_the_clip_changes(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(predict_media, "_complaints", lambda path: read.append(path.name) or ["cut off"])
    links = {"a": tmp_path / "a.mp4", "b": tmp_path / "b.mp4"}
    first = media_notes(tmp_path, links, {"b": "partial file"})
    assert first == {"a": ["cut off"], "b": ["cut off", "its sound: partial file"]}
    assert media_notes(tmp_path, links, {}) == first and read == ["a.mp4", "b.mp4"]
    predict_media.forget_notes(tmp_path, "b")
    assert media_notes(tmp_path, links, {})["b"] == ["cut off"] and read[2:] == ["b.mp4"]
    (tmp_path / predict_media.NOTES_FILE).write_text("{damaged")
    assert media_notes(tmp_path, {"a": links["a"]}, {}) == {"a": ["cut off"]}


def test_paths_that_are_no_clips(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.mp4").touch()
    (tmp_path / "a.avi").touch()
    (tmp_path / f"{'x' * 248}.mp4").touch()
    with pytest.raises(UserError, match="nowhere.mp4: no such file or folder"):
        find_clips([str(tmp_path / "nowhere.mp4")])
    with pytest.raises(UserError, match="empty: the folder holds no videos"):
        find_clips([str(tmp_path / "empty")])
    with pytest.raises(UserError, match=r"a.mp4 and .*a.avi have one name; rename one"):
        find_clips([str(tmp_path / "a.mp4"), str(tmp_path / "a.avi")])
    clips, faults = find_clips([str(tmp_path / f"{'x' * 248}.mp4"), str(tmp_path / "a.avi")])
    assert list(clips) == ["a"] and "is too long for a file name" in faults["x" * 248]


def _make(paths, name):
    """What extraction leaves of a clip, and returns all of it."""
    places = [paths.audio / f"{name}.wav", paths.face / name / f"{name}.npy", paths.features / f"x-UTT/{name}.npy"]
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    return places


def test_a_kept_work_folder_forgets_a_clip_whose_file_changed(tmp_path):
    clips = {name: tmp_path / f"{name}.mp4" for name in ("same", "other", "gone.v2")}
    for path in clips.values():
        path.write_text("1")
    with work_folder(str(tmp_path / "work")) as paths:
        links = place_clips(paths, clips)
        assert {name: link.read_text() for name, link in links.items()} == dict.fromkeys(clips, "1")
        made = {name: _make(paths, name) for name in clips}
        (paths.root / "transcription-old.csv").write_text("name,sentence\nother,hello\nsame,bye\n")
    clips["other"].write_text("22")
    with work_folder(str(tmp_path / "work")) as paths:
        links = place_clips(paths, {name: clips[name] for name in ("same", "other")})
        assert sorted(link.name for link in paths.video.iterdir()) == ["other.mp4", "same.mp4"]
        assert all(place.exists() for name in ("same", "gone.v2") for place in made[name])
        assert not any(place.exists() for place in made["other"])
        rows = read_csv(paths.root / "transcription-old.csv")
        assert rows == [{"name": "same", "sentence": "bye"}]


def test_a_folder_with_other_things_is_not_taken_as_a_work_folder(tmp_path):
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(UserError, match="holds other files"), work_folder(str(tmp_path)):
        pass
    with work_folder(None) as paths:
        root = paths.root.parent
        assert root.is_dir()
    assert not root.exists()


def test_a_data_root_is_no_work_folder_but_one_of_a_killed_call_is(tmp_path):
    root = corpus_paths("MER2024", tmp_path).root
    root.mkdir()
    (root / ".clips.json.12345678.1.part").touch()
    with work_folder(str(tmp_path)) as paths:  # killed before it could write anything
        assert paths.root == root
    (root / "video").mkdir()
    with pytest.raises(UserError, match="holds other files"), work_folder(str(tmp_path)):
        pass


# ---------------------------------------------------------------- words


def _args(**options):
    return argparse.Namespace(
        **({"transcript": None, "asr_backend": "whisper", "asr_model_dir": None, "language": None, "gpu": -1} | options)
    )


@pytest.fixture
def heard(monkeypatch, tmp_path):
    """A recogniser that hears the name of the model and the size of the sound."""
    monkeypatch.setattr(predict_text.asr, "resolve_model_dir", lambda name, *_: tmp_path / name)
    calls = []

    class Recogniser:
        def __init__(self, model):
            self.model = model.rsplit("/", 1)[-1]

        def transcribe(self, waveforms, batch_size=8):
            calls.append(len(waveforms))
            return [f"{self.model} {len(waveform)}" for waveform in waveforms]

    monkeypatch.setattr(
        predict_text.asr, "build_transcriber", lambda backend, model, gpu, language: Recogniser(str(model))
    )
    return calls


def _wav(path, frames):
    import wave

    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(b"\1\0" * frames)


def test_recognised_words_are_kept_until_the_recogniser_changes(tools, tmp_path, heard):
    plans = list(plan_features(["mine-langeng-UTT"], tools).values())
    paths = corpus_paths("MER2024", tmp_path / "work")
    _wav(paths.audio / "a.wav", 160)
    _wav(paths.audio / "b c.wav", 320)
    assert make_transcript(_args(), plans, paths, ["a", "b c", "no sound"]) == {}
    expected = [{"name": "a", "english": "whisper-tiny.en 160"}, {"name": "b c", "english": "whisper-tiny.en 320"}]
    assert read_csv(paths.transcript) == expected
    feature = paths.features / "mine-langeng-UTT/a.npy"
    feature.parent.mkdir(parents=True)
    feature.touch()
    make_transcript(_args(), plans, paths, ["a", "b c"])
    assert heard == [2] and feature.exists()
    make_transcript(_args(asr_model_dir="large"), plans, paths, ["a", "b c"])
    assert heard == [2, 2] and not feature.exists()  # made from other words
    assert read_csv(paths.transcript)[0] == {"name": "a", "english": "large 160"}


def test_given_words_need_no_recogniser(tools, tmp_path):
    plans = list(plan_features(["mine-langeng-UTT", "chinese-macbert-large-UTT"], tools).values())
    paths = corpus_paths("MER2024", tmp_path / "work")
    paths.root.mkdir(parents=True)
    given = tmp_path / "words.csv"
    given.write_text("name,sentence,english\na,你好,hello\nother,x,x\nb, ,\n", encoding="utf-8")
    failures = make_transcript(_args(transcript=str(given)), plans, paths, ["a", "b", "c"])
    assert failures == {"c": f"{given} has no row of this clip"}
    assert read_csv(paths.transcript) == [
        {"name": "a", "english": "hello", "chinese": "你好"},
        {"name": "b", "english": "", "chinese": " "},
    ]
    assert wordless(paths, ["a", "b", "c"]) == {"b"}


def test_where_words_come_from_is_settled_before_any_work(tools, tmp_path, monkeypatch):
    chinese = list(plan_features(["chinese-macbert-large-UTT"], tools).values())
    english = list(plan_features(["mine-langeng-UTT"], tools).values())
    with pytest.raises(UserError, match="reads chinese-macbert-large-UTT: name the recogniser .*--asr_model_dir"):
        check_text_source(_args(), chinese)
    with pytest.raises(UserError, match="no model .config.json. in nothing; .*, or give --asr_model_dir$"):
        check_text_source(_args(asr_model_dir="nothing"), english)
    (tmp_path / "words.csv").write_text("name,text\na,b\n")
    with pytest.raises(UserError, match="needs a column english or sentence; there: name, text"):
        check_text_source(_args(transcript=str(tmp_path / "words.csv")), english)
    asked = []
    monkeypatch.setattr(
        predict_text.asr, "resolve_model_dir", lambda name, shelf, _: asked.append((name, shelf.folder))
    )
    check_text_source(_args(), english)
    check_text_source(_args(asr_model_dir="large"), chinese)
    check_text_source(_args(asr_backend="funasr"), chinese)
    assert asked == [("whisper-tiny.en", "transformers"), ("large", "transformers"), ("paraformer-zh", "funasr")]
    (tmp_path / "config.json").write_text('{"model_type": "whisper", "vocab_size": 51865}')
    monkeypatch.setattr(predict_text.asr, "resolve_model_dir", lambda *_: tmp_path)
    for backend, language in (("whisper", "Mandarin"), ("faster-whisper", "de"), ("funasr", "zh")):
        check_text_source(_args(asr_model_dir="x", asr_backend=backend, language=language), chinese)
    for backend in ("whisper", "faster-whisper"):
        with pytest.raises(UserError, match="--language klingon: unknown; known: afrikaans"):
            check_text_source(_args(asr_model_dir="x", asr_backend=backend, language="klingon"), chinese)
    with pytest.raises(UserError, match="--language english: Paraformer knows Chinese"):
        check_text_source(_args(asr_backend="funasr", language="english"), chinese)
    (tmp_path / "config.json").write_text('{"model_type": "whisper", "vocab_size": 51864}')
    with pytest.raises(UserError, match="--language german: this Whisper knows English only"):
        check_text_source(_args(asr_model_dir="x", language="german"), english)
    with pytest.raises(UserError, match="--asr_backend nobody: unknown; known: whisper"):
        check_text_source(_args(asr_backend="nobody"), chinese)
