"""What config.json says about a text model: its kind, whose code it needs, how many tokens it takes at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from feature_extraction.huggingface_folder import CONFIG_FILE, read_config, read_model_type
from toolkit.utils.errors import UserError
from toolkit.utils.quiet import quiet_transformers

if TYPE_CHECKING:
    from transformers import PretrainedConfig

# Their positions are counted from pad_token_id + 1, so that the table of positions is longer than the longest text.
_OFFSET_POSITIONS = frozenset(
    (
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "camembert",
        "mpnet",
        "longformer",
        "data2vec-text",
    )
)


def needs_own_code(folder: Path) -> bool:
    """Whether transformers has no class for the folder's model, and the folder brings its own.

    Raises:
        UserError: there is no class for it anywhere.
    """
    from transformers import CONFIG_MAPPING, __version__

    model_type = read_model_type(folder)
    if model_type in CONFIG_MAPPING:
        return False
    if "auto_map" in read_config(folder):
        return True
    raise UserError(
        f"{folder}: model_type {model_type!r} is unknown to transformers {__version__}, and no code is there"
    )


def load_config(folder: Path, trust_remote_code: bool = False) -> PretrainedConfig:
    """The config of a text model.

    Raises:
        UserError: not a text model, its code is in the folder and not trusted, or the config cannot be read.
    """
    from transformers import MODEL_MAPPING, AutoConfig

    own_code = needs_own_code(folder)
    if own_code and not trust_remote_code:
        raise UserError(
            f"{folder}: model_type {read_model_type(folder)!r} runs by Python code in that folder; "
            "read its *.py files, and give --trust_remote_code if you trust them"
        )
    with quiet_transformers():
        try:
            config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=own_code)
        except Exception as error:  # code of the folder may raise anything
            raise UserError(f"{folder / CONFIG_FILE}: cannot be read ({' '.join(str(error).split())})") from error
    model_class = None if own_code else MODEL_MAPPING.get(type(config), None)
    takes = getattr(model_class, "main_input_name", "input_ids")
    if takes != "input_ids":
        raise UserError(
            f"{folder}: model_type {config.model_type!r} takes {takes}, not text; speech models are for "
            "extract_audio_huggingface.py, image models for extract_vision_huggingface.py"
        )
    return config


def text_config(config: PretrainedConfig) -> PretrainedConfig:
    """The part of a config that describes the text model (CLIP's has a text and a vision part)."""
    return getattr(config, "text_config", None) or config


def hidden_width(config: PretrainedConfig) -> int:
    """D of the hidden states.

    Raises:
        UserError: the config does not say.
    """
    config = text_config(config)
    for key in ("hidden_size", "d_model", "n_embd"):  # transformers' own configs all answer to the first
        if isinstance(getattr(config, key, None), int):
            return getattr(config, key)
    raise UserError(f"config.json of model_type {config.model_type!r} states no hidden_size; add it, as a number")


def max_positions(config: PretrainedConfig) -> int | None:
    """How many tokens, special ones included, the model takes at once, as its config says; None: it has no limit.

    Where the model has a table of positions, that table has the last word (`TextModel.max_positions`).
    """
    config = text_config(config)
    positions = getattr(config, "max_position_embeddings", None) or getattr(config, "max_seq_len", None)  # MPT
    if not isinstance(positions, int) or positions <= 0:
        return None
    if getattr(config, "relative_attention", False) and not getattr(config, "position_biased_input", False):
        return None  # DeBERTa without absolute positions
    return positions - (config.pad_token_id + 1 if config.model_type in _OFFSET_POSITIONS else 0)
