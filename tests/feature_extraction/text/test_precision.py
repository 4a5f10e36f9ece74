"""Half precision for LLMs on a GPU: which of the registry's models that are, and that --dtype wins."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from feature_extraction.text.precision import choose_dtype, estimated_parameters

# layers, width, parameters that the model's page states (10^9), halved by the reference
MODELS = {
    "chinese-roberta-wwm-ext-large": (24, 1024, 0.33, False),
    "deberta-v2-xxlarge": (48, 1536, 1.5, False),
    "Wenzhong2.0-GPT2-3.5B-chinese": (30, 3072, 3.5, False),
    "chatglm2-6b": (28, 4096, 6.2, True),
    "Llama-2-7b-hf": (32, 4096, 6.7, True),
    "bloom-7b1": (30, 4096, 7.1, True),
    "falcon-7b": (32, 4544, 7.2, True),
    "Baichuan-13B-Base": (40, 5120, 13.3, True),
    "opt-13b": (40, 5120, 12.9, True),
}


@pytest.mark.parametrize("name", MODELS)
def test_rule(name):
    layers, width, billions, halved = MODELS[name]
    key = "num_layers" if name == "chatglm2-6b" else "num_hidden_layers"
    config = SimpleNamespace(model_type="any", hidden_size=width, **{key: layers})
    assert estimated_parameters(config) == 12 * layers * width * width
    assert 0.75 < estimated_parameters(config) / 1e9 / billions < 1.25
    assert choose_dtype(None, config, torch.device("cuda", 0)) == ("float16" if halved else "float32")
    assert choose_dtype(None, config, torch.device("cpu")) == "float32"
    assert choose_dtype("bfloat16", config, torch.device("cuda", 0)) == "bfloat16"
    assert choose_dtype("float32", config, torch.device("cuda", 0)) == "float32"
