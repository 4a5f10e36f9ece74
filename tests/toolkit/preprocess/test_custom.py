"""A corpus of one's own, end to end on tiny videos: files, labels, rows, resuming, what is listed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import soundfile

from toolkit.data.labels import read_labels
from toolkit.dataloader.corpora import get_corpus
from toolkit.globals import corpus_paths
from toolkit.preprocess import custom
from toolkit.utils.errors import UserError

NAMES = ["a b", "c.d", "it's $x", '"q"', "\u4e2d\u6587", "f"]
LABELS = ["sad", "calm", "very happy", "calm", "sad", ""]


@pytest.fixture(scope="module")
def clip(tmp_path_factory, make_clip) -> Path:
    return make_clip(tmp_path_factory.mktemp("one") / "clip.mp4", 0.5)


@pytest.fixture
def home(tmp_path, clip):
    """A user's folder: clips/ with six videos (each with a last byte of its own)."""
    (tmp_path / "clips").mkdir()
    for number, name in enumerate(NAMES):
        path = tmp_path / "clips" / f"{name}.mp4"
        path.write_bytes(clip.read_bytes() + b"\0" * (8 + number))
    return tmp_path


def write(home, rows, header="name,label,split"):
    lines = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    (home / "labels.csv").write_text("\n".join([header, *lines, ""]), encoding="utf-8-sig")


def run(home, *more):
    data = str(home / "data")
    inputs = ["--videos", str(home / "clips"), "--labels", str(home / "labels.csv"), "--data_root", data]
    return custom.main(["--name", "Mine", *inputs, *more])


def simple(home):
    """Five training clips, one hidden test clip; names with and without extension."""
    write(
        home,
        [
            (f"{name}.mp4" if label == "calm" else name, label, "train" if label else "test")
            for name, label in zip(NAMES, LABELS, strict=True)
        ],
    )


def state(folder):
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_ino, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_an_emotion_corpus(home, capsys):
    simple(home)
    before = state(home / "clips")
    assert run(home) == 0
    output = capsys.readouterr().out
    assert "Mine: train 5 in 5 random folds, test1 1 without labels (no score will be shown)" in output
    assert "training clips: calm 2, sad 2, very happy 1" in output
    assert "warning" not in output and "note" not in output
    paths = corpus_paths("Mine", home / "data")
    labels = read_labels(paths.label)
    assert {key: list(rows.items()) for key, rows in labels.items()} == {
        "train_corpus": [
            (name, {"emo": label, "val": -10.0}) for name, label in zip(NAMES[:5], LABELS[:5], strict=True)
        ],
        "hidden_corpus": [("f", {"emo": "calm", "val": -10.0})],
    }
    row = get_corpus("Mine", home / "data")
    assert (row.emotions, row.outputs, row.metric, row.folds) == (
        ("calm", "sad", "very happy"),
        (3, 0),
        "emo",
        "random5",
    )
    assert (row.tests, row.hidden) == ({"test1": "hidden_corpus"}, {"test1"})
    assert row.class_indices(labels["train_corpus"], "").tolist() == [1, 0, 2, 0, 1]
    assert sorted(path.name for path in paths.video.iterdir()) == sorted(f"{name}.mp4" for name in NAMES)
    assert sorted(path.name for path in paths.audio.iterdir()) == sorted(f"{name}.wav" for name in NAMES)
    sound = soundfile.info(paths.audio / "c.d.wav")
    assert (sound.samplerate, sound.channels, sound.subtype) == (16000, 1, "PCM_16")
    assert abs(sound.duration - 0.5) < 0.06  # half a second, to one frame of the mp4's sound
    assert not paths.transcript.exists()
    assert state(home / "clips") == before


