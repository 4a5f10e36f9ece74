"""Text features of the real MiniLM against a slow path: one sentence, no padding, sum and slice written out."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from feature_extraction.contract import Sample
from feature_extraction.save_loop import run_extraction
from feature_extraction.text.extract_text_huggingface import main
from feature_extraction.text.model_config import max_positions
from feature_extraction.text.text_extractor import TextExtractor

SENTENCES = {
    "short": "no",
    "long": "She said that the train to the city leaves at noon, and that we should not be late again! " * 3,
    "middle": "I am so happy to see you again, my friend.",
    "empty": "",
    "blank": " \t",
    "case": "WHERE Are You?",
    "unknown": "今天天气真好",
    "quotes": 'it\'s "quoted", $HOME; naïve café',
}


@pytest.fixture(scope="module")
def folder(embedded_tools: Path) -> Path:
    return embedded_tools / "transformers/all-MiniLM-L6-v2"


@pytest.fixture(scope="module")
def extractor(folder: Path) -> TextExtractor:
    return TextExtractor(folder, "all-MiniLM-L6-v2", torch.device("cpu"))


@pytest.fixture(scope="module")
def slow(folder: Path):
    """text -> (T, 384)."""
    from transformers import BertModel, BertTokenizer

    tokenizer = BertTokenizer.from_pretrained(folder, local_files_only=True)
    model = BertModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()

    def path(text: str) -> np.ndarray:
        ids = tokenizer(text)["input_ids"]
        ids = ids if len(ids) <= 512 else [*ids[:511], ids[-1]]
        with torch.no_grad():
            states = model(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states
        assert len(states) == 7
        return (states[3] + states[4] + states[5] + states[6])[0, 1:-1].numpy()

    return path


def close(found: np.ndarray, expected: np.ndarray) -> bool:
    return found.shape == expected.shape and np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("level", ["FRAME", "UTTERANCE"])
@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_saved_features_equal_the_slow_path(extractor, slow, tmp_path, level, batch_size):
    samples = [Sample(name, None, text) for name, text in SENTENCES.items()]
    report = run_extraction(extractor, samples, tmp_path, level, batch_size=batch_size, progress=False)
    assert report.exit_status == 0 and report.done == len(samples)
    for sample in samples:
        saved = np.load(report.folders[0] / f"{sample.name}.npy")
        if sample.text.strip():
            rows = slow(sample.text)
            assert close(saved, rows if level == "FRAME" else rows.mean(axis=0)), sample.name
        else:
            assert saved.shape == ((1, 384) if level == "FRAME" else (384,)) and not saved.any()


def test_an_empty_sentence_has_no_rows(extractor):
    shapes = [rows.shape for (rows,) in extractor.extract(["", "no", "  "])]
    assert shapes == [(0, 384), (1, 384), (0, 384)]
    assert [rows.shape for (rows,) in extractor.extract(["", ""])] == [(0, 384)] * 2


def test_a_text_beyond_the_maximum_is_cut_and_counted(folder, slow, tmp_path):
    extractor = TextExtractor(folder, "x", torch.device("cpu"))
    texts = {"exact": "very " * 510, "one more": "very " * 511, "long": "very " * 510 + "long text"}
    samples = [Sample(name, None, text) for name, text in texts.items()]
    report = run_extraction(extractor, samples, tmp_path, "FRAME", progress=False)
    assert report.notes == {"transcript of more than 512 tokens: cut to that length": 2}
    for name, text in texts.items():
        rows = np.load(report.folders[0] / f"{name}.npy")
        assert rows.shape == (510, 384) and close(rows, slow(text))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"model_type": "bert", "max_position_embeddings": 512}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "mpnet", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "xlnet"}, None),
        ({"model_type": "bloom", "max_position_embeddings": -1}, None),
        ({"model_type": "clip", "text_config": SimpleNamespace(model_type="x", max_position_embeddings=77)}, 77),
        (
            {
                "model_type": "deberta-v2",
                "max_position_embeddings": 512,
                "relative_attention": True,
                "position_biased_input": False,
            },
            None,
        ),
        (
            {
                "model_type": "deberta-v2",
                "max_position_embeddings": 512,
                "relative_attention": True,
                "position_biased_input": True,
            },
            512,
        ),
    ],
)
def test_max_positions(config, expected):
    assert max_positions(SimpleNamespace(**config)) == expected


def test_batches_hold_no_more_tokens_than_the_budget(extractor):
    counts = {"one": 1, "nine": 9, "three": 3, "nine more": 9, "none": 0, "sixty": 60, "nine again": 9}
    samples = [Sample(name, None, "word " * count) for name, count in counts.items()]
    # with [CLS] and [SEP]: 62 alone, then 11 + 11 + 11 = 33 <= 36, then 5 + 3 + 2, padded to 15
    assert [[sample.name for sample in batch] for batch in extractor.plan(samples, 99, 36)] == [
        ["sixty"],
        ["nine", "nine again", "nine more"],
        ["three", "one", "none"],
    ]
    assert [len(batch) for batch in extractor.plan(samples, 1)] == [1] * 7


def test_nothing_is_loaded_when_all_is_done(folder, tmp_path):
    samples = [Sample("a", None, "words")]
    run_extraction(TextExtractor(folder, "x", torch.device("cpu")), samples, tmp_path, "FRAME", progress=False)
    again = TextExtractor(folder, "x", torch.device("cpu"))
    report = run_extraction(again, samples, tmp_path, "FRAME", progress=False)
    assert (report.done, report.skipped) == (0, 1)
    assert "model" not in vars(again) and "tokenizer" not in vars(again)


def test_load_is_picklable_without_the_model(extractor):
    data = pickle.dumps(extractor.load)
    assert len(data) < 200 and pickle.loads(data)(Sample("a", None, "words")) == "words"


def test_script_reads_the_column_and_names_the_folder(folder, slow, tmp_path, capsys):
    root = tmp_path / "mer2024-dataset-process"
    root.mkdir()
    (root / "transcription-merge.csv").write_text('name,chinese,english\n"a b.$x",no,yes\nb,,\n', encoding="utf-8")
    arguments = ["--dataset", "MER2024", "--data_root", str(tmp_path), "--gpu", "-1", "--model_name", "mini"]
    arguments += ["--model_dir", str(folder)]
    assert main(arguments) == 0
    assert main([*arguments, "--language", "english", "--feature_level", "FRAME"]) == 0
    assert close(np.load(root / "features/mini-UTT/a b.$x.npy"), slow("no").mean(axis=0))
    assert close(np.load(root / "features/mini-langeng-FRA/a b.$x.npy"), slow("yes"))
    assert not np.load(root / "features/mini-UTT/b.npy").any()
    captured = capsys.readouterr()
    assert "Loading weights" not in captured.err
    assert "no transcript: zeros saved" in captured.out


def test_a_copy_for_another_process_gives_the_same(extractor):
    data = pickle.dumps(extractor.replica)
    assert len(data) < 1000  # how to build it, not the model
    copy = pickle.loads(data)()
    assert (copy.outputs, copy.dtype, copy.weights) == (extractor.outputs, extractor.dtype, extractor.weights)
    texts = list(SENTENCES.values())
    for (first,), (second,) in zip(extractor.extract(texts), copy.extract(texts), strict=True):
        assert close(second, first) if len(first) else len(second) == 0
