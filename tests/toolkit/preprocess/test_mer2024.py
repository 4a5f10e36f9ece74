from __future__ import annotations

import os

import numpy as np
import pytest

from toolkit.data.labels import read_labels
from toolkit.dataloader.corpora import get_corpus
from toolkit.preprocess import mer2024, place
from toolkit.utils.errors import UserError

CSV = "name,discrete,valence\nsample_3,happy,1.5\nsample_1,worried,-2\nsample_2,surprise,0\n"


@pytest.fixture
def raw(tmp_path, monkeypatch):
    """A download of three labelled and two unlabelled clips; the videos are a few bytes, and not looked into."""
    monkeypatch.setattr(place, "video_times", lambda path: None)
    root = tmp_path / "raw"
    for folder, names in (("video-labeled", "123"), ("video-unlabeled-with-test2noise", "98")):
        (root / folder).mkdir(parents=True)
        for name in names:
            (root / folder / f"sample_{name}.mp4").write_text(f"video {name}")
    (root / "label-disdim.csv").write_text(CSV)
    return root


def run(raw, *more):
    return mer2024.main(["--raw_root", str(raw), "--data_root", str(raw.parent / "data"), *more])


def processed(raw):
    return raw.parent / "data" / "mer2024-dataset-process"


def label(emotion):
    return {"emo": emotion, "val": -10}


def test_label_file_is_exact(raw, capsys):
    assert run(raw) == 0
    labels = read_labels(processed(raw) / "label-6way.npz")
    assert list(labels) == ["train_corpus", "test1_corpus"]
    # file order of the csv, then name order: both are the sample order of all that follows
    expected = [("sample_3", label("happy")), ("sample_1", label("worried")), ("sample_2", label("surprise"))]
    assert list(labels["train_corpus"].items()) == expected
    assert list(labels["test1_corpus"].items()) == [("sample_8", label("neutral")), ("sample_9", label("neutral"))]
    with np.load(processed(raw) / "label-6way.npz", allow_pickle=True) as original:  # as users' scripts read it
        assert original["train_corpus"].tolist()["sample_1"] == {"emo": "worried", "val": -10}
        assert type(original["train_corpus"].tolist()["sample_1"]["val"]) is int
    output = capsys.readouterr().out
    assert "5 done, 0 already there, 0 failed" in output
    assert "label-6way.npz train_corpus              3                 3          5,030" in output
    assert "label-6way.npz test1_corpus              2                 2        115,595" in output
    assert "this download is not the whole MER2024 corpus" in output
    row = get_corpus("MER2024")
    assert row.class_indices(labels["train_corpus"], "").tolist() == [2, 4, 5]


def test_real_videos_twice(raw, put_videos, monkeypatch, run_twice):
    monkeypatch.undo()  # here videos are looked into
    put_videos(raw / "video-labeled", ["sample_1", "sample_2", "sample_3"])
    put_videos(raw / "video-unlabeled-with-test2noise", ["sample_8"])
    output = run_twice(mer2024, raw, raw.parent / "data", status=1)
    assert "4 done, 0 already there, 1 failed" in output
    assert f"failed: sample_9: {raw / 'video-unlabeled-with-test2noise' / 'sample_9.mp4'}: cannot be read" in output
    assert list(read_labels(processed(raw) / "label-6way.npz")["test1_corpus"]) == ["sample_8"]


def test_the_whole_corpus_gets_no_remark(raw, capsys, monkeypatch):
    monkeypatch.setattr(mer2024, "KNOWN", {"train_corpus": 3, "test1_corpus": 2})
    assert run(raw) == 0
    assert "not the whole" not in capsys.readouterr().out


def test_videos_are_hard_links_or_copies(raw, capsys, monkeypatch):
    assert run(raw) == 0
    video = processed(raw) / "video"
    assert sorted(path.name for path in video.iterdir()) == [f"sample_{i}.mp4" for i in (1, 2, 3, 8, 9)]
    assert (video / "sample_1.mp4").samefile(raw / "video-labeled" / "sample_1.mp4")
    (video / "sample_1.mp4").unlink()
    (video / "sample_2.mp4").unlink()
    (video / "sample_2.mp4").write_text("half")  # another size: placed again
    assert run(raw, "--link", "copy") == 0
    assert "5 done, 0 already there, 0 failed" in capsys.readouterr().out
    assert not (video / "sample_1.mp4").samefile(raw / "video-labeled" / "sample_1.mp4")
    assert (video / "sample_1.mp4").read_text() == "video 1"
    assert (video / "sample_2.mp4").read_text() == "video 2"
    assert [path.name for path in video.iterdir() if path.name.startswith(".")] == []

    def no_links(*arguments, **options):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_links)
    (video / "sample_9.mp4").unlink()
    assert run(raw) == 0
    assert (video / "sample_9.mp4").read_text() == "video 9"
    assert not (video / "sample_9.mp4").samefile(raw / "video-unlabeled-with-test2noise" / "sample_9.mp4")


