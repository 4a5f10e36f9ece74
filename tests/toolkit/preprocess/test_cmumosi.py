from __future__ import annotations

import pickle

import pytest

from toolkit.data.labels import read_labels
from toolkit.dataloader.corpora import get_corpus
from toolkit.preprocess import cmumosi
from toolkit.utils.errors import UserError

NAMES = {"-v 1": ["-v 1_1", "-v 1_2"], "v2": ["v2_1"]}
CONTENT = (NAMES, {"-v 1": [1.5, -0.5], "v2": [2.0]}, {}, {"-v 1": ["a, b", "c"], "v2": ["d"]}, ["v2"], ["-v 1"], [])


@pytest.fixture
def raw(tmp_path, put_videos):
    put_videos(tmp_path / "raw" / "Video" / "Segmented", ["-v 1_1", "-v 1_2", "v2_1", "extra_1"])
    (tmp_path / "raw" / "CMUMOSI_features_raw_2way.pkl").write_bytes(pickle.dumps(CONTENT))
    return tmp_path / "raw"


def processed(raw):
    return raw.parent / "data" / "cmumosi-dataset-process"


def test_the_whole_command(raw, run_twice):
    output = run_twice(cmumosi, raw, raw.parent / "data")
    labels = read_labels(processed(raw) / "label.npz")
    assert {key: list(of_key.items()) for key, of_key in labels.items()} == {
        "train_corpus": [("v2_1", {"emo": 0, "val": 2.0})],
        "val_corpus": [("-v 1_1", {"emo": 0, "val": 1.5}), ("-v 1_2", {"emo": 0, "val": -0.5})],
        "test_corpus": [],
    }
    videos = sorted(path.name for path in (processed(raw) / "subvideo").iterdir())
    assert videos == ["-v 1_1.mp4", "-v 1_2.mp4", "v2_1.mp4"]
    transcripts = (processed(raw) / "transcription-engchi-polish.csv").read_text()
    assert transcripts == 'name,english\n-v 1_1,"a, b"\n-v 1_2,c\nv2_1,d\n'
    assert get_corpus("CMUMOSI").valences(labels["val_corpus"]).tolist() == [1.5, -0.5]
    assert "label.npz train_corpus                   1                 1          1,284" in output


def test_a_missing_video_and_a_missing_folder(raw, capsys):
    arguments = ["--raw_root", str(raw), "--data_root", str(raw.parent / "data")]
    (raw / "Video" / "Segmented" / "-v 1_2.mp4").unlink()
    assert cmumosi.main(arguments) == 1
    assert "failed: -v 1_2: its video is missing: " in capsys.readouterr().out
    assert list(read_labels(processed(raw) / "label.npz")["val_corpus"]) == ["-v 1_1"]
    (raw / "Video" / "Segmented").rename(raw / "Videos")
    with pytest.raises(UserError, match="lacks Video/Segmented; give the folder of the CMU-MOSI download"):
        cmumosi.main(arguments)
