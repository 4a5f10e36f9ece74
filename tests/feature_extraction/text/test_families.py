"""Every family, as a small random model: batched equals one sentence at a time, and equals the formula written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers

from feature_extraction.contract import Sample
from feature_extraction.notes import collected_notes
from feature_extraction.save_loop import run_extraction
from feature_extraction.text.text_extractor import TextExtractor
from toolkit.utils.errors import UserError

CPU = torch.device("cpu")
TEXTS = {
    "probe": "今天天气真好",
    "a": "hello",
    "b": "the weather is nice today, my friend! 今天天气真好 hello again",
    "c": "我很高兴见到你",
    "d": "is it?",
    "e": "nice weather again today",
    "none": "",
    "f": "hello again, my friend! " * 3,
}


def one_at_a_time(folder, name, text, own):
    """The reference's way, written out: one sentence, all states, the last four summed, special tokens cut off."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    if name in ("t5", "bart"):
        model = model.encoder
    if name == "clip":
        model = model.text_model
    extra = {"return_token_type_ids": True} if name == "xlnet" else {}
    inputs = tokenizer(text, return_tensors="pt", **extra)
    with torch.no_grad():
        states = model(**inputs, output_hidden_states=True).hidden_states
    assert len(states) == 3  # the embeddings and two layers
    return (states[0] + states[1] + states[2])[0, own].numpy()


@pytest.mark.parametrize("level", ["FRAME", "UTTERANCE"])
def test_batches_equal_single_sentences(family, tiny_folder, tmp_path, level):
    extractor = TextExtractor(tiny_folder(family), family, CPU)
    samples = [Sample(name, None, text) for name, text in TEXTS.items()]
    single = run_extraction(extractor, samples, tmp_path / "one", level, batch_size=1, progress=False)
    together = run_extraction(extractor, samples, tmp_path / "all", level, batch_size=99, budget=9999, progress=False)
    assert single.exit_status == together.exit_status == 0 and together.done == len(TEXTS)
    for name, text in TEXTS.items():
        alone = np.load(single.folders[0] / f"{name}.npy")
        batched = np.load(together.folders[0] / f"{name}.npy")
        assert alone.shape == batched.shape and alone.dtype == batched.dtype == np.float32
        assert np.abs(alone - batched).max() <= 1e-4 * np.abs(alone).max(), name
        assert bool(np.abs(alone).max() > 0.1) == bool(text)


def test_features_equal_the_formula(family, tiny_folder):
    folder = tiny_folder(family)
    extractor = TextExtractor(folder, family, CPU)
    chosen = [TEXTS[name] for name in ("probe", "b", "a")]
    for text, (rows,) in zip(chosen, extractor.extract(chosen), strict=True):
        expected = one_at_a_time(folder, family, text, extractor.tokenizer.own_tokens)
        assert rows.shape == expected.shape == (len(expected), 32)
        assert np.abs(rows - expected).max() <= 1e-4 * np.abs(expected).max()


BLANKS = ("   ", "\n", " \t\r\n", "\u3000", "\u3000\u3000", "\u00a0", "\u2003\u2028", "\u200b", "\ufeff")


def test_blanks_of_any_kind_have_no_rows(family, tiny_folder):
    extractor = TextExtractor(tiny_folder(family), family, CPU)
    rows = [rows for (rows,) in extractor.extract([*BLANKS, "hello"])]
    assert [len(blank) for blank in rows[:-1]] == [0] * len(BLANKS) and len(rows[-1]) > 0
    for blank in BLANKS:
        with collected_notes() as notes:
            extractor.load(Sample("a", None, blank))
        assert notes == ["no transcript: zeros saved"], repr(blank)


def test_padding_would_show(tiny_folder):
    """The comparison above can fail: without the mask, a short sentence in a long batch is far off."""
    extractor = TextExtractor(tiny_folder("bert"), "bert", CPU)
    encoded = extractor.tokenizer.encode([TEXTS["a"], TEXTS["f"]])
    right = extractor.model.last_layers(encoded, extractor.tokenizer.pads)[0, :7]
    extractor.model._takes.discard("attention_mask")
    wrong = extractor.model.last_layers(encoded, extractor.tokenizer.pads)[0, :7]
    assert np.abs(wrong - right).max() > 0.01 * np.abs(right).max()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_close_but_not_equal(family, tiny_folder, dtype):
    if family == "deberta":
        with pytest.raises(UserError, match=f"--dtype {dtype}: model_type 'deberta' computes in float32 only"):
            TextExtractor(tiny_folder(family), "b", CPU, dtype=dtype)
        return
    exact, half = (TextExtractor(tiny_folder(family), "b", CPU, dtype=kind) for kind in ("float32", dtype))
    assert (exact.dtype, half.dtype) == ("float32", dtype)
    ((expected,),) = exact.extract([TEXTS["b"]])
    ((rows,),) = half.extract([TEXTS["b"]])
    difference = np.abs(rows - expected).max() / np.abs(expected).max()
    assert rows.dtype == np.float32 and 1e-5 < difference < 0.1