def test_a_symbolic_link_in_the_download_is_followed(raw):
    (raw / "video-labeled" / "sample_1.mp4").rename(raw.parent / "elsewhere.mp4")
    (raw / "video-labeled" / "sample_1.mp4").symlink_to(raw.parent / "elsewhere.mp4")
    assert run(raw) == 0
    placed = processed(raw) / "video" / "sample_1.mp4"
    assert not placed.is_symlink() and placed.read_text() == "video 1"


def test_clips_that_do_not_fit_are_listed(raw, capsys):
    (raw / "video-labeled" / "sample_1.mp4").unlink()
    (raw / "video-labeled" / "extra.mp4").write_text("no label")
    (raw / "video-unlabeled-with-test2noise" / "sample_2.mp4").write_text("also here")
    assert run(raw) == 1
    output = capsys.readouterr().out
    assert f"failed: sample_1: its video is missing: {raw / 'video-labeled' / 'sample_1.mp4'}" in output
    assert "failed: sample_2: is labelled, but a video of this name is in video-unlabeled-with-test2noise too" in output
    assert "warning: extra: a video in video-labeled without a label in label-disdim.csv; not used" in output
    labels = read_labels(processed(raw) / "label-6way.npz")
    assert list(labels["train_corpus"]) == ["sample_3", "sample_2"]
    assert list(labels["test1_corpus"]) == ["sample_8", "sample_9"]
    assert (processed(raw) / "video" / "sample_2.mp4").read_text() == "video 2"
    assert not (processed(raw) / "video" / "extra.mp4").exists()


def test_a_video_that_cannot_be_read_stays_out_of_the_labels(raw, capsys, monkeypatch):
    copy = place.LINKS["copy"]

    def fails_for_9(source, target):
        if source.stem == "sample_9":
            raise OSError(5, "Input/output error", str(source))
        return copy(source, target)

    monkeypatch.setitem(place.LINKS, "copy", fails_for_9)
    assert run(raw, "--link", "copy") == 1
    assert "failed: sample_9: OSError: [Errno 5] Input/output error" in capsys.readouterr().out
    assert list(read_labels(processed(raw) / "label-6way.npz")["test1_corpus"]) == ["sample_8"]


def test_odd_names(raw):
    name = 'it\'s a "b".v2 $HOME'
    (raw / "video-labeled" / f"{name}.mp4").write_text("odd")
    with open(raw / "label-disdim.csv", "a") as file:
        file.write('"it\'s a ""b"".v2 $HOME", sad ,0\n')
    assert run(raw) == 0
    assert read_labels(processed(raw) / "label-6way.npz")["train_corpus"][name] == label("sad")
    assert (processed(raw) / "video" / f"{name}.mp4").read_text() == "odd"


def test_an_unknown_emotion_names_file_line_value_and_choices(raw):
    # A blank line and a cell over two lines: the 3rd row stands in line 6.
    text = 'name,discrete,note\nsample_3,happy,"two\nlines"\n\nsample_1,sad,\nsample_2,Happyy,\n'
    (raw / "label-disdim.csv").write_text(text)
    with pytest.raises(UserError) as caught:
        run(raw)
    assert str(caught.value) == (
        f"{raw / 'label-disdim.csv'}, line 6: unknown emotion 'Happyy' of clip 'sample_2'; "
        "allowed: neutral, angry, happy, sad, worried, surprise"
    )
    assert not processed(raw).exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,emotion\nsample_1,sad\n", "column discrete is missing; columns there: name, emotion"),
        ("discrete\nsad\n", "column name is missing"),
        ("name,discrete\nsample_1,sad\nsample_1,sad\n", "line 3: name 'sample_1' stands already in line 2"),
        ("name,discrete\nsample_1,\n", "line 2: unknown emotion ''"),
    ],
)
def test_a_wrong_csv(raw, text, message):
    (raw / "label-disdim.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        run(raw)


def test_all_missing_parts_are_named_at_once(tmp_path):
    (tmp_path / "video-labeled").mkdir()
    with pytest.raises(UserError, match="lacks video-unlabeled-with-test2noise, label-disdim.csv; give"):
        mer2024.main(["--raw_root", str(tmp_path), "--data_root", str(tmp_path)])


def test_the_download_is_looked_for_below_the_data_root(raw, capsys):
    raw.rename(raw.parent / "mer2024-dataset")
    assert mer2024.main(["--data_root", str(raw.parent)]) == 0
    assert (raw.parent / "mer2024-dataset-process" / "label-6way.npz").exists()
