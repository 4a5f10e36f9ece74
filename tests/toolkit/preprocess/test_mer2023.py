from __future__ import annotations

import pytest

from toolkit.data.labels import read_labels
from toolkit.dataloader.corpora import get_corpus
from toolkit.preprocess import mer2023
from toolkit.utils.errors import UserError

CSV = {
    "train": "name,discrete,valence\ns_2,happy,1.5\ns_1,worried,-2.25\n",
    "test1": "name,discrete,valence\ns_3,neutral,0\n",
    "test2": 'name,discrete,valence\n"a ""b"".v2 $HOME",sad,-1\n',
    "test3": "name,discrete\ns_5,angry\n",
}
VIDEOS = {"train": ["s_1", "s_2"], "test1": ["s_3"], "test2": ['a "b".v2 $HOME'], "test3": ["s_5", "s_6", "s_7"]}


@pytest.fixture
def raw(tmp_path, put_videos):
    """A download of one or two labelled clips a split; test3 holds two unlabelled ones too."""
    root = tmp_path / "raw"
    for split, names in VIDEOS.items():
        put_videos(root / split, names)
        (root / f"{split}-label.csv").write_text(CSV[split])
    return root


def run(raw, *more):
    return mer2023.main(["--raw_root", str(raw), "--data_root", str(raw.parent / "data"), *more])


def processed(raw):
    return raw.parent / "data" / "mer2023-dataset-process"


def test_the_whole_command(raw, run_twice):
    output = run_twice(mer2023, raw, raw.parent / "data")
    assert "5 done, 0 already there, 0 failed" in output
    labels = read_labels(processed(raw) / "label-6way.npz")
    assert list(labels) == ["train_corpus", "test1_corpus", "test2_corpus", "test3_corpus"]
    assert list(labels["train_corpus"].items()) == [
        ("s_2", {"emo": "happy", "val": 1.5}),
        ("s_1", {"emo": "worried", "val": -2.25}),
    ]
    assert labels["test2_corpus"] == {'a "b".v2 $HOME': {"emo": "sad", "val": -1.0}}
    assert labels["test3_corpus"] == {"s_5": {"emo": "angry", "val": -10}}  # test3 has no valence
    videos = sorted(path.stem for path in (processed(raw) / "video").iterdir())
    assert videos == ['a "b".v2 $HOME', "s_1", "s_2", "s_3", "s_5"]
    assert "2 videos without a label are not used" in output
    assert "label-6way.npz test3_corpus              1                 1            834" in output
    row = get_corpus("MER2023")
    assert row.class_indices(labels["train_corpus"], "").tolist() == [2, 4]
    assert row.valences(labels["train_corpus"]).tolist() == [1.5, -2.25]


def test_a_video_of_another_suffix_and_a_missing_one(raw, capsys):
    (raw / "train" / "s_1.mp4").rename(raw / "train" / "s_1.avi")
    (raw / "test1" / "s_3.mp4").unlink()
    assert run(raw) == 1
    output = capsys.readouterr().out
    assert f"failed: s_3: its video is missing: {raw / 'test1' / 's_3.mp4'}" in output
    assert (processed(raw) / "video" / "s_1.avi").exists()
    labels = read_labels(processed(raw) / "label-6way.npz")
    assert list(labels["train_corpus"]) == ["s_2", "s_1"] and labels["test1_corpus"] == {}
    assert "label-6way.npz test1_corpus              0                 1            411" in output


def test_a_test_set_may_be_absent_but_not_half(raw, capsys):
    (raw / "test2-label.csv").unlink()
    with pytest.raises(UserError, match=r"lacks test2-label\.csv; give"):
        run(raw)
    (raw / "test2").rename(raw.parent / "elsewhere")
    assert run(raw) == 0
    assert "test2: not in the download, left empty" in capsys.readouterr().out
    assert read_labels(processed(raw) / "label-6way.npz")["test2_corpus"] == {}


@pytest.mark.parametrize(
    ("split", "text", "message"),
    [
        ("train", "name,discrete\ns_1,sad\n", r"train-label\.csv: column valence is missing"),
        ("train", "name,discrete,valence\ns_1,sad,\n", r"train-label\.csv, line 2: valence is '', not a number"),
        ("train", "name,discrete,valence\ns_1,sad,1\ns_1,sad,1\n", "line 3: name 's_1' stands already in line 2"),
        ("train", "name,discrete,valence\n", r"train-label\.csv: no row below the header"),
        ("test1", "name,discrete,valence\n", r"test1-label\.csv: no row below the header"),
        ("train", "name,discrete,valence\ns_1,sad,inf\n", r"line 2: valence is 'inf', not a number, or not finite"),
        ("train", "name,discrete,valence\ns_1,sad,-1e999\n", r"line 2: valence is '-1e999', not a number, or not"),
        (
            "test1",
            "name,discrete,valence\ns_3,Sad,1\n",
            r"test1-label\.csv, line 2: unknown emotion 'Sad' of clip 's_3'",
        ),
        ("test3", "name\ns_5\n", r"test3-label\.csv: column discrete is missing"),
    ],
)
def test_a_wrong_csv(raw, split, text, message):
    (raw / f"{split}-label.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        run(raw)
    assert not processed(raw).exists()


def test_byte_order_mark_and_wrong_encoding(raw):
    (raw / "train-label.csv").write_text(CSV["train"], encoding="utf-8-sig")
    assert run(raw) == 0
    (raw / "train-label.csv").write_bytes(CSV["train"].replace("s_2", "é").encode("latin1"))
    with pytest.raises(UserError, match=r"train-label\.csv: not UTF-8 \(byte 22\)"):
        run(raw)


def test_missing_parts(tmp_path):
    with pytest.raises(UserError, match=r"lacks train, train-label\.csv; give the folder of the MER2023 download"):
        run(tmp_path)
