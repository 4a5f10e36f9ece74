from __future__ import annotations

import pytest

from toolkit.data.labels import read_labels
from toolkit.dataloader.corpora import get_corpus
from toolkit.preprocess import simsv2
from toolkit.utils.errors import UserError

HEAD = "video_id,clip_id,text,label,label_T,mode\n"
ROWS = "a_1,00002,你好，世界,0.2,0,train\na_1,00001,乙,-1.0,0,valid\nb,c.x,丙,0.6,0,train\nb,3,丁,0,0,test\n"


@pytest.fixture
def raw(tmp_path, put_videos):
    root = tmp_path / "raw"
    put_videos(root / "Raw" / "a_1", ["00001", "00002"])
    put_videos(root / "Raw" / "b", ["c.x", "3"])
    (root / "meta.csv").write_text(HEAD + ROWS, encoding="utf-8-sig")
    return root


def run(raw):
    return simsv2.main(["--raw_root", str(raw), "--data_root", str(raw.parent / "data")])


def processed(raw):
    return raw.parent / "data" / "simsv2-dataset-process"


def test_the_whole_command(raw, run_twice):
    output = run_twice(simsv2, raw, raw.parent / "data")
    labels = read_labels(processed(raw) / "label.npz")
    assert {key: list(of_key.items()) for key, of_key in labels.items()} == {
        "train_corpus": [("a_1_00002", {"emo": 0, "val": 0.2}), ("b_c.x", {"emo": 0, "val": 0.6})],
        "val_corpus": [("a_1_00001", {"emo": 0, "val": -1.0})],
        "test_corpus": [("b_3", {"emo": 0, "val": 0.0})],
    }
    assert (processed(raw) / "video" / "b_c.x.mp4").samefile(raw / "Raw" / "b" / "c.x.mp4")
    assert (processed(raw) / "transcription-engchi-polish.csv").read_text(encoding="utf-8") == (
        "name,chinese\na_1_00002,你好，世界\na_1_00001,乙\nb_c.x,丙\nb_3,丁\n"
    )
    assert get_corpus("SIMSv2").valences(labels["val_corpus"]).tolist() == [-1.0]
    assert "label.npz train_corpus                   2                 2          2,722" in output


def test_a_missing_video(raw, capsys):
    (raw / "Raw" / "b" / "3.mp4").unlink()
    assert run(raw) == 1
    assert f"failed: b_3: its video is missing: {raw / 'Raw' / 'b' / '3.mp4'}" in capsys.readouterr().out
    assert read_labels(processed(raw) / "label.npz")["test_corpus"] == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video_id,clip_id,text,label\nv,1,x,1\n", "column mode is missing"),
        (HEAD, "no row below the header"),
        (HEAD + "v,1,x,1,0,val\n", "line 2: mode is 'val'; allowed: train, valid, test"),
        (HEAD + "v,1,x,,0,train\n", "line 2: label is '', not a number from -1 to 1"),
        (HEAD + "v,1,x,1,0,train\nv,1,x,1,0,test\n", "line 3: v_1 stands in an earlier line, too"),
    ],
)
def test_a_wrong_csv(raw, text, message):
    (raw / "meta.csv").write_text(text)
    with pytest.raises(UserError, match=r"meta\.csv.*" + message):
        run(raw)


def test_missing_parts(tmp_path):
    with pytest.raises(UserError, match=r"lacks Raw, meta\.csv; give the folder of the CH-SIMS v2 download"):
        run(tmp_path)
