"""Models whose Python code lies in their folder (ChatGLM2, Baichuan, MOSS): run with --trust_remote_code only."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import save_file

from feature_extraction.text.text_extractor import TextExtractor
from toolkit.utils.errors import UserError

CPU = torch.device("cpu")
CODE = '''
import torch
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

class TinyConfig(PretrainedConfig):
    model_type = "tiny_time_first"
    def __init__(self, vocab_size=8, hidden_size=4, **kwargs):
        self.vocab_size, self.hidden_size = vocab_size, hidden_size
        super().__init__(**kwargs)

class TinyModel(PreTrainedModel):
    """Hidden states (T, B, D), as ChatGLM2 gives them: the embedding times 1, 10, 100, 1000, 10000."""
    config_class = TinyConfig
    def __init__(self, config):
        super().__init__(config)
        self.table = torch.nn.Embedding(config.vocab_size, config.hidden_size)
        self.post_init()
    def get_input_embeddings(self):
        return self.table
    def forward(self, input_ids, output_hidden_states=None, return_dict=None):
        rows = self.table(input_ids).transpose(0, 1)
        states = tuple(rows * 10**power for power in range(5))
        return BaseModelOutput(last_hidden_state=states[-1], hidden_states=states)
'''


@pytest.fixture
def folder(tmp_path, tiny_folder, monkeypatch):
    place = tmp_path / "own code"
    place.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (place / name).write_bytes((tiny_folder("bert") / name).read_bytes())
    (place / "tiny_code.py").write_text(CODE)
    auto_map = {"AutoConfig": "tiny_code.TinyConfig", "AutoModel": "tiny_code.TinyModel"}
    config = {"model_type": "tiny_time_first", "vocab_size": 83, "hidden_size": 4, "auto_map": auto_map}
    (place / "config.json").write_text(json.dumps(config))
    table = torch.arange(83 * 4, dtype=torch.float32).reshape(83, 4)
    save_file({"table.weight": table}, place / "model.safetensors", {"format": "pt"})
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    return place


def test_refused_without_the_flag(folder):
    with pytest.raises(UserError) as caught:
        TextExtractor(folder, "x", CPU)
    assert str(caught.value) == (
        f"{folder}: model_type 'tiny_time_first' runs by Python code in that folder; "
        "read its *.py files, and give --trust_remote_code if you trust them"
    )


def test_time_first_states_are_turned(folder):
    """A square batch (8 sentences of 8 tokens) cannot tell its axes apart; the probe has."""
    extractor = TextExtractor(folder, "x", CPU, trust_remote_code=True)
    extractor.prepare()
    texts = ["今天天气真好", "我很高兴见到", "我"] + ["好好好好好好"] * 5
    vocabulary = transformers.AutoTokenizer.from_pretrained(folder).get_vocab()
    for text, (rows,) in zip(texts, extractor.extract(texts), strict=True):
        ids = np.array([vocabulary[letter] for letter in text])
        expected = (4 * ids[:, None] + np.arange(4)) * 11110.0  # 10 + 100 + 1000 + 10000: the last four of five
        np.testing.assert_allclose(rows, expected, rtol=1e-6)
