from __future__ import annotations

import pytest

from toolkit.data.labels import read_labels
from toolkit.dataloader.corpora import get_corpus
from toolkit.preprocess import meld
from toolkit.utils.errors import UserError

HEAD = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,StartTime\n"
CSV = {
    "train": '1,"Oh, ""hi"" there.",Joey,joy,positive,0,1,"00:1"\n2,No.,Ross,anger,negative,0,0,"00:2"\n',
    "dev": "1,Ew,Rachel,disgust,negative,7,12,0\n",
    "test": "1,It’s me,Monica,neutral,neutral,0,0,0\n2,Ah,Monica,surprise,neutral,0,1,0\n",
}
VIDEOS = {"train": ["dia0_utt0", "dia0_utt1"], "dev": ["dia7_utt12"], "test": ["dia0_utt0", "dia0_utt1"]}
ARCHIVES = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}


@pytest.fixture
def raw(tmp_path, put_videos):
    for split, names in VIDEOS.items():
        put_videos(tmp_path / "raw" / split, names)
        (tmp_path / "raw" / f"{split}_sent_emo.csv").write_text(HEAD + CSV[split])
    return tmp_path / "raw"


def run(raw):
    return meld.main(["--raw_root", str(raw), "--data_root", str(raw.parent / "data")])


def processed(raw):
    return raw.parent / "data" / "meld-dataset-process"


@pytest.mark.parametrize("archives", [False, True])
def test_the_whole_command(raw, run_twice, archives):
    if archives:
        for folder, archive in ARCHIVES.items():
            (raw / folder).rename(raw / archive)
    output = run_twice(meld, raw, raw.parent / "data")
    assert "5 done, 0 already there, 0 failed" in output
    labels = read_labels(processed(raw) / "label.npz")
    assert list(labels) == ["train_corpus", "val_corpus", "test_corpus"]
    assert list(labels["train_corpus"].items()) == [
        ("train_dia0_utt1", {"emo": 1, "val": -10}),
        ("train_dia0_utt0", {"emo": 0, "val": -10}),
    ]
    assert list(labels["val_corpus"]) == ["val_dia7_utt12"]
    assert list(labels["test_corpus"]) == ["test_dia0_utt0", "test_dia0_utt1"]
    assert sorted(path.stem for path in (processed(raw) / "subvideo").iterdir()) == sorted(
        name for of_key in labels.values() for name in of_key
    )
    assert (processed(raw) / "transcription-engchi-polish.csv").read_text(encoding="utf-8") == (
        'name,english\ntrain_dia0_utt1,"Oh, ""hi"" there."\ntrain_dia0_utt0,No.\nval_dia7_utt12,Ew\n'
        "test_dia0_utt0,It’s me\ntest_dia0_utt1,Ah\n"
    )
    row = get_corpus("MELD")
    assert row.class_indices(labels["train_corpus"], "").tolist() == [1, 0]
    assert row.class_indices(labels["test_corpus"], "").tolist() == [3, 6]
    assert "label.npz val_corpus                     1                 1          1,109" in output
    assert "this download is not the whole MELD corpus" in output


def test_the_known_faults_of_the_archives_are_listed(raw, capsys):
    (raw / "dev" / "dia7_utt12.mp4").unlink()
    (raw / "train" / "dia0_utt0.mp4").write_bytes(b"broken")
    (raw / "test" / "dia9_utt9.mp4").write_bytes(b"named by no csv")
    assert run(raw) == 1
    output = capsys.readouterr().out
    assert f"failed: val_dia7_utt12: its video is missing: {raw / 'dev' / 'dia7_utt12.mp4'}" in output
    assert f"failed: train_dia0_utt0: {raw / 'train' / 'dia0_utt0.mp4'}: cannot be read as a video" in output
    assert "1 videos that no csv names are not used" in output
    labels = read_labels(processed(raw) / "label.npz")
    assert [list(of_key) for of_key in labels.values()] == [
        ["train_dia0_utt1"],
        [],
        ["test_dia0_utt0", "test_dia0_utt1"],
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Utterance,Emotion,Dialogue_ID\nx,joy,0\n", "column Utterance_ID is missing"),
        (HEAD, "no row below the header; unpack or download it again"),
        (HEAD.replace(",", ";"), "column Dialogue_ID, .*is missing.*; save it with commas between the cells"),
        (HEAD + "1,x,A,joyful,p,0,0,0\n", "line 2: unknown emotion 'joyful' of clip 'dia0_utt0'; allowed: anger, joy,"),
        (HEAD + "1,x,A,joy,p,zero,0,0\n", "line 2: Dialogue_ID is 'zero', not a number 0, 1, 2"),
        (HEAD + "1,x,A,joy,p,0,1,0\n2,x,A,joy,p,0,01,0\n", "line 3: dia0_utt1 stands in an earlier line, too"),
    ],
)
def test_a_wrong_csv(raw, text, message):
    (raw / "dev_sent_emo.csv").write_text(text)
    with pytest.raises(UserError, match=r"dev_sent_emo\.csv.*" + message):
        run(raw)
    assert not processed(raw).exists()


def test_missing_parts(raw):
    (raw / "dev").rename(raw / "development")
    with pytest.raises(UserError, match="has no folder dev or dev_splits_complete; unpack the videos there"):
        run(raw)
    (raw / "test_sent_emo.csv").unlink()
    with pytest.raises(UserError, match=r"lacks test_sent_emo\.csv; give the folder of the MELD download"):
        run(raw)
