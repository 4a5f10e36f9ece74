"""main-predict.py --video as users run it, with real models: the features of training, bad clips, a second call."""

import argparse
import csv
import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from feature_extraction import predict_clips
from feature_extraction.audio.handcrafted_feature_extractor import main as extract_audio
from feature_extraction.predict_plan import FeaturePlan
from feature_extraction.text.extract_text_huggingface import main as extract_text
from feature_extraction.visual.extract_minixception_embedding import main as extract_visual
from feature_extraction.visual.extract_openface import main as extract_faces
from feature_extraction.visual.face_frames import CUT_OFF, DAMAGED
from toolkit.globals import PATH_TO_REPOSITORY, corpus_paths
from toolkit.models import ModelConfig, build_model
from toolkit.preprocess.audio import split_audio
from toolkit.preprocess.media import ffmpeg_path

DEMO = PATH_TO_REPOSITORY / "demo/mer2024-dataset/video-labeled"
NAMES = ("sample_00000001", 'two. "quotes" $HOME')  # of the clips; the second is renamed
WORDS = {NAMES[0]: "My office is on the second floor.", NAMES[1]: "Nobody knows.", "cut off": "My office is"}
WORDS |= {"no face": "", "no sound": "Hush."}
FEATURES = ("eGeMAPS_UTT", "all-MiniLM-L6-v2-langeng-UTT", "mini-xception-UTT")
WIDTHS = (88, 384, 128)


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    """Two demo clips (shortened); one without a face, without sound, no video at all, cut off; and a csv of words."""
    folder = tmp_path_factory.mktemp("clips")
    for name, source in zip(NAMES, sorted(DEMO.glob("*.mp4")), strict=False):
        _ffmpeg("-i", source, "-t", "1.2", "-c:v", "mpeg4", "-q:v", "3", "-c:a", "aac", folder / f"{name}.mp4")
    _ffmpeg("-i", folder / f"{NAMES[0]}.mp4", "-an", "-c:v", "copy", folder / "no sound.mp4")
    picture, tone = "testsrc=duration=1:size=160x120:rate=5", "sine=frequency=440:duration=1"
    _ffmpeg(
        "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone, "-c:v", "mpeg4", "-c:a", "aac", folder / "no face.mkv"
    )
    (folder / "broken.mp4").write_bytes(b"this is no video")
    whole = folder / "whole.mp4"
    _ffmpeg("-i", folder / f"{NAMES[0]}.mp4", "-c", "copy", "-movflags", "+faststart", whole)
    data = whole.read_bytes()
    (folder / "cut off.mp4").write_bytes(data[: len(data) * 3 // 4])  # its index is in front
    whole.unlink()
    with open(folder / "words.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("name", "english"), *WORDS.items()])
    return folder


def _ffmpeg(*arguments) -> None:
    subprocess.run([ffmpeg_path(), "-v", "error", "-nostdin", "-y", *map(str, arguments)], check=True)


@pytest.fixture(scope="module")
def corpus(clips, embedded_tools, tmp_path_factory) -> Path:
    """A data root with both good clips, their features made as for training."""
    root = tmp_path_factory.mktemp("corpus")
    paths = corpus_paths("MER2024", root)
    paths.video.mkdir(parents=True)
    for name in NAMES:
        shutil.copy(clips / f"{name}.mp4", paths.video)
    split_audio(paths.video, paths.audio, progress=False)
    place = ["--dataset", "MER2024", "--data_root", str(root)]
    assert extract_faces([*place, "--num_workers", "1"]) == 0
    assert extract_audio([*place, "--feature_set", "eGeMAPS", "--num_workers", "0"]) == 0
    visual = embedded_tools / "fer2013-mini-xception"
    assert extract_visual([*place, "--gpu", "-1", "--model_dir", str(visual), "--num_procs", "1"]) == 0
    with open(paths.transcript, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("name", "english"), *((name, WORDS[name]) for name in NAMES)])
    text = embedded_tools / "transformers/all-MiniLM-L6-v2"
    flags = ["--model_name", "all-MiniLM-L6-v2", "--language", "english", "--model_dir", str(text), "--gpu", "-1"]
    assert extract_text([*place, *flags]) == 0
    return root


@pytest.fixture(scope="module")
def model(corpus, tmp_path_factory) -> Path:
    """A saved attention model with random weights on these features."""
    folder = tmp_path_factory.mktemp("saved") / "model" / "features:x"
    folder.mkdir(parents=True)
    hyper = {"hidden_dim": 8, "dropout": 0.3, "grad_clip": -1.0, "lr": 1e-3}
    for fold in (1, 2):
        with torch.random.fork_rng():
            torch.manual_seed(fold)
            network = build_model("attention", ModelConfig(WIDTHS, 3, 0, "utt", hyper))
            save_file(network.state_dict(), folder / f"fold{fold}.safetensors")
    description = {"format": 1, "model": "attention", "feat_type": "utt", "feat_scale": 1, "features": list(FEATURES)}
    description |= {"keys": ["audios", "texts", "videos"], "feat_dims": list(WIDTHS), "outputs": [3, 0]}
    description |= {"emotions": ["calm", "angry", "glad"], "hyper": hyper, "folds": 2, "lengths": [0, 0, 0]}
    description |= {"train_names": [], "args": {"dataset": "MER2024", "data_root": str(corpus)}}
    (folder / "model.json").write_text(json.dumps(description))
    return folder.parent.parent


@pytest.fixture(scope="module")
def predict(embedded_tools):
    """Runs main-predict.py in a process of its own, with the embedded models as its tools."""

    def run(*arguments):
        command = [sys.executable, str(PATH_TO_REPOSITORY / "main-predict.py"), *map(str, arguments), "--gpu", "-1"]
        environment = os.environ | {"MER_TOOLS": str(embedded_tools), "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    return run


@pytest.fixture(scope="module")
def predicted(predict, clips, model, tmp_path_factory):
    """What one call on all clips left: the finished process, its output folder, its work folder."""
    root = tmp_path_factory.mktemp("predicted")
    words = ("--transcript", clips / "words.csv")
    done = predict(
        "--model", model, "--video", clips, *words, "--explain", "--output", root / "out", "--keep_work", root / "w"
    )
    return done, root / "out", root / "w"


def _clips(folder):
    return {clip["name"]: clip for clip in json.loads((folder / "predictions.json").read_text())["clips"]}


def test_features_and_logits_are_those_of_the_corpus(predicted, corpus, model, tmp_path):
    _, out, work = predicted
    for feature in FEATURES:
        for name in NAMES:
            expected = np.load(corpus_paths("MER2024", corpus).features / feature / f"{name}.npy")
            found = np.load(corpus_paths("MER2024", work).features / feature / f"{name}.npy")
            np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    features = corpus_paths("MER2024", corpus).features
    main = runpy.run_path(str(PATH_TO_REPOSITORY / "main-predict.py"))["main"]
    flags = ["--features", str(features), "--output", str(tmp_path / "out"), "--gpu", "-1"]
    assert main(["--model", str(model), *flags]) == 0
    expected, found = _clips(tmp_path / "out"), _clips(out)
    assert sorted(expected) == sorted(NAMES)
    for name in NAMES:
        np.testing.assert_allclose(
            list(found[name]["logits"].values()), list(expected[name]["logits"].values()), rtol=1e-5, atol=1e-5
        )


def test_bad_clips_are_listed_and_the_others_predicted(predicted, clips):
    done, out, _ = predicted
    assert done.returncode == 1, done.stderr
    with open(out / "predictions.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["cut off", "no face", *NAMES]
    notes = _clips(out)["cut off"]["notes"]
    assert notes[0] in (CUT_OFF, DAMAGED, "some frames could not be decoded: the video is damaged")
    assert [note for note in notes[1:] if note.startswith("its sound: ")] == notes[1:]
    assert f"  note: cut off: {notes[0]}" in done.stdout
    assert "notes" not in _clips(out)[NAMES[0]] and "notes" not in _clips(out)[NAMES[1]]
    assert list(rows[0])[-3:] == ["weight_audio", "weight_text", "weight_video"]
    assert _clips(out)["no face"]["notes"] == [
        "no face: its visual features are zeros",
        "no words: its text features are zeros",
    ]
    with open(out / "failures.csv", encoding="utf-8", newline="") as file:
        failures = {row["name"]: row["reason"] for row in csv.DictReader(file)}
    assert list(failures) == ["broken", "no sound"]
    assert failures["no sound"] == f"{clips / 'no sound.mp4'} has no audio stream{predict_clips.SILENT}"
    assert failures["broken"].startswith(f"{clips / 'broken.mp4'}: ") and failures["broken"].endswith("replace it")
    lines = done.stdout.splitlines()  # the table, then what was made; the steps' own reports are on stderr
    assert lines[0].split()[:2] == ["NAME", "EMOTION"] and lines[5] == ""
    assert lines[6].startswith("4 predicted (2 attention models") and "2 failed" in lines[6]
    assert "trained on" not in done.stdout  # the features are made as those of the corpus were


def test_features_made_otherwise_than_for_training_are_told():
    before = {"formula": "mean", "dtype": "float16", "model": {"fingerprint": "sha256:1"}}
    now = {"formula": "mean", "dtype": "float32", "model": {"fingerprint": "sha256:2"}}
    assert predict_clips._differences(before, before) == []
    assert predict_clips._differences(before, now) == [
        "trained on dtype float16, now float32",
        "trained on other files of the model (weights, settings, tokenizer) than those here",
    ]
    assert predict_clips._differences(before, {"formula": "mean", "dtype": "float16", "model": {}}) == []


def test_a_model_of_faces_alone_does_not_guess_without_one(tmp_path):
    paths = corpus_paths("MER2024", tmp_path)
    plan = FeaturePlan("x-UTT", "x-UTT", "visual", "module", ())
    (paths.features / "x-UTT").mkdir(parents=True)
    for name, faces in (("seen", 3), ("unseen", 0)):
        (paths.face / name).mkdir(parents=True)
        np.save(paths.face / name / f"{name}.npy", np.zeros((faces, 112, 112, 3), np.uint8))
        np.save(paths.features / "x-UTT" / f"{name}.npy", np.zeros(4, np.float32))
    clips = predict_clips._sorted_out(paths, {"x-UTT": plan}, ["seen", "unseen", "lost"], {}, ["x-UTT"], None)
    assert clips.names == ["seen"] and clips.status == 0 and clips.notes == {}
    assert clips.failures == {"lost": "no feature in x-UTT", "unseen": "no face found, and the model sees nothing else"}


@pytest.mark.parametrize(("flag", "expected"), [("auto", '{"backend": "openface"}'), ("mtcnn", None)])
def test_faces_come_from_the_back_end_of_the_training_faces(tmp_path, monkeypatch, flag, expected):
    calls = []
    monkeypatch.setattr(predict_clips, "face_script", calls.append)
    trained, paths = corpus_paths("MER2024", tmp_path / "trained"), corpus_paths("MER2024", tmp_path / "work")
    trained.face.mkdir(parents=True)
    (trained.face / "backend.json").write_text('{"backend": "openface"}')
    predict_clips._faces(argparse.Namespace(face_backend=flag), paths, 1, trained)
    record = paths.face / "backend.json"
    assert (record.read_text() if record.exists() else None) == expected
    assert calls[0][calls[0].index("--backend") + 1] == flag and "--allow_empty" in calls[0]


def test_a_clip_without_a_face_has_a_row_of_zeros(predicted):
    _, _, work = predicted
    feature = np.load(corpus_paths("MER2024", work).features / "mini-xception-UTT/no face.npy")
    assert feature.shape == (128,) and not feature.any()


def test_a_second_call_on_the_kept_folder_makes_nothing_again(predicted, predict, model, clips, tmp_path):
    _, out, work = predicted
    files = [path for path in work.rglob("*") if path.suffix in (".npy", ".wav")]
    before = {path: path.stat().st_mtime_ns for path in files}
    arguments = ("--model", model, "--video", clips / f"{NAMES[0]}.mp4", "--transcript", clips / "words.csv")
    done = predict(*arguments, "--output", tmp_path / "out", "--keep_work", work)
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in files} == before
    assert list(_clips(tmp_path / "out")) == [NAMES[0]]
    assert "cut off" in json.loads((corpus_paths("MER2024", work).root / "media-notes.json").read_text())
    again, first = (list(_clips(folder)[NAMES[0]]["logits"].values()) for folder in (tmp_path / "out", out))
    np.testing.assert_allclose(again, first, rtol=1e-5)
