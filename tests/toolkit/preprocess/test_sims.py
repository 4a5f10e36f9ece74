from __future__ import annotations

import pytest

from toolkit.data.labels import read_labels
from toolkit.dataloader.corpora import get_corpus
from toolkit.preprocess import sims
from toolkit.utils.errors import UserError

LABELS = (
    "video_id,clip_id,text,label,annotation\nv 1,1,甲,-0.8,Negative\nv 1,0002,乙,0.0,Neutral\nv2,10,丙,1.0,Positive\n"
)
TEXTS = 'video_id,clip_id,Chinese,English\nv 1,1,甲,"one, two"\nv 1,2,乙,two\nv2,0010,丙,three\n'
INDEX = {"train": "index\n2\n0\n", "val": "index\n1\n", "test": "index\n"}


@pytest.fixture
def raw(tmp_path, put_videos):
    root = tmp_path / "raw"
    put_videos(root / "Raw" / "v 1", ["0001", "0002"])
    put_videos(root / "Raw" / "v2", ["0010"])
    (root / "metadata" / "sentiment").mkdir(parents=True)
    (root / "metadata" / "sentiment" / "label_M.csv").write_text(LABELS)
    (root / "metadata" / "Translation.csv").write_text(TEXTS, encoding="utf-8-sig")
    for split, text in INDEX.items():
        (root / "metadata" / f"{split}_index.csv").write_text(text)
    return root


def run(raw):
    return sims.main(["--raw_root", str(raw), "--data_root", str(raw.parent / "data")])


def processed(raw):
    return raw.parent / "data" / "sims-dataset-process"


def test_the_whole_command(raw, run_twice):
    output = run_twice(sims, raw, raw.parent / "data", "--link", "copy")
    labels = read_labels(processed(raw) / "label.npz")
    assert {key: list(of_key.items()) for key, of_key in labels.items()} == {
        "train_corpus": [("v2_0010", {"emo": 0, "val": 1.0}), ("v 1_0001", {"emo": 0, "val": -0.8})],
        "val_corpus": [("v 1_0002", {"emo": 0, "val": 0.0})],
        "test_corpus": [],
    }
    video = processed(raw) / "video"
    assert sorted(path.name for path in video.iterdir()) == ["v 1_0001.mp4", "v 1_0002.mp4", "v2_0010.mp4"]
    assert (video / "v2_0010.mp4").read_bytes() == (raw / "Raw" / "v2" / "0010.mp4").read_bytes()
    assert (processed(raw) / "transcription-engchi-polish.csv").read_text(encoding="utf-8") == (
        'name,chinese,english\nv 1_0001,甲,"one, two"\nv 1_0002,乙,two\nv2_0010,丙,three\n'
    )
    assert get_corpus("SIMS").valences(labels["train_corpus"]).tolist() == pytest.approx([1.0, -0.8])
    assert "label.npz test_corpus                    0                 0            457" in output


def test_rows_in_no_split_and_missing_videos(raw, capsys):
    (raw / "metadata" / "val_index.csv").write_text("index\n")
    (raw / "Raw" / "v2" / "0010.mp4").unlink()
    assert run(raw) == 1
    output = capsys.readouterr().out
    assert "1 rows of metadata/sentiment/label_M.csv are in no split and not used" in output
    assert f"failed: v2_0010: its video is missing: {raw / 'Raw' / 'v2' / '0010.mp4'}" in output
    assert list(read_labels(processed(raw) / "label.npz")["train_corpus"]) == ["v 1_0001"]
    assert [path.name for path in (processed(raw) / "video").glob("*.mp4")] == ["v 1_0001.mp4"]


def test_a_row_in_two_splits(raw, capsys):
    (raw / "metadata" / "test_index.csv").write_text("index\n0\n")
    assert run(raw) == 1
    assert (
        "failed: v 1_0001: is in train_corpus and in test_corpus; it stays in train_corpus" in capsys.readouterr().out
    )
    assert read_labels(processed(raw) / "label.npz")["test_corpus"] == {}


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("sentiment/label_M.csv", "video_id,clip_id\nv,1\n", "column label is missing"),
        (
            "sentiment/label_M.csv",
            "video_id,clip_id,label\nv,1,1.2\n",
            "line 2: label is '1.2', not a number from -1 to 1",
        ),
        (
            "sentiment/label_M.csv",
            "video_id,clip_id,label\nv,1,1\nv,01,1\n",
            "line 3: v_0001 stands in an earlier line",
        ),
        ("sentiment/label_M.csv", "video_id,clip_id,label\nv,one,1\n", "line 2: clip_id is 'one', not a number"),
        ("train_index.csv", "index\n3\n", r"line 2: index 3, but .*label_M\.csv has only the rows 0 to 2"),
        ("train_index.csv", "index\n1\n\n1\n", "line 4: index 1 stands in an earlier line, too"),
        ("train_index.csv", "index\n", r"train_index\.csv: no row below the header"),
        ("sentiment/label_M.csv", "video_id,clip_id,label\n", r"label_M\.csv: no row below the header"),
        (
            "Translation.csv",
            TEXTS + "v 1,01,x,y\n",
            r"Translation\.csv, line 5: v 1_0001 stands in an earlier line, too",
        ),
        ("train_index.csv", "number\n1\n", "column index is missing"),
        ("Translation.csv", "video_id,clip_id,Chinese\nv,1,x\n", "column English is missing"),
    ],
)
def test_a_wrong_csv(raw, file, text, message):
    (raw / "metadata" / file).write_text(text)
    with pytest.raises(UserError, match=message):
        run(raw)
    assert not processed(raw).exists()


def test_missing_parts(tmp_path):
    with pytest.raises(UserError, match=r"lacks Raw, metadata/sentiment/label_M\.csv, metadata/train_index\.csv, "):
        run(tmp_path)


def test_a_clip_without_a_translation_is_named(raw, capsys):
    (raw / "metadata" / "Translation.csv").write_text(TEXTS.replace("v 1,2,乙,two\n", ""))
    assert run(raw) == 0
    assert "warning: v 1_0002: has no row in metadata/Translation.csv: no transcript" in capsys.readouterr().out
    lines = (processed(raw) / "transcription-engchi-polish.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in lines] == ["name", "v 1_0001", "v2_0010"]
