"""Batched Whisper transcription from a local model folder (greedy decoding, float32).

Method: Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022). The decoding loop is our
own because it needs the no-speech probability of every window: Whisper puts words into silence. Whisper sees exactly
30 s: every window is padded to that, so a batch gives what one window at a time gives, up to float noise.

Imports torch and transformers; import this module where a model is needed only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoTokenizer, WhisperFeatureExtractor, WhisperForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

from toolkit.preprocess.chunks import speech_chunks
from toolkit.preprocess.media import SAMPLE_RATE
from toolkit.utils.errors import UserError
from toolkit.utils.quiet import quiet_transformers

MAX_NEW_TOKENS = 200  # per window; fast speech has about 150 in 30 s
NO_SPEECH, LOW_LOGPROB = 0.6, -1.0  # the paper's rule: more than the one and less than the other is silence
FIRST_MULTILINGUAL_VOCABULARY = 51865  # tokens; the English-only models have one less


class WhisperTranscriber:
    """Waveforms to texts with the Whisper of a local Hugging Face folder.

    Args:
        model_dir: the folder (config.json, weights, tokenizer).
        device: where to compute.
        language: name or code ("chinese", "zh") that a multilingual model is told; None lets it find out per window.

    Raises:
        UserError: no Whisper folder, or a language that the model does not have.
    """

    def __init__(self, model_dir: Path, device: torch.device, language: str | None = None) -> None:
        config = _whisper_config(model_dir)
        self.device = device
        self.tokenizer = AutoTokenizer.from_pretrained(model_dir, local_files_only=True)
        self.vocabulary = self.tokenizer.get_vocab()
        self.mel = WhisperFeatureExtractor.from_pretrained(model_dir, local_files_only=True)
        with quiet_transformers():
            model = WhisperForConditionalGeneration.from_pretrained(
                model_dir, local_files_only=True, dtype=torch.float32
            )
        self.model = model.eval().to(device)
        self.multilingual = _is_multilingual(config)
        self.language = self._language_id(language)
        self.end = self._token("<|endoftext|>")
        settings = model.generation_config
        # Every token after <|endoftext|> is a command or a time stamp: never text.
        commands = range(self.end + 1, config.vocab_size)
        self.suppressed = sorted({*commands, *(getattr(settings, "suppress_tokens", None) or ())})
        self.suppressed_first = sorted({self.end, *(getattr(settings, "begin_suppress_tokens", None) or ())})
        self.no_speech = self._token("<|nospeech|>", "<|nocaptions|>")  # new and old name

    def transcribe(self, waveforms: Sequence[np.ndarray], batch_size: int = 8) -> list[str]:
        """Texts of 16 kHz mono float32 waveforms ``(n,)``; pieces of at most 30 s are joined. Silence gives ""."""
        windows, owners = [], []
        for index, waveform in enumerate(waveforms):
            pieces = speech_chunks(waveform)
            windows += pieces
            owners += [index] * len(pieces)
        texts = [""] * len(waveforms)
        for start in range(0, len(windows), batch_size):
            decoded = self._decode(windows[start : start + batch_size])
            for owner, text in zip(owners[start : start + batch_size], decoded, strict=True):
                texts[owner] += text  # the model writes the blank between words itself, where the language has one
        return [" ".join(text.split()) for text in texts]

    @torch.inference_mode()
    def _decode(self, windows: Sequence[np.ndarray]) -> list[str]:
        features = self.mel(list(windows), sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features
        states = self.model.get_encoder()(features.to(self.device)).last_hidden_state  # (B, 1500, width)
        encoded = BaseModelOutput(last_hidden_state=states)
        tokens = prompt = self._prompt(encoded)  # (B, length)
        cache: Any = None
        no_speech = torch.zeros(len(windows), device=self.device)
        logprob = torch.zeros(len(windows), device=self.device)
        finished = torch.zeros(len(windows), dtype=torch.bool, device=self.device)
        chosen: list[torch.Tensor] = []
        for step in range(min(MAX_NEW_TOKENS, self.model.config.max_target_positions - prompt.shape[1])):
            output = self.model(
                encoder_outputs=encoded, decoder_input_ids=tokens, past_key_values=cache, use_cache=True
            )
            cache, logits = output.past_key_values, output.logits[:, -1]  # (B, vocabulary)
            if step == 0:
                no_speech = output.logits[:, 0].softmax(-1)[:, self.no_speech]
                logits[:, self.suppressed_first] = -torch.inf
            logits[:, self.suppressed] = -torch.inf
            best = logits.log_softmax(-1).max(-1)
            logprob += torch.where(finished, 0.0, best.values)
            chosen.append(torch.where(finished, self.end, best.indices))
            finished = finished | (chosen[-1] == self.end)
            if finished.all():
                break
            tokens = chosen[-1][:, None]
        rows = torch.stack(chosen, dim=1)  # (B, steps)
        lengths = (rows != self.end).sum(1) + 1  # the end token counts
        silent = (no_speech > NO_SPEECH) & (logprob / lengths < LOW_LOGPROB)
        texts = self.tokenizer.batch_decode(rows.tolist(), skip_special_tokens=True)
        return ["" if empty else text for text, empty in zip(texts, silent.tolist(), strict=True)]

    def _prompt(self, encoded: BaseModelOutput) -> torch.Tensor:
        """Start tokens of every window, ``(B, 2)`` for an English-only model, ``(B, 4)`` for a multilingual one."""
        start = torch.full(
            (len(encoded.last_hidden_state), 1), self._token("<|startoftranscript|>"), device=self.device
        )
        columns = [start]
        if self.multilingual:
            known = self.language is not None
            columns.append(torch.full_like(start, self.language) if known else self._detect_language(encoded, start))
            columns.append(torch.full_like(start, self._token("<|transcribe|>")))
        columns.append(torch.full_like(start, self._token("<|notimestamps|>")))
        return torch.cat(columns, dim=1)

    def _detect_language(self, encoded: BaseModelOutput, start: torch.Tensor) -> torch.Tensor:
        """The likeliest language token of every window, ``(B, 1)``."""
        codes = sorted(set(TO_LANGUAGE_CODE.values()))
        known = [self.vocabulary[f"<|{code}|>"] for code in codes if f"<|{code}|>" in self.vocabulary]
        languages = torch.tensor(known, device=self.device)
        logits = self.model(encoder_outputs=encoded, decoder_input_ids=start).logits[:, -1]
        return languages[logits[:, languages].argmax(-1)][:, None]

    def _language_id(self, language: str | None) -> int | None:
        if not language:
            return None
        code = language_code(language, self.multilingual)
        if self.multilingual and f"<|{code}|>" not in self.vocabulary:
            raise UserError(f"--language {language}: this Whisper does not know it; choose a newer model")
        return self.vocabulary[f"<|{code}|>"] if self.multilingual else None

    def _token(self, *names: str) -> int:
        for name in names:
            if name in self.vocabulary:
                return self.vocabulary[name]
        folder = self.tokenizer.name_or_path
        raise UserError(f"{folder}: the tokenizer lacks {names[0]}; make or download the folder again")


def language_code(language: str, multilingual: bool) -> str:
    """Whisper's code of a language that is given by name or code, in any case: "Chinese" and "zh" are "zh".

    Raises:
        UserError: no such language, or not English for a model that is not `multilingual`.
    """
    code = TO_LANGUAGE_CODE.get(language.lower(), language.lower())
    if not multilingual and code != "en":
        raise UserError(f"--language {language}: this Whisper knows English only; choose a multilingual model")
    if code not in TO_LANGUAGE_CODE.values():
        raise UserError(f"--language {language}: unknown; known: {', '.join(sorted(TO_LANGUAGE_CODE))}")
    return code


def is_multilingual(model_dir: Path) -> bool:
    """Whether the Whisper in a folder knows more than English.

    Raises:
        UserError: no Whisper folder.
    """
    return _is_multilingual(_whisper_config(model_dir))


def _is_multilingual(config: Any) -> bool:
    return config.vocab_size >= FIRST_MULTILINGUAL_VOCABULARY


def _whisper_config(model_dir: Path) -> Any:
    if not (model_dir / "config.json").is_file():
        raise UserError(f"{model_dir} holds no model (no config.json); put a Whisper folder there, or give --model_dir")
    config = AutoConfig.from_pretrained(model_dir, local_files_only=True)
    if config.model_type != "whisper":
        raise UserError(f"{model_dir}: a {config.model_type} model, not Whisper; give another --model_dir")
    return config
