"""Turning a CTranslate2 Whisper folder (model.bin, config.json, tokenizer.json) into a Hugging Face Whisper folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_extraction.ctranslate2_reader import read_ctranslate2
from toolkit.utils.errors import UserError

if TYPE_CHECKING:
    from transformers import WhisperConfig

SECONDS_PER_TIMESTAMP = 0.02  # Whisper's timestamp tokens: <|0.00|>, <|0.02|>, ... <|30.00|>
TIMESTAMPS = 1501


def convert_whisper(source: Path, target: Path) -> None:
    """Write config, weights (float32), generation settings, tokenizer and feature extractor into the folder `target`.

    Raises:
        UserError: `source` does not hold a Whisper model in the layout we know; the message names file and variable.
    """
    import torch
    from safetensors.numpy import save_file
    from transformers import GenerationConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    model_file = source / "model.bin"
    spec, variables = read_ctranslate2(model_file)
    if spec != "WhisperSpec":
        raise UserError(f"{model_file}: holds a {spec}, not a Whisper model")
    weights = whisper_weights(variables, model_file)
    tokenizer = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    special = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    config = _config(variables, weights, special)
    with torch.device("meta"):  # shapes only
        expected = {
            key: tuple(value.shape) for key, value in WhisperForConditionalGeneration(config).state_dict().items()
        }
    found = {key: array.shape for key, array in weights.items()}
    if found != expected:
        wrong = sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))
        raise UserError(f"{model_file}: weights missing, unknown or of the wrong shape: {', '.join(wrong[:5])}")
    del weights["proj_out.weight"]  # tied to the embeddings: a Hugging Face file stores it once
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    (target / "model.safetensors").chmod(0o644)  # it is written as 0600
    config.save_pretrained(target)
    settings = json.loads((source / "config.json").read_text(encoding="utf-8"))
    GenerationConfig(**_generation_settings(settings, special)).save_pretrained(target)
    WhisperFeatureExtractor(feature_size=config.num_mel_bins).save_pretrained(target)
    _write_tokenizer(target, tokenizer, config.vocab_size)


def whisper_weights(variables: Mapping[str, np.ndarray], path: Path) -> dict[str, np.ndarray]:
    """State dict of `WhisperForConditionalGeneration` (float32) from the variables of a CTranslate2 file.

    Raises:
        UserError: a variable is missing, is quantised, or has no place in the model.
    """
    left = dict(variables)

    def take(name: str) -> np.ndarray:
        array = left.pop(name, None)
        if array is None:
            raise UserError(f"{path}: variable {name} is missing")
        if array.dtype.kind != "f":
            raise UserError(
                f"{path}: {name} is quantised ({array.dtype}); only float16 and float32 files are converted"
            )
        return np.ascontiguousarray(array, dtype=np.float32)

    state: dict[str, np.ndarray] = {}

    def linear(name: str, targets: tuple[str, ...]) -> None:
        weight, bias = take(f"{name}/weight"), take(f"{name}/bias")
        for target, rows, offsets in zip(
            targets, np.split(weight, len(targets)), np.split(bias, len(targets)), strict=True
        ):
            state[f"{target}.weight"] = rows
            if not target.endswith("k_proj"):  # Whisper's keys have no bias: stored as zeros
                state[f"{target}.bias"] = offsets

    def norm(name: str, target: str) -> None:
        state[f"{target}.weight"], state[f"{target}.bias"] = take(f"{name}/gamma"), take(f"{name}/beta")

    for convolution in ("conv1", "conv2"):
        linear(f"encoder/{convolution}", (f"model.encoder.{convolution}",))
    state["model.decoder.embed_tokens.weight"] = take("decoder/embeddings/weight")
    state["proj_out.weight"] = state["model.decoder.embed_tokens.weight"]
    left.pop("decoder/projection/weight", None)  # alias of the embeddings
    for stack in ("encoder", "decoder"):
        state[f"model.{stack}.embed_positions.weight"] = take(f"{stack}/position_encodings/encodings")
        norm(f"{stack}/layer_norm", f"model.{stack}.layer_norm")
        for index in range(_layers(variables, stack)):
            source, target = f"{stack}/layer_{index}", f"model.{stack}.layers.{index}"
            own = f"{target}.self_attn"
            linear(f"{source}/self_attention/linear_0", (f"{own}.q_proj", f"{own}.k_proj", f"{own}.v_proj"))
            linear(f"{source}/self_attention/linear_1", (f"{own}.out_proj",))
            norm(f"{source}/self_attention/layer_norm", f"{target}.self_attn_layer_norm")
            if stack == "decoder":
                cross = f"{target}.encoder_attn"
                linear(f"{source}/attention/linear_0", (f"{cross}.q_proj",))
                linear(f"{source}/attention/linear_1", (f"{cross}.k_proj", f"{cross}.v_proj"))
                linear(f"{source}/attention/linear_2", (f"{cross}.out_proj",))
                norm(f"{source}/attention/layer_norm", f"{target}.encoder_attn_layer_norm")
            linear(f"{source}/ffn/linear_0", (f"{target}.fc1",))
            linear(f"{source}/ffn/linear_1", (f"{target}.fc2",))
            norm(f"{source}/ffn/layer_norm", f"{target}.final_layer_norm")
    unknown = sorted(name for name, array in left.items() if array.ndim)  # scalars are settings, not weights
    if unknown:
        raise UserError(f"{path}: variables without a place in Whisper: {', '.join(unknown[:5])}")
    return state


def _layers(variables: Mapping[str, np.ndarray], stack: str) -> int:
    prefix = f"{stack}/layer_"
    return len(
        {name.split("/")[1] for name in variables if name.startswith(prefix) and "norm" not in name.split("/")[1]}
    )


def _config(
    variables: Mapping[str, np.ndarray], weights: Mapping[str, np.ndarray], special: Mapping[str, int]
) -> WhisperConfig:
    from transformers import WhisperConfig

    width, mel_bins, _ = weights["model.encoder.conv1.weight"].shape
    return WhisperConfig(
        vocab_size=weights["model.decoder.embed_tokens.weight"].shape[0],
        num_mel_bins=mel_bins,
        d_model=width,
        encoder_layers=_layers(variables, "encoder"),
        decoder_layers=_layers(variables, "decoder"),
        encoder_attention_heads=int(variables["encoder/num_heads"]),
        decoder_attention_heads=int(variables["decoder/num_heads"]),
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
        max_source_positions=weights["model.encoder.embed_positions.weight"].shape[0],
        max_target_positions=weights["model.decoder.embed_positions.weight"].shape[0],
        decoder_start_token_id=special["<|startoftranscript|>"],
        bos_token_id=special["<|endoftext|>"],
        eos_token_id=special["<|endoftext|>"],
        pad_token_id=special["<|endoftext|>"],
        begin_suppress_tokens=None,  # stands in generation_config.json
        architectures=["WhisperForConditionalGeneration"],
        dtype="float32",
    )


def _generation_settings(settings: Mapping[str, Any], special: Mapping[str, int]) -> dict[str, Any]:
    """English-only models: no language or task token, no timestamps unless asked for."""
    return {
        "max_length": 448,
        "bos_token_id": special["<|endoftext|>"],
        "eos_token_id": special["<|endoftext|>"],
        "pad_token_id": special["<|endoftext|>"],
        "decoder_start_token_id": special["<|startoftranscript|>"],
        "is_multilingual": False,
        "no_timestamps_token_id": special["<|notimestamps|>"],
        "prev_sot_token_id": special["<|startofprev|>"],
        "max_initial_timestamp_index": 50,
        "return_timestamps": False,
        "alignment_heads": settings["alignment_heads"],
        "suppress_tokens": settings["suppress_ids"],
        "begin_suppress_tokens": settings["suppress_ids_begin"],
    }


def _write_tokenizer(target: Path, tokenizer: dict[str, Any], vocabulary: int) -> None:
    """tokenizer.json with the timestamp tokens added (the packages leave them out), and tokenizer_config.json."""
    special = [token["content"] for token in tokenizer["added_tokens"] if token["special"]]
    first = 1 + max(token["id"] for token in tokenizer["added_tokens"])
    for index in range(min(TIMESTAMPS, vocabulary - first)):
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
        content = f"<|{index * SECONDS_PER_TIMESTAMP:.2f}|>"
        tokenizer["added_tokens"].append({"id": first + index, "content": content, **flags})
    end = "<|endoftext|>"
    config = {
        "tokenizer_class": "WhisperTokenizer",
        "processor_class": "WhisperProcessor",
        "bos_token": end,
        "eos_token": end,
        "unk_token": end,
        "pad_token": end,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 1024,
        "additional_special_tokens": special,  # the tokenizer counts timestamps from the last of these
        "language": None,
        "task": None,
    }
    (target / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    (target / "tokenizer_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
