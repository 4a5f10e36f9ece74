from __future__ import annotations

import pickle

import numpy as np
import pytest
import soundfile

from toolkit.data.labels import read_labels
from toolkit.dataloader.corpora import get_corpus, make_folds
from toolkit.preprocess import audio, iemocap
from toolkit.preprocess.iemocap import speaker_half
from toolkit.utils.errors import UserError

DIALOGUES = {
    "Session1/Ses01F_impro01": [
        ("F000", 0.5, 1.0, "Excuse me.", "neu"),
        ("M000", 1.0, 2.03, "Yeah: [LAUGHTER]", "exc"),
        ("F001", 2.0, 2.5, "No", "xxx"),
    ],
    "Session1/Ses01M_script01_1": [("F000", 0.0, 0.4, "a", "hap"), ("M000", 0.4, 0.8, "b", "fru")],
    "Session2/Ses02M_impro03": [("M013", 3.0, 4.0, "c", "ang"), ("F013", 3.0, 3.5, "d", "sad")],
}


@pytest.fixture
def raw(tmp_path, make_numbered):
    """Two sessions, three dialogues, seven utterances; a line without times and one that names no speaker, too."""
    root = tmp_path / "IEMOCAP full"
    for key, utterances in DIALOGUES.items():
        session, dialogue = key.split("/")
        folder = root / session / "dialog"
        make_numbered(folder / "avi" / "DivX" / f"{dialogue}.avi")
        lines = [f"{dialogue}_{name} [{start:08.4f}-{end:.4f}]: {text}" for name, start, end, text, _ in utterances]
        evaluation = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
        for name, start, end, _, emotion in utterances:
            evaluation.append(f"[{start:.4f} - {end:.4f}]\t{dialogue}_{name}\t{emotion}\t[2.5000, 2.5000, 2.5000]")
            evaluation.append("C-E2:\tNeutral;\t()")
        for part, text in (("transcriptions", lines), ("EmoEvaluation", evaluation)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            (folder / part / f"{dialogue}.txt").write_text("\n".join(text) + "\n")
    with open(root / "Session2" / "dialog" / "transcriptions" / "Ses02M_impro03.txt", "a") as file:
        file.write("M: no times here\n")
    return root


def run(raw, *more):
    return iemocap.main(["--raw_root", str(raw), "--data_root", str(raw.parent / "data"), *more])


def processed(raw):
    return raw.parent / "data" / "iemocap-dataset-process"


def emos(raw, file):
    return {name: label["emo"] for name, label in read_labels(processed(raw) / file)["whole_corpus"].items()}


SIX = {
    "Ses01F_impro01_F000": 2,
    "Ses01F_impro01_M000": 4,
    "Ses01M_script01_1_F000": 0,
    "Ses01M_script01_1_M000": 5,
    "Ses02M_impro03_M013": 3,
    "Ses02M_impro03_F013": 1,
}


@pytest.mark.parametrize(
    ("name", "half"),
    [
        ("Ses01F_impro01_F000", "left"),
        ("Ses01F_impro01_M000", "right"),
        ("Ses05M_script03_2_M045", "left"),
        ("Ses05M_script03_2_F045", "right"),
        ("Ses01F_script02_2_FXX0", "left"),
        ("Ses01X_impro01_F000", ""),
        ("Ses01F_impro01_A000", ""),
        ("Ses01F", ""),
    ],
)
def test_where_the_speaker_is(name, half):
    assert speaker_half(name) == half


def test_the_whole_command(raw, run_twice, read_lumas):
    output = run_twice(iemocap, raw, raw.parent / "data", "--workers", "2")
    assert "7 done, 0 already there, 0 failed" in output
    assert "warning: Ses02M_impro03: " in output and "line 3 is no utterance with times; not used" in output
    video = processed(raw) / "subvideo-tgt"
    frames = {  # which frames, and which half: the luma is 20 + 5 i on the left, 235 - 5 i on the right
        "Ses01F_impro01_F000": [20 + 5 * i for i in range(5, 10)],
        "Ses01F_impro01_M000": [235 - 5 * i for i in range(10, 21)],
        "Ses01F_impro01_F001": [20 + 5 * i for i in range(20, 25)],
        "Ses01M_script01_1_F000": [235 - 5 * i for i in range(0, 4)],
        "Ses01M_script01_1_M000": [20 + 5 * i for i in range(4, 8)],
        "Ses02M_impro03_M013": [20 + 5 * i for i in range(30, 40)],
        "Ses02M_impro03_F013": [235 - 5 * i for i in range(30, 35)],
    }
    assert sorted(path.stem for path in video.iterdir()) == sorted(frames)
    for name, expected in frames.items():
        found = np.array(read_lumas(video / f"{name}.mp4"))
        assert found.shape == (len(expected), 2), name
        assert np.abs(found - np.array(expected)[:, None]).max() <= 2, name
    assert (processed(raw) / "transcription-engchi-polish.csv").read_text() == (
        "name,english\nSes01F_impro01_F000,Excuse me.\nSes01F_impro01_M000,Yeah: [LAUGHTER]\nSes01F_impro01_F001,No\n"
        "Ses01M_script01_1_F000,a\nSes01M_script01_1_M000,b\nSes02M_impro03_M013,c\nSes02M_impro03_F013,d\n"
    )


def test_both_label_files_from_the_evaluations(raw, capsys):
    assert run(raw) == 0
    assert list(emos(raw, "label_6way.npz").items()) == list(SIX.items())
    four = {name: 0 if emo == 4 else emo for name, emo in SIX.items() if emo != 5}  # excited is happy, frustrated goes
    assert list(emos(raw, "label_4way.npz").items()) == list(four.items())
    output = capsys.readouterr().out
    assert "label_4way.npz: labels of EmoEvaluation (IEMOCAP_features_raw_4way.pkl is not there)" in output
    assert "label_4way.npz whole_corpus              5                 5          5,531" in output
    assert "label_6way.npz whole_corpus              6                 6          7,380" in output
    for dataset, file, expected in (("IEMOCAPFour", "label_4way.npz", four), ("IEMOCAPSix", "label_6way.npz", SIX)):
        labels = read_labels(processed(raw) / file)["whole_corpus"]
        assert get_corpus(dataset).class_indices(labels, "").tolist() == list(expected.values())
        assert len(make_folds(get_corpus(dataset), list(labels), seed=0)) == 2  # one session left out each
        assert all(label["val"] == -10 and type(label["emo"]) is int for label in labels.values())


def test_the_pickled_tables_decide_where_they_are(raw, capsys):
    names = {"Ses02M_impro03": ["Ses02M_impro03_F013"], "Ses01F_impro01": ["Ses01F_impro01_F000", "nowhere_F000"]}
    labels = {"Ses02M_impro03": [1], "Ses01F_impro01": [np.int64(3), 0]}
    content = (names, labels, {}, {video: [""] * len(clips) for video, clips in names.items()})
    table = (*content, {"Ses02M_impro03"}, {"Ses01F_impro01"})
    processed(raw).mkdir(parents=True)
    (processed(raw) / "IEMOCAP_features_raw_4way.pkl").write_bytes(pickle.dumps(table, protocol=2))
    assert run(raw) == 1
    output = capsys.readouterr().out
    assert list(emos(raw, "label_4way.npz").items()) == [("Ses01F_impro01_F000", 3), ("Ses02M_impro03_F013", 1)]
    assert emos(raw, "label_6way.npz") == SIX
    assert "failed: nowhere_F000: has a label, but the download names no video for it" in output
    assert f"label_4way.npz: labels of {processed(raw) / 'IEMOCAP_features_raw_4way.pkl'}" in output
    labels["Ses02M_impro03"] = [4]
    (raw / "IEMOCAP_features_raw_4way.pkl").write_bytes(pickle.dumps(table))
    with pytest.raises(UserError, match=r"4way\.pkl: the label of 'Ses02M_impro03_F013' is 4, not one of 0 to 3"):
        run(raw)


def test_sound_of_the_cut_clips(raw, capsys):
    assert run(raw) == 0
    assert audio.main(["--dataset", "IEMOCAPSix", "--data_root", str(raw.parent / "data")]) == 0
    wav = processed(raw) / "subaudio" / "Ses01F_impro01_M000.wav"
    samples, rate = soundfile.read(wav)
    assert rate == 16000 and abs(len(samples) / rate - 1.03) <= 0.1
    assert abs(np.argmax(np.abs(samples)) / rate - 0.5) < 0.01  # the click at 1.5 s, half a second after the start


def test_faults(raw, capsys):
    (raw / "Session2" / "dialog" / "avi" / "DivX" / "Ses02M_impro03.avi").write_bytes(b"broken")
    (raw / "Session1" / "dialog" / "avi" / "DivX" / "Ses01M_script01_1.avi").unlink()
    with open(raw / "Session1" / "dialog" / "transcriptions" / "Ses01F_impro01.txt", "a") as file:
        file.write("Ses01F_impro01_F000 [3.0-3.5]: again\nSes01F_impro01_F002 [3.5-3.5]: no time\n")
        file.write("Ses01F_impro01_F003 [5-6]: after the end\nwho [1.0-2.0]: is it\n")
    assert run(raw) == 1
    output = capsys.readouterr().out
    assert "failed: Ses01F_impro01_F000: its name comes more than once; the first clip of this name was used" in output
    assert "failed: Ses01F_impro01_F002: it ends at 3.5 s, not after its start at 3.5 s" in output
    assert "failed: Ses01F_impro01_F003: starts at 5 s, but " in output
    assert "failed: who: its name does not say who speaks (" in output
    assert "failed: Ses01M_script01_1_M000: its video is missing: " in output
    assert "failed: Ses02M_impro03_M013: " in output and "cannot be read as a video" in output
    assert emos(raw, "label_6way.npz") == {"Ses01F_impro01_F000": 2, "Ses01F_impro01_M000": 4}


def test_missing_parts(raw, tmp_path):
    with pytest.raises(UserError, match=r"lacks Session1/dialog/transcriptions/Ses\*\.txt"):
        iemocap.main(["--raw_root", str(raw / "Session1"), "--data_root", str(tmp_path)])
    evaluation = raw / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
    for text in ("", "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n"):
        evaluation.write_text(text)
        with pytest.raises(UserError, match=r"EmoEvaluation.Ses01F_impro01\.txt: no line of an evaluated utterance"):
            run(raw)
    evaluation.unlink()
    with pytest.raises(UserError, match=r"EmoEvaluation.Ses01F_impro01\.txt does not exist"):
        run(raw)
    (raw / "Session1" / "dialog" / "transcriptions" / "Ses01F_impro01.txt").write_bytes(b"caf\xe9")
    with pytest.raises(UserError, match=r"transcriptions.Ses01F_impro01\.txt: not UTF-8 \(byte 3\)"):
        run(raw)
