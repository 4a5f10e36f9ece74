"""A corpus of one's own from its csv to results: the preprocessing command, an extractor, training, leaderboard."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
import soundfile

from feature_extraction.cli import extraction_parser, run_extractor
from feature_extraction.contract import Extractor, Output
from toolkit.globals import UnknownDataset, corpus_paths
from toolkit.preprocess import custom
from toolkit.preprocess.media import ffmpeg_path, run_ffmpeg
from toolkit.report.runs import collect
from toolkit.train import leaderboard
from toolkit.train.arguments import parse
from toolkit.train.run import train

FREQUENCIES = {"low": 200, "high": 2000}  # Hz, of the sound that a clip of the emotion has


class ZeroCrossings(Extractor):
    """How often the wave changes its sign, per sample, and a constant; ``(1, 2)``."""

    modality = "audio"
    outputs = (Output("crossings", 2),)
    formula = "mean(sign change), 1"

    def __init__(self) -> None:
        self.load = lambda sample: soundfile.read(sample.path)[0]

    def extract(self, batch):
        return [(np.array([[np.mean(wave[1:] * wave[:-1] < 0) * 10, 1.0]], np.float32),) for wave in batch]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Twelve training clips, 0.3 s, of two emotions that differ in pitch, and two without a label."""
    assert ffmpeg_path()
    home = tmp_path_factory.mktemp("home")
    (home / "clips").mkdir()
    for emotion, frequency in FREQUENCIES.items():
        picture = ["-f", "lavfi", "-i", "color=size=32x32:rate=10:duration=0.3"]
        sound = ["-f", "lavfi", "-i", f"sine=frequency={frequency}:duration=0.3"]
        run_ffmpeg(["-y", *picture, *sound, "-c:v", "mpeg4", f"file:{home / emotion}.mp4"])
    rows = [("name", "label", "split")]
    for number in range(14):
        emotion = list(FREQUENCIES)[number % 2]
        shutil.copy(home / f"{emotion}.mp4", home / "clips" / f"it's {number}.mp4")
        rows.append((f"it's {number}", emotion if number < 12 else "", "train" if number < 12 else "test"))
    with open(home / "labels.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return home


def extract(home, dataset="Mine"):
    args = extraction_parser("x").parse_args(
        ["--dataset", dataset, "--data_root", str(home / "data"), "--num_workers", "0"]
    )
    return run_extractor(args, ZeroCrossings)


def test_from_the_csv_to_predictions(home, capsys):
    inputs = ["--videos", str(home / "clips"), "--labels", str(home / "labels.csv"), "--data_root", str(home / "data")]
    assert custom.main(["--name", "Mine", *inputs]) == 0
    assert extract(home) == 0
    features = corpus_paths("Mine", home / "data").features / "crossings-UTT"
    for number in range(14):  # a sine changes its sign 2 f times a second
        expected = 10 * 2 * list(FREQUENCIES.values())[number % 2] / 16000
        assert np.load(features / f"it's {number}.npy")[0] == pytest.approx(expected, rel=0.05)
    (home / "small.yaml").write_text("{hidden_dim: 64, dropout: 0.2, lr: 0.01}")
    arguments = ["--model", "attention", "--feat_type", "utt", "--dataset", "Mine", "--data_root", str(home / "data")]
    for modality in ("audio", "text", "video"):
        arguments += [f"--{modality}_feature", "crossings-UTT"]
    arguments += ["--hyper_path", str(home / "small.yaml"), "--trainer", "loop", "--jobs", "1", "--epochs", "10"]
    arguments += ["--seed", "1", "--gpu", "-1", "--save_root", str(home / "saved")]
    assert train(parse(arguments, None)) == 0
    output = capsys.readouterr().out
    assert "Mine: train 12, test1 2; crossings-UTT" in output
    assert "test1: the labels are hidden, so there is no score; predictions are saved" in output
    (row,) = leaderboard.read(home / "saved-unimodal")
    assert (row["dataset"], row["status"], float(row["f1"])) == ("Mine", "ok", 1.0)  # the pitch tells them apart
    with open(home / "saved-unimodal" / json.loads(row["files"])["test1 submission"], encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["name", "discrete"], ["it's 12", "low"], ["it's 13", "high"]]
    (run,) = collect([str(home / "saved-unimodal")])
    assert run.corpus.name == "Mine" and run.corpus.hidden == {"test1"}
    shutil.rmtree(home / "data")
    (run,) = collect([str(home / "saved-unimodal")])
    assert run.corpus is None and run.metric == "f1"  # a report needs the results only


def test_an_unknown_name_is_refused_before_a_model_is_loaded(home):
    args = extraction_parser("x").parse_args(["--dataset", "Other", "--data_root", str(home)])
    with pytest.raises(UnknownDataset, match="unknown dataset 'Other'; known: MER2024"):
        run_extractor(args, lambda: pytest.fail("a model was loaded"))
