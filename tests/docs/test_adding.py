"""docs/adding-a-*.md: their code is taken from the pages, put into a copy of the checkout, and run."""

import csv
import json
import subprocess
import sys
import wave

import numpy as np
import pytest

from toolkit.data.labels import read_labels, write_labels

ADDING = ("docs/adding-a-feature.md", "docs/adding-a-model.md", "docs/adding-a-corpus.md")


def _marked(page, mark):
    return [block for block in page.blocks() if block.mark == mark]


@pytest.mark.parametrize("name", ADDING)
def test_the_code_of_the_page_is_in_order_for_ruff(name, pages, repository, tmp_path):
    for number, block in enumerate(_marked(pages[name], "file")):
        if not block.target.endswith(".py"):
            continue
        path = tmp_path / f"block{number}.py"
        path.write_text(block.text, encoding="utf-8")
        for command in (["check"], ["format", "--check"]):
            config = ["--config", str(repository / "pyproject.toml")]
            ruff = [sys.executable, "-m", "ruff", *command, *config, str(path)]
            done = subprocess.run(ruff, cwd=repository, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr


def _loudness(path):
    """Level in dB and zero-crossing rate, sample by sample: mean over frames of 400 samples each 160."""
    with wave.open(str(path)) as file:
        sound = [value / 32768 for value in np.frombuffer(file.readframes(file.getnframes()), "<i2").tolist()]
    rows = []
    for start in range(0, len(sound) - 399, 160):
        frame = sound[start : start + 400]
        power = sum(value * value for value in frame) / 400
        changes = sum(1 for left, right in zip(frame, frame[1:], strict=False) if left * right < 0)
        rows.append((20 * np.log10(max(power**0.5, 1e-5)), changes / 399))
    return np.mean(rows, axis=0), len(rows)


def test_a_feature_is_one_file_and_one_row(pages, checkout, follow):
    page = pages["docs/adding-a-feature.md"]
    (script,), rows = _marked(page, "file"), _marked(page, "row")
    assert len(rows) == 1 and len(rows[0].text.splitlines()) == 1
    (checkout / "my-features").mkdir()
    (checkout / "my-features/extract_loudness.py").write_text(script.text, encoding="utf-8")

    printed = dict(follow(page))

    corpus = checkout / "try/mer2024-dataset-process"
    clips = sorted(path.stem for path in (corpus / "features/loudness-UTT").glob("*.npy"))
    assert clips == sorted(path.stem for path in (corpus / "audio").glob("*.wav"))[:3]
    for name in clips:
        wanted, frames = _loudness(corpus / f"audio/{name}.wav")
        utterance = np.load(corpus / f"features/loudness-UTT/{name}.npy")
        assert utterance.shape == (2,) and utterance.dtype == np.float32
        np.testing.assert_allclose(utterance, wanted, rtol=1e-4)
        assert -60 < utterance[0] < -5 and 0 < utterance[1] < 0.5
        # the same file from another folder, at frame level
        rows = np.load(corpus / f"features/loudness-FRA/{name}.npy")
        assert rows.shape == (frames, 2)
        np.testing.assert_allclose(rows.mean(axis=0), wanted, rtol=1e-4)
    manifest = json.loads((corpus / "features/loudness-UTT/manifest.json").read_text())
    assert "RMS level in dB" in json.dumps(manifest)

    by_name = {command.split("#")[0].strip(): output for command, output in printed.items()}
    assert by_name["python -m feature_extraction.registry --check loudness"] == "ok      loudness  2 values\n"
    commands = by_name["python -m feature_extraction.registry --modality audio --commands loudness"]
    assert commands == "feature_extraction/audio/extract_loudness.py\n"
    outputs = [block.text for block in page.blocks() if not block.language]
    assert outputs[1] == "ok      loudness  2 values\n" + commands  # what the page shows


def _demo_features(checkout, folders):
    """What the demo leaves: a label file and features, here of a few separable numbers, for all clips."""
    root = checkout / "demo-output/mer2024-dataset-process"
    root.mkdir(parents=True)
    generator = np.random.default_rng(0)
    emotions = ("neutral", "angry", "happy", "sad", "worried", "surprise")
    labels = {
        "train_corpus": {f"clip {n:02d}": {"emo": emotions[n % 6], "val": -10} for n in range(48)},
        "test1_corpus": {f"clip {n:02d}": {"emo": "neutral", "val": -10} for n in range(48, 60)},
    }
    write_labels(root / "label-6way.npz", labels)
    for folder, width in folders.items():
        (root / "features" / folder).mkdir(parents=True)
        for n in range(60):
            rows = generator.standard_normal(width).astype(np.float32)
            rows[n % 6] += 3
            np.save(root / "features" / folder / f"clip {n:02d}.npy", rows)


def _leaderboard(folder):
    with open(folder / "leaderboard.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_fusion_model_is_one_file_and_one_row(pages, checkout, follow):
    page = pages["docs/adding-a-model.md"]
    (model, _), rows = _marked(page, "file"), _marked(page, "row")
    assert len(rows) == 1 and len(rows[0].text.splitlines()) == 1
    (checkout / "my-models").mkdir()
    (checkout / "my-models/gated.py").write_text(model.text, encoding="utf-8")
    folders = {"whisper-tiny.en-UTT": 12, "all-MiniLM-L6-v2-langeng-UTT": 10, "mini-xception-UTT": 8}
    _demo_features(checkout, folders)
    follow(page)

    rows = _leaderboard(checkout / "try/saved-trimodal")
    assert [(row["model"], row["status"], json.loads(row["args"])["epochs"]) for row in rows] == [("gated", "ok", 2)]
    assert 0 <= float(rows[0]["f1"]) <= 1
    (result,) = (checkout / "try/saved-trimodal/result").glob("test1_*.npz")
    with np.load(result, allow_pickle=True) as saved:
        assert saved["emo_probs"].shape == (12, 6) and np.isfinite(saved["emo_probs"]).all()
        assert saved["names"].tolist() == [f"clip {n:02d}" for n in range(48, 60)]

    (mine,) = _leaderboard(checkout / "try/mine-trimodal")
    assert (mine["model"], mine["status"]) == ("mine", "ok") and set(json.loads(mine["hyper"])) == set(
        json.loads(rows[0]["hyper"])
    )


def test_a_corpus_is_a_csv(pages, checkout, follow):
    page = pages["docs/adding-a-corpus.md"]
    printed = follow(page)

    root = checkout / "try/Mood-dataset-process"
    labels = read_labels(root / "label.npz")
    table = {block.target: block.text for block in _marked(page, "file")}["labels.csv"]
    rows = list(csv.DictReader(table.splitlines()))
    train = {row["name"]: row["label"] for row in rows if row["split"] == "train"}
    assert {name: label["emo"] for name, label in labels["train_corpus"].items()} == train
    assert sorted(path.stem for path in (root / "audio").glob("*.wav")) == sorted(row["name"] for row in rows)
    assert len(list((root / "features/eGeMAPS_UTT").glob("*.npy"))) == len(rows)
    board = _leaderboard(checkout / "try/saved-unimodal")
    assert [(row["dataset"], row["model"], row["status"]) for row in board] == [("Mood", "attention", "ok")]
    shown = next(block.text for block in page.blocks() if block.language == "yaml")
    written = (root / "corpus.yaml").read_text(encoding="utf-8")
    assert [line for line in written.splitlines() if not line.startswith("#")] == shown.splitlines()
    outputs = [line for block in page.blocks() if not block.language for line in block.text.splitlines()]
    figures = [line for line in outputs if line.startswith(("Mood: ", "training clips: ", "12 transcripts"))]
    said = "".join(output for _, output in printed).replace(f"{checkout}/", "")
    assert len(figures) == 4 and [line for line in figures if line not in said] == []  # the page shows what came out
