from __future__ import annotations

import pickle

import numpy as np
import pytest

from toolkit.data.labels import read_labels
from toolkit.dataloader.corpora import get_corpus
from toolkit.preprocess import cmumosei
from toolkit.utils.errors import UserError

SEGMENTS = {
    "-3g 5": (
        "-3g 5___0___0.0___1.0___first___part\n\n-3g 5___1___1.04___2.5___second, too\n"
        "-3g 5___2___2.5___3.0___has no label\n"
    ),
    "w": "w___10___0.35___0.75___third\n",
}
NAMES = {"-3g 5": ["-3g 5_1", "-3g 5_0"], "w": ["w_10"]}
CONTENT = (NAMES, {"-3g 5": [1.0, -2.0], "w": [0.5]}, {}, {"-3g 5": ["b", "a"], "w": ["c"]}, {"-3g 5"}, {"w"}, set())


@pytest.fixture
def raw(tmp_path, make_numbered):
    root = tmp_path / "raw"
    make_numbered(root / "Videos" / "Full" / "Combined" / "-3g 5.mp4")
    make_numbered(root / "Videos" / "Full" / "Combined" / "w.mp4", frames=10, sound=False)
    (root / cmumosei.SEGMENTS).mkdir(parents=True)
    for video, text in SEGMENTS.items():
        (root / cmumosei.SEGMENTS / f"{video}.txt").write_text(text)
    (root / "CMUMOSEI_features_raw_2way.pkl").write_bytes(pickle.dumps(CONTENT))
    return root


def run(raw):
    return cmumosei.main(["--raw_root", str(raw), "--data_root", str(raw.parent / "data")])


def processed(raw):
    return raw.parent / "data" / "cmumosei-dataset-process"


def test_the_whole_command(raw, run_twice, read_lumas):
    output = run_twice(cmumosei, raw, raw.parent / "data", "--workers", "1")
    assert "3 done, 0 already there, 0 failed" in output
    video = processed(raw) / "subvideo"
    assert sorted(path.name for path in video.iterdir()) == ["-3g 5_0.mp4", "-3g 5_1.mp4", "w_10.mp4"]
    frames = {"-3g 5_0": range(0, 10), "-3g 5_1": range(11, 25), "w_10": range(4, 8)}
    for name, expected in frames.items():
        found = read_lumas(video / f"{name}.mp4")
        assert np.abs(np.array(found)[:, 0] - [20 + 5 * i for i in expected]).max() <= 2
    labels = read_labels(processed(raw) / "label.npz")
    assert list(labels["train_corpus"].items()) == [
        ("-3g 5_1", {"emo": 0, "val": 1.0}),
        ("-3g 5_0", {"emo": 0, "val": -2.0}),
    ]
    assert labels["test_corpus"] == {}
    transcripts = (processed(raw) / "transcription-engchi-polish.csv").read_text()
    assert transcripts == "name,english\n-3g 5_1,b\n-3g 5_0,a\nw_10,c\n"
    assert get_corpus("CMUMOSEI").valences(labels["val_corpus"]).tolist() == [0.5]
    assert "label.npz train_corpus                   2                 2         16,326" in output


def test_faults_of_segments_and_videos(raw, capsys):
    text = "w___10___0.9___1.9___late\nw___10___0.0___0.5___the first counts\nw___broken\nw___11___0.5___x___text\n"
    (raw / cmumosei.SEGMENTS / "w.txt").write_text(text)
    (raw / cmumosei.SEGMENTS / "-3g 5.txt").write_text("-3g 5___1___2.0___1.0___backwards\n")
    assert run(raw) == 1
    output = capsys.readouterr().out
    path = raw / cmumosei.SEGMENTS / "w.txt"
    for number in (3, 4):
        assert f"warning: w: {path}, line {number} is not video___clip___start___end___text; not used" in output
    assert "failed: w_10: " in output and "ends 0.90 s before the clip does (0.9 to 1.9 s)" in output
    assert "failed: -3g 5_1: it ends at 1 s, not after its start at 2 s" in output
    assert f"failed: -3g 5_0: has a label but no times in {path.with_name('-3g 5.txt')}\n" in output
    assert not (processed(raw) / "label.npz").exists()  # no clip is left


def test_a_missing_segment_file_and_a_missing_video(raw, capsys):
    (raw / cmumosei.SEGMENTS / "w.txt").unlink()
    assert run(raw) == 1
    assert "failed: w_10: has a label but no times in " in capsys.readouterr().out
    assert list(read_labels(processed(raw) / "label.npz")["train_corpus"]) == ["-3g 5_1", "-3g 5_0"]
    (raw / cmumosei.VIDEOS / "-3g 5.mp4").unlink()
    assert run(raw) == 1
    output = capsys.readouterr().out
    assert f"failed: -3g 5_0: its video is missing: {raw / cmumosei.VIDEOS / '-3g 5.mp4'}" in output
    assert "0 done, 0 already there, 3 failed" in output


def test_missing_parts(raw):
    (raw / "Transcript").rename(raw / "Transcripts")
    with pytest.raises(UserError, match="lacks Transcript/Segmented/Combined; give"):
        run(raw)
