"""THE fusion-model contract, and the table of models.

A fusion model is a `torch.nn.Module` built from one `ModelConfig`. It takes a batch dict (see `toolkit.data.dataset`:
inputs ``(B, D)`` or ``(B, T, D)`` under ``audios, texts, videos`` or ``feat0 ...``) and gives a `FusionOutput`:

- ``features`` ``(B, H)``: the fused representation;
- ``emos`` ``(B, output_dim1)``: emotion logits (no softmax);
- ``vals`` ``(B, output_dim2)``: valence;
- ``interloss``: a scalar, the model's own loss, added to cross-entropy and valence error (zero if it has none);
- ``attention`` ``(B, inputs)``: the weight of each input, for models that have such weights, else None.

A batch of one works. Parameter names are those of the reference's state dicts. With ``utt`` features, models are
trained as stacks (`toolkit.train.population`): every dropout is `toolkit.models.dropout.Dropout`, and the forward pass
works under `torch.func.vmap` (no ``.item()``, no data-dependent shapes or branches, no random draws of its own). A new
model is one file here and one row in `MODELS`; this module imports no torch, so the command line can list and check
models quickly.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from toolkit.utils.errors import UserError

if TYPE_CHECKING:
    import torch

FEAT_TYPES = ("utt", "frm_align", "frm_unalign")


@dataclass(frozen=True)
class ModelConfig:
    """What a model is built from.

    Attributes:
        feat_dims: width of each input, in batch order.
        output_dim1: number of emotion classes (0 = none).
        output_dim2: number of valence outputs (0 = none).
        feat_type: one of `FEAT_TYPES`.
        hyper: the model's hyper-parameters (``hidden_dim``, ``dropout``, ...).
    """

    feat_dims: tuple[int, ...]
    output_dim1: int
    output_dim2: int
    feat_type: str
    hyper: Mapping[str, Any]


class FusionOutput(NamedTuple):
    """What a fusion model gives; see the module's docstring."""

    features: torch.Tensor
    emos: torch.Tensor
    vals: torch.Tensor
    interloss: torch.Tensor
    attention: torch.Tensor | None = None


@dataclass(frozen=True)
class ModelRow:
    """Where a model's class is (``module:Class``), which feature types it takes, and what its search draws from.

    `space` is hyper-parameter -> values (one value: fixed); None: the model's entry in ``model-tune.yaml``. ``lr`` and
    ``grad_clip`` need not be in it (`toolkit.train.hyperparams.USUAL`).
    """

    location: str
    feat_types: tuple[str, ...]
    space: Mapping[str, Any] | None = None


MODELS: dict[str, ModelRow] = {
    "attention": ModelRow("toolkit.models.attention:Attention", FEAT_TYPES),
    "attention_topn": ModelRow("toolkit.models.attention_topn:AttentionTopN", ("utt",)),
    "lf_dnn": ModelRow("toolkit.models.lf_dnn:LFDNN", FEAT_TYPES),
    "lmf": ModelRow("toolkit.models.lmf:LMF", FEAT_TYPES),
    "tfn": ModelRow("toolkit.models.tfn:TFN", FEAT_TYPES),
    "misa": ModelRow("toolkit.models.misa:MISA", FEAT_TYPES),
    "mmim": ModelRow("toolkit.models.mmim:MMIM", FEAT_TYPES),
    "mfn": ModelRow("toolkit.models.mfn:MFN", ("frm_align",)),
    "graph_mfn": ModelRow("toolkit.models.graph_mfn:GraphMFN", ("frm_align",)),
    "ef_lstm": ModelRow("toolkit.models.ef_lstm:EFLSTM", ("frm_align",)),
    "mfm": ModelRow("toolkit.models.mfm:MFM", ("frm_align",)),
    "mctn": ModelRow("toolkit.models.mctn:MCTN", ("frm_align",)),
    "mult": ModelRow("toolkit.models.mult:MULT", ("frm_align", "frm_unalign")),
}


def check_model(name: str, feat_type: str | None = None) -> None:
    """Refuse an unknown model, or one that does not take `feat_type`.

    Raises:
        UserError: the message lists the valid choices.
    """
    if name not in MODELS:
        raise UserError(f"--model {name}: unknown; known models: {', '.join(MODELS)}")
    if feat_type is not None and feat_type not in MODELS[name].feat_types:
        allowed = ", ".join(MODELS[name].feat_types)
        raise UserError(f"--model {name} does not take --feat_type {feat_type}; it takes {allowed}")


def build_model(name: str, config: ModelConfig) -> torch.nn.Module:
    """A freshly initialised model of the table."""
    check_model(name, config.feat_type)
    module, _, attribute = MODELS[name].location.partition(":")
    return getattr(importlib.import_module(module), attribute)(config)
