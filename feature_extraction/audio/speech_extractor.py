"""Speech encoders that take the wave itself: wav2vec 2.0, HuBERT, WavLM, data2vec-audio, and others by their config.

Baevski et al. 2020 (wav2vec 2.0), Hsu et al. 2021 (HuBERT), Chen et al. 2022 (WavLM), Baevski et al. 2022 (data2vec).
The formula: the model's feature extractor (its own normalisation); a clip longer than 10 s is cut into blocks of 10 s,
the last padded with zeros; per block the sum of the last four hidden states; blocks joined, padded frames included.
50 frames a second, width hidden_size.

On a CPU every piece goes through the model alone, since batches are slower there (several copies of the model share the
work instead, `policy.py`); on a GPU pieces go together up to `batch_seconds` of sound, in ways that leave the numbers
alone (`clipwise.py`).
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from feature_extraction.audio.speech_pieces import SpeechLoad, blocks, grouped, receptive_field
from feature_extraction.audio.wav_reader import SAMPLE_RATE
from feature_extraction.contract import Extractor, Output, Sample, batches_of
from feature_extraction.huggingface_folder import load_model, read_config, require_files
from toolkit.utils.errors import UserError
from toolkit.utils.quiet import quiet_transformers

if TYPE_CHECKING:
    import torch

LAST_LAYERS = 4
PREPROCESSOR_FILE = "preprocessor_config.json"
GPU_SECONDS = 320.0  # seconds of sound that go through a GPU together
TRIAL_SAMPLES = 4000  # longer than every model's receptive field
CPU_SECONDS = 60.0  # a unit of work for one process; it is saved when it is done
BYTES_PER_SECOND = 2 * SAMPLE_RATE  # of the corpus' wav files; others are estimated wrong, which costs speed only


class SpeechExtractor(Extractor):
    """Features of a speech encoder's folder.

    Args:
        level: at UTTERANCE the mean is taken as the blocks come, so that a two-hour clip needs no two-hour array.
        batch_seconds: sound that goes through the model together; None: one piece on a CPU, `GPU_SECONDS` on a GPU.

    Raises:
        UserError: the folder is incomplete, or holds a model that does not take a wave.
    """

    modality = "audio"
    formula = "sum of the last 4 hidden states; blocks of 10 s, the last one zero-padded"
    replica_pays = 600.0  # seconds of sound

    def __init__(
        self,
        folder: Path,
        stem: str,
        device: torch.device,
        level: str = "FRAME",
        dtype: str = "float32",
        batch_seconds: float | None = None,
    ) -> None:
        config = read_config(folder)
        require_wave_encoder(folder, config)
        self.folder, self.device, self.dtype, self.level = folder, device, dtype, level
        self.weights = folder
        self.batch_seconds = batch_seconds or (None if device.type == "cpu" else GPU_SECONDS)
        self.outputs = (Output(stem, config["hidden_size"]),)
        # SEW's encoder takes several frames at once
        field = receptive_field(config["conv_kernel"], config["conv_stride"], config.get("squeeze_factor", 1))
        self.load = SpeechLoad(_normalises(folder), field)
        if device.type == "cpu":
            self.replica = functools.partial(SpeechExtractor, folder, stem, device, level, dtype, batch_seconds)
        else:
            self.default_workers = 4

    def prepare(self) -> None:
        """Load the model.

        Raises:
            UserError: its weights cannot be loaded.
        """
        import torch
        from transformers import AutoModel

        from feature_extraction.audio.clipwise import MASKED_FAMILIES, make_clipwise

        options = {}
        if self.device.type == "cpu" and self.dtype == "bfloat16":
            options["attn_implementation"] = "eager"  # twice as fast there as PyTorch's fused attention
        self.model = load_model(AutoModel, self.folder, self.device, dtype=self.dtype, **options)
        if self.device.type == "cpu":
            from feature_extraction.audio.packed_layers import pack

            pack(self.model, torch.zeros(1, TRIAL_SAMPLES, dtype=self.model.dtype))
        self.mixed = self.model.config.model_type in MASKED_FAMILIES
        if self.mixed:
            make_clipwise(self.model)

    def cost(self, sample: Sample) -> float:
        """Seconds of sound, as the file's size tells."""
        return super().cost(sample) / BYTES_PER_SECOND

    def plan(self, samples: Sequence[Sample], batch_size: int, budget: float | None = None) -> list[list[Sample]]:
        """Clips of like length, of `budget` seconds together."""
        return batches_of(samples, self.cost, batch_size, budget or self.batch_seconds or CPU_SECONDS)

    def extract(self, batch: Sequence[np.ndarray]) -> list[tuple[np.ndarray, ...]]:
        """Normalised waves -> ``(T, D)`` each, or at level UTTERANCE their mean ``(1, D)``."""
        pieces = [(clip, piece) for clip, wave in enumerate(batch) for piece in blocks(wave)]
        budget = int((self.batch_seconds or 0) * SAMPLE_RATE)
        collected = [_Mean() if self.level == "UTTERANCE" else _Rows() for _ in batch]
        for group in grouped([len(piece) for _, piece in pieces], budget, self.mixed):
            for position, rows in zip(group, self._rows([pieces[index][1] for index in group]), strict=True):
                collected[pieces[position][0]].add(position, rows)
        return [(clip.result(),) for clip in collected]

    def _rows(self, waves: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Sum of the last four hidden states of each wave, ``(T, D)`` float32."""
        import torch

        from feature_extraction.audio.clipwise import run_padded

        inputs = [torch.from_numpy(wave).to(self.device, self.model.dtype) for wave in waves]
        with torch.inference_mode(), exact_convolutions(self.device):
            states, frames = run_padded(self.model, inputs)
            rows = torch.stack([state.float() for state in states[-LAST_LAYERS:]]).sum(dim=0)  # (B, T, D)
        return [row[:length].cpu().numpy() for row, length in zip(rows, frames, strict=True)]


class _Rows:
    """The rows of one clip's blocks, which may come in any order."""

    def __init__(self) -> None:
        self.parts: dict[int, np.ndarray] = {}

    def add(self, position: int, rows: np.ndarray) -> None:
        self.parts[position] = rows

    def result(self) -> np.ndarray:
        return np.concatenate([self.parts[position] for position in sorted(self.parts)])


class _Mean:
    """The mean over the rows of one clip's blocks; float64, so that the order of blocks does not matter."""

    def __init__(self) -> None:
        self.total: np.ndarray | float = 0.0
        self.count = 0

    def add(self, position: int, rows: np.ndarray) -> None:
        self.total = self.total + rows.sum(axis=0, dtype=np.float64)
        self.count += len(rows)

    def result(self) -> np.ndarray:
        return (self.total / self.count).astype(np.float32)[np.newaxis]


def require_wave_encoder(folder: Path, config: dict) -> None:
    """The config is of a model that takes a 16 kHz wave through a stack of convolutions.

    Raises:
        UserError: it is of another kind.
    """
    if not all(key in config for key in ("conv_kernel", "conv_stride", "conv_dim", "hidden_size")):
        raise UserError(
            f"{folder}: model_type {config.get('model_type')!r} is not a speech encoder that takes the wave (wav2vec2, "
            "hubert, wavlm, data2vec-audio, ...) and not Whisper; text models go to extract_text_huggingface.py, "
            "vision models to extract_vision_huggingface.py"
        )


def _normalises(folder: Path) -> bool:
    """``do_normalize`` of the model's feature extractor."""
    require_files(folder, PREPROCESSOR_FILE)
    from transformers import AutoFeatureExtractor

    with quiet_transformers():
        try:
            front_end = AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise UserError(f"{folder}: no usable {PREPROCESSOR_FILE} ({reason}); download it again") from error
    if not hasattr(front_end, "do_normalize") or front_end.sampling_rate != SAMPLE_RATE:
        raise UserError(
            f"{folder}: its {type(front_end).__name__} at {front_end.sampling_rate} Hz is not supported; this "
            f"extractor gives the model the wave at {SAMPLE_RATE} Hz"
        )
    return bool(front_end.do_normalize)


@contextlib.contextmanager
def exact_convolutions(device: torch.device) -> Iterator[None]:
    """On a GPU: float32 convolutions in float32; the default, TF32, keeps three digits."""
    import torch

    if device.type != "cuda":
        yield
        return
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield
