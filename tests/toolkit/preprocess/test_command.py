"""What all corpora share on the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.globals import CORPUS_LAYOUTS
from toolkit.preprocess import meld
from toolkit.preprocess.command import count_lines
from toolkit.preprocess.known import known_sizes
from toolkit.preprocess.raw_corpus import RawCorpus
from toolkit.utils.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[3]
MODULES = "mer2024 mer2023 mer2023_unlabel iemocap cmumosi cmumosei meld sims simsv2".split()


@pytest.mark.parametrize("module", MODULES)
def test_help_shows_the_command_and_imports_nothing_heavy(module):
    code = (
        "import runpy, sys\n"
        "try: runpy.run_module(sys.argv[1], run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print(sorted({'av', 'torch', 'cv2', 'librosa', 'pandas'} & set(sys.modules)), file=sys.stderr)\n"
    )
    name = f"toolkit.preprocess.{module}"
    done = subprocess.run(
        [sys.executable, "-c", code, name, "--help"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stderr.splitlines()[-1] == "[]"
    assert f"python -m {name}" in done.stdout
    for flag in ("--raw_root", "--data_root", "--link {hard,copy,symbolic}", "--workers", "--overwrite"):
        assert flag in done.stdout


def test_an_error_ends_with_status_2_and_one_line(tmp_path):
    command = [sys.executable, "-m", "toolkit.preprocess.meld", "--raw_root", str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: {tmp_path} lacks train_sent_emo.csv, dev_sent_emo.csv, test_sent_emo.csv; "
        "give the folder of the MELD download as --raw_root\n"
    )


def test_the_download_is_looked_for_below_the_data_root(tmp_path, put_videos, capsys, monkeypatch):
    head = "Utterance,Emotion,Dialogue_ID,Utterance_ID\n"
    for split in ("train", "dev", "test"):
        put_videos(tmp_path / "meld-dataset" / split, ["dia0_utt0"])
        (tmp_path / "meld-dataset" / f"{split}_sent_emo.csv").write_text(f"{head}x,joy,0,0\n")
    monkeypatch.setenv("MER_DATA_ROOT", str(tmp_path))
    assert meld.main([]) == 0
    assert (tmp_path / "meld-dataset-process" / "label.npz").exists()
    assert capsys.readouterr().out.endswith("next: python -m toolkit.preprocess.audio --dataset MELD\n")
    other = tmp_path / "other place"
    assert meld.main(["--raw_root", str(tmp_path / "meld-dataset"), "--data_root", str(other)]) == 0
    assert capsys.readouterr().out.endswith(f"--dataset MELD --data_root '{other}'\n")


def test_counts_are_those_of_files_download_and_corpus():
    labels = {"l.npz": {"train_corpus": dict.fromkeys("abcd", {}), "test_corpus": dict.fromkeys("ef", {})}}
    written = {"l.npz": {"train_corpus": 3, "test_corpus": 2}}
    raw = RawCorpus([], labels, {"l.npz": {"train_corpus": 1234}})
    assert [line.split() for line in count_lines(raw, written, "X")] == [
        ["samples", "written", "in", "the", "download", "whole", "corpus"],
        ["l.npz", "train_corpus", "3", "4", "1,234"],
        ["l.npz", "test_corpus", "2", "2", "unknown"],
        ["this", "download", "is", "not", "the", "whole", "X", "corpus", "(see", "the", "table)"],
    ]
    whole = RawCorpus([], labels, {"l.npz": {"train_corpus": 4, "test_corpus": 2}})
    assert len(count_lines(whole, written, "X")) == 3


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--workers", "-2"], "'-2' is not a number of at least 1"),
        (["--workers", "0"], "'0' is not a number of at least 1"),
        (["--over"], "unrecognized arguments: --over"),  # no flag is guessed from its beginning
    ],
)
def test_refused_flags(flags, message, capsys):
    with pytest.raises(SystemExit) as caught:
        meld.main(flags)
    assert caught.value.code == 2 and message in capsys.readouterr().err


def test_a_data_root_that_is_a_file(tmp_path):
    (tmp_path / "data").write_text("x")
    with pytest.raises(UserError, match=r"data is a file; --data_root \(or MER_DATA_ROOT\) must be a folder"):
        meld.main(["--raw_root", str(tmp_path), "--data_root", str(tmp_path / "data")])


@pytest.mark.parametrize(
    ("dataset", "sizes"),
    [
        ("MER2024", "train_corpus 5,030, test1_corpus 115,595"),
        ("MER2023_UNLABEL", "train_corpus 73,982"),
        ("IEMOCAPFour", "whole_corpus 5,531"),
        ("IEMOCAPSix", "whole_corpus 7,433 (7,380 by EmoEvaluation)"),
        ("mine", ""),
    ],
)
def test_known_sizes(dataset, sizes):
    assert known_sizes(dataset) == sizes


def test_every_corpus_states_its_size():
    assert all(known_sizes(dataset) for dataset in CORPUS_LAYOUTS)