def test_a_second_run_changes_nothing_but_what_the_csv_says(home, capsys):
    simple(home)
    assert run(home) == 0
    first = state(home / "data")
    capsys.readouterr()
    assert run(home) == 0
    assert capsys.readouterr().out.count("0 done, 6 already there, 0 failed") == 2
    again = state(home / "data")
    assert {name: content for name, (_, _, content) in again.items()} == {
        name: content for name, (_, _, content) in first.items()
    }
    assert {name for name in first if first[name] != again[name]} == {
        f"Mine-dataset-process/{name}" for name in ("label.npz", "corpus.yaml")
    }
    write(home, [(name, label, "train") for name, label in zip(NAMES[:5], ["x", "y"] * 3, strict=False)])
    assert run(home) == 0
    assert "1 videos of an earlier run are in" in capsys.readouterr().out
    assert get_corpus("Mine", home / "data").emotions == ("x", "y") and get_corpus("Mine", home / "data").tests == {}


@pytest.mark.parametrize("killed", [False, True])
def test_a_replaced_video_gets_its_own_sound(home, make_clip, monkeypatch, capsys, killed):
    simple(home)
    assert run(home) == 0
    video = home / "clips" / "f.mp4"
    video.unlink()  # the placed file is a hard link: it keeps the old content
    make_clip(video, 1.0)
    os.utime(video, (1, 1))  # older than the sound that is there
    capsys.readouterr()
    if killed:
        monkeypatch.setattr(custom, "split_audio", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(home)
        monkeypatch.undo()
    assert run(home) == 0
    output = capsys.readouterr().out
    assert output.count(f"warning: f: {custom.REPLACED}") == 1
    assert "1 done, 5 already there, 0 failed" in output
    assert soundfile.info(corpus_paths("Mine", home / "data").audio / "f.wav").frames == 16000


def test_a_killed_run_is_completed(home, monkeypatch):
    simple(home)
    monkeypatch.setattr(custom, "write_corpus", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(home)
    monkeypatch.undo()
    assert run(home) == 0
    assert len(read_labels(corpus_paths("Mine", home / "data").label)["train_corpus"]) == 5


@pytest.mark.parametrize(
    ("link", "same", "symbolic"), [("hard", True, False), ("copy", False, False), ("symbolic", True, True)]
)
def test_how_videos_are_placed(home, link, same, symbolic):
    simple(home)
    assert run(home, "--link", link) == 0
    target = corpus_paths("Mine", home / "data").video / "c.d.mp4"
    assert os.path.samefile(target, home / "clips" / "c.d.mp4") == same and target.is_symlink() == symbolic
    assert target.read_bytes() == (home / "clips" / "c.d.mp4").read_bytes()


def test_both_targets_and_given_splits_and_transcripts(home, capsys):
    splits = ["train", "train", "val", "test", "test", "test"]
    rows = [
        (name, label, "" if not label else str(number - 2), split, text)
        for number, (name, label, split, text) in enumerate(
            zip(NAMES, LABELS, splits, ["one, two", "", "3", "4", "5", "6"], strict=True)
        )
    ]
    write(home, rows, "name,label,valence,split,transcript")
    assert run(home, "--language", "english", "--emotions", "very happy,sad,calm") == 0
    row, paths = get_corpus("Mine", home / "data"), corpus_paths("Mine", home / "data")
    assert (row.emotions, row.outputs, row.metric) == (("very happy", "sad", "calm"), (3, 1), "emoval")
    assert (row.folds, row.validation) == ("given", "val_corpus")
    assert (row.tests, row.hidden) == ({"test1": "test_corpus", "test2": "hidden_corpus"}, {"test2"})
    labels = read_labels(paths.label)
    assert labels["val_corpus"] == {"it's $x": {"emo": "very happy", "val": 0.0}}
    assert labels["test_corpus"] == {'"q"': {"emo": "calm", "val": 1.0}, "\u4e2d\u6587": {"emo": "sad", "val": 2.0}}
    assert labels["hidden_corpus"] == {"f": {"emo": "very happy", "val": -10.0}}
    assert paths.transcript.name == "transcription-engchi-polish.csv"
    lines = paths.transcript.read_text(encoding="utf-8").splitlines()
    assert lines == ["name,english", '"""q""",4', 'a b,"one, two"', "c.d,", "f,6", "it's $x,3", "\u4e2d\u6587,5"]
    output = capsys.readouterr().out
    assert "6 transcripts, 1 of them empty (column english)" in output
    assert "Mine: train 2, val 1, test1 2, test2 1 without labels" in output
    assert "valence of the training clips: -2 to -1" in output


def test_valence_alone(home):
    write(home, [(name, str(value)) for name, value in zip(NAMES, [-1, 0.5, 2, -3, 0, 1], strict=True)], "name,valence")
    assert run(home) == 0
    row = get_corpus("Mine", home / "data")
    assert (row.emotions, row.outputs, row.metric, row.folds, row.tests) == ((), (0, 1), "emo", "random5", {})
    labels = read_labels(corpus_paths("Mine", home / "data").label)
    assert labels["train_corpus"]["c.d"] == {"emo": 0, "val": 0.5}
    assert row.valences(labels["train_corpus"]).tolist() == [-1, 0.5, 2, -3, 0, 1]


def test_bad_clips_are_listed_and_the_rest_is_done(home, make_clip, capsys):
    write(
        home,
        [
            (name, label, "train")
            for name, label in zip([*NAMES, "gone", "broken", "mute"], ["x", "y"] * 5, strict=False)
        ],
    )
    (home / "clips" / "broken.mp4").write_text("no video")
    make_clip(home / "clips" / "mute.mp4", 0.3, sound=False)
    shutil.copy(home / "clips" / "f.mp4", home / "clips" / "surplus.mp4")
    assert run(home) == 1
    output = capsys.readouterr().out
    assert "failed: gone: has a row in the csv but no video" in output
    assert "failed: broken: " in output
    assert "failed: mute: " in output and "mute.mp4 has no audio stream" in output
    assert "warning: surplus: a video without a row in the csv; not used" in output
    labels = read_labels(corpus_paths("Mine", home / "data").label)
    assert list(labels["train_corpus"]) == [*NAMES, "mute"]  # its picture can be used


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, 2, 3, 4, 5], "lie between 1 and 5; .* both signs must occur: subtract the middle of your scale"),
        ([-1, -2, -3, 0, 0], "lie between -3 and -1"),
        ([0, 0, 0, 0, 0], "lie between 0 and 0"),
    ],
)
def test_valences_of_one_sign(home, values, message):
    write(home, [(name, str(value)) for name, value in zip(NAMES[:5], values, strict=True)], "name,valence")
    with pytest.raises(UserError, match=message):
        run(home)
    assert not (home / "data").exists()


