"""A text model of any architecture as one function: token ids -> sum of the last four hidden states.

An encoder or a decoder as it is, the encoder of an encoder-decoder model, the text half of a model of texts and images.
"""

from __future__ import annotations

import inspect
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_extraction.contract import SampleError
from feature_extraction.huggingface_folder import load_model
from feature_extraction.text.model_config import hidden_width, needs_own_code
from feature_extraction.text.model_files import check_weights
from feature_extraction.text.position_table import position_limit
from toolkit.utils.errors import UserError

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedModel

LAST_LAYERS = 4
# In half precision transformers' code for these mixes in tensors of float32; autocast brings both to one type.
_MIXED_TYPES = frozenset(("xlnet",))


class TextModel:
    """Hidden states of a model folder.

    Attributes:
        width: D of its hidden states.
        max_positions: how many tokens its table of positions holds; None when it has no such table.
    """

    def __init__(
        self, folder: Path, config: PretrainedConfig, device: torch.device, dtype: str, device_map: str | None = None
    ) -> None:
        """Load the model; the folder's own code runs only where `load_config` has let it.

        Raises:
            UserError: the weights are missing, damaged or incomplete, or accelerate is needed and not installed.
        """
        import torch

        self.folder = folder
        self._model = _text_part(_load(folder, config, device, dtype, device_map))
        self._takes = set(inspect.signature(self._model.forward).parameters)
        embeddings = self._model.get_input_embeddings()
        self._device = embeddings.weight.device
        self._vocabulary: int = embeddings.weight.shape[0]
        self.width: int = hidden_width(config)
        self.max_positions = position_limit(self._model)
        self._time_first = False
        self._cast_to = getattr(torch, dtype) if config.model_type in _MIXED_TYPES and dtype != "float32" else None

    def probe(self, encoded: dict[str, list[int]], pads: dict[str, int]) -> None:
        """Run one sentence: tells ``(T, B, D)`` models from ``(B, T, D)`` ones, and shows what does not fit.

        Raises:
            UserError: the model fails on it.
        """
        length = len(encoded["input_ids"])
        try:
            states = self._states([encoded], pads)[-1]
        except Exception as error:
            raise UserError(f"{self.folder}: the model fails on a first sentence ({_line(error)})") from error
        self._time_first = length > 1 and tuple(states.shape[:2]) == (length, 1)
        shape = (length, 1) if self._time_first else (1, length)
        if tuple(states.shape) != (*shape, self.width):
            expected = f"(1, {length}, {self.width})"
            raise UserError(f"{self.folder}: hidden states of shape {tuple(states.shape)}, expected {expected}")

    def last_layers(self, encoded: list[dict[str, list[int]]], pads: dict[str, int]) -> np.ndarray:
        """Sum of the last four hidden states (all of them, where there are fewer): ``(B, longest, D)`` float32.

        Summed in float32 whatever the model computes in. Rows behind a sentence's length are padding.
        """
        import torch

        with torch.inference_mode():
            states = self._states(encoded, pads)[-LAST_LAYERS:]
            total = states[-1].float()
            for state in states[:-1]:
                total = total + state.to(total.device).float()  # layers may lie on several cards
            return (total.transpose(0, 1) if self._time_first else total).cpu().numpy()

    def _states(self, encoded: list[dict[str, list[int]]], pads: dict[str, int]) -> tuple[torch.Tensor, ...]:
        import torch

        largest = max(max(tokens["input_ids"]) for tokens in encoded)
        if largest >= self._vocabulary:  # on a GPU an index out of range would end the whole process
            raise SampleError(
                f"token id {largest} is outside the model's vocabulary of {self._vocabulary}; "
                f"is the tokenizer in {self.folder} another model's?"
            )
        inputs = {key: rows.to(self._device) for key, rows in padded(encoded, pads).items() if key in self._takes}
        if "use_cache" in self._takes:
            inputs["use_cache"] = False  # a decoder would keep keys and values that nobody reads
        autocast = torch.autocast(self._device.type, self._cast_to, enabled=self._cast_to is not None)
        with torch.inference_mode(), autocast:
            return self._model(**inputs, output_hidden_states=True, return_dict=True).hidden_states


def padded(encoded: list[dict[str, list[int]]], pads: dict[str, int]) -> dict[str, torch.Tensor]:
    """Sentences as tensors ``(B, longest)``, filled up on the RIGHT with `pads` (0 where not stated), and a mask.

    On the right whatever the tokenizer's habit: positions then start at 0 for every sentence, also in models that
    count them without looking at the mask.
    """
    import torch

    lengths = [len(tokens["input_ids"]) for tokens in encoded]
    longest = max(lengths)
    rows = {
        key: [list(tokens[key]) + [pads.get(key, 0)] * (longest - len(tokens[key])) for tokens in encoded]
        for key in encoded[0]
        if key != "attention_mask"
    }
    rows["attention_mask"] = [[1] * length + [0] * (longest - length) for length in lengths]
    return {key: torch.tensor(values) for key, values in rows.items()}


def _load(
    folder: Path, config: PretrainedConfig, device: torch.device, dtype: str, device_map: str | None
) -> PreTrainedModel:
    check_weights(folder)
    options: dict[str, Any] = {"config": config}
    if device_map:
        if find_spec("accelerate") is None:
            raise UserError(f"--device_map {device_map} needs a package: pip install accelerate; or leave the flag out")
        options["device_map"] = device_map
    own_code = needs_own_code(folder)
    return load_model(_auto_class(config, own_code), folder, device, dtype=dtype, trust_remote_code=own_code, **options)


def _auto_class(config: PretrainedConfig, own_code: bool) -> Any:
    from transformers import AutoModel, AutoModelForCausalLM, AutoModelForTextEncoding
    from transformers.models.auto.modeling_auto import MODEL_FOR_TEXT_ENCODING_MAPPING

    if own_code:  # Baichuan registers its language model only; the hidden states are the same
        return AutoModel if "AutoModel" in getattr(config, "auto_map", {}) else AutoModelForCausalLM
    if config.is_encoder_decoder and type(config) in MODEL_FOR_TEXT_ENCODING_MAPPING:
        return AutoModelForTextEncoding  # T5: reads no decoder weights
    return AutoModel


def _text_part(model: PreTrainedModel) -> PreTrainedModel:
    if hasattr(model, "text_model"):
        return model.text_model
    return model.get_encoder() if model.config.is_encoder_decoder else model


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