def test_wrong_calls(home):
    simple(home)
    with pytest.raises(UserError, match="--name 'SIMS': the name belongs to the toolkit's own corpus SIMS"):
        custom.main(["--name", "SIMS", "--videos", "x", "--labels", "y"])
    with pytest.raises(UserError, match="none is not a folder"):
        run(home, "--videos", str(home / "none"))
    (home / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty holds no videos \(.mp4"):
        run(home, "--videos", str(home / "empty"))
    with pytest.raises(UserError, match=r"none.csv does not exist"):
        run(home, "--labels", str(home / "none.csv"))
    with pytest.raises(UserError, match="'a b' has the label 'sad', not one of --emotions calm,happy"):
        run(home, "--emotions", "calm,happy")
    write(home, [(name, "x" if name == "f" else "y", "train") for name in NAMES[2:]])
    with pytest.raises(UserError, match="4 training clips with a video; 5 folds need at least 5"):
        run(home)
    write(home, [(name, "x" if name == "f" else "y", "test") for name in NAMES])
    with pytest.raises(UserError, match="no clip that has a video is in the split train"):
        run(home)
    write(home, [(name, "1") for name in NAMES], "name,valence")
    with pytest.raises(UserError, match="--emotions a,b: .* has no column label"):
        run(home, "--emotions", "a,b")
    assert not (home / "data").exists()
