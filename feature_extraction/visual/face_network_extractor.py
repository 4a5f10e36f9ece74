"""The extractor around a face network: each face through it, faces of all clips of a batch together."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from feature_extraction.contract import Extractor, Output, Sample, batches_of
from feature_extraction.visual.face_networks import FaceNetwork
from feature_extraction.visual.prepared_faces import FRAMES_PER_BATCH, USUAL_FACE_BYTES, FaceClip, FaceLoad, in_chunks

if TYPE_CHECKING:
    import torch
    from torch import nn

GPU_CHUNK = 128  # faces that go through the network together; a GPU needs many to be busy
CPU_CHUNK = 4  # per thread: more do not help a core, and their activations leave its caches
MOST_CPU_CHUNK = 32  # with however many threads: a face takes about 10 MB of activations in ResNet-50
CPU_BATCH_FRAMES = 16  # nothing is gained from larger ones there, and processes share many small units more evenly
GPU_WORKERS = 4  # processes that read and resize while a GPU computes


class FaceExtractor(Extractor):
    """Base of the extractors that read aligned faces; a clip costs its number of frames (of the usual size)."""

    modality = "visual"
    replica_pays = 1000.0  # frames: 2 minutes of a core; a copy is there after 5 seconds and does some percent more

    def __init__(self, device: torch.device, dtype: str) -> None:
        self.device = device
        self.dtype = dtype
        self.default_workers = 0 if device.type == "cpu" else GPU_WORKERS

    def cost(self, sample: Sample) -> float:
        """Frames, as the file's size tells."""
        return super().cost(sample) / USUAL_FACE_BYTES

    def plan(self, samples: Sequence[Sample], batch_size: int, budget: float | None = None) -> list[list[Sample]]:
        """Batches of at most `budget` frames: what is read ahead stays small.

        On a CPU a batch is a unit of work for one of the processes that hold the model; it is one clip, or some short
        ones, so that none of them works alone at the end.
        """
        most = CPU_BATCH_FRAMES if self.device.type == "cpu" else FRAMES_PER_BATCH
        return batches_of(samples, self.cost, batch_size, budget or most)


class FaceNetworkExtractor(FaceExtractor):
    """One row of a `FaceNetwork` per face, ``(T, width)``.

    Args:
        checkpoint: its weights.
        dtype: "float32", or "float16" and "bfloat16" (autocast; a GPU's matter).
        chunk: faces that go through the network together; 0: by the device.
    """

    def __init__(
        self, network: FaceNetwork, checkpoint: Path, device: torch.device, dtype: str = "float32", chunk: int = 0
    ) -> None:
        super().__init__(device, dtype)
        self.network = network
        self.outputs = (Output(network.stem, network.width),)
        self.load = FaceLoad(network.view)
        self.formula = network.formula
        self.weights = checkpoint
        self.chunk = chunk or (CPU_CHUNK if device.type == "cpu" else GPU_CHUNK)
        self._chunk_by_threads = not chunk and device.type == "cpu"  # `prepare` knows them
        if device.type == "cpu":
            self.replica = functools.partial(FaceNetworkExtractor, network, checkpoint, device, dtype, chunk)

    def prepare(self) -> None:
        """Load the network; raises `UserError` when the checkpoint cannot be used."""
        import torch

        if self._chunk_by_threads:
            self.chunk = min(CPU_CHUNK * torch.get_num_threads(), MOST_CPU_CHUNK)
        # channels last, as the pictures come: 1.5 times as fast for ResNet-18 on a CPU core
        self.model = self.network.load(self.weights).to(self.device, memory_format=torch.channels_last)

    def extract(self, batch: Sequence[FaceClip]) -> list[tuple[np.ndarray, ...]]:
        """Per clip one array ``(T, width)`` float32."""
        counts = [clip.count for clip in batch]
        inputs = (self.network.view.tensor(pictures, self.device) for pictures in in_chunks(batch, self.chunk))
        return rows_of(self.model, inputs, counts, self.network.width, self.device, self.dtype)


def rows_of(
    model: nn.Module,
    inputs: Iterable[torch.Tensor],
    counts: Sequence[int],
    width: int,
    device: torch.device,
    dtype: str,
) -> list[tuple[np.ndarray, ...]]:
    """Rows of all clips, computed piece by piece: per clip ``(count, width)`` float32.

    Args:
        inputs: what the model sees, in pieces of any length that go over the borders of clips.
        counts: rows of each clip.
    """
    import torch

    # One array for all rows, made before: rows of each piece, kept one by one, lie in the gaps that a piece's large
    # arrays leave, so that the next piece's need new memory (9 GB after 10 minutes of video). It is on the device: a
    # GPU computes while the next faces are prepared.
    rows = torch.empty((sum(counts), width), device=device)
    done = 0
    with torch.inference_mode(), computing(device, dtype):
        for pictures in inputs:
            rows[done : done + len(pictures)] = model(pictures)
            done += len(pictures)
    return [(clip_rows,) for clip_rows in np.split(rows.cpu().numpy(), np.cumsum(counts)[:-1])]


@contextlib.contextmanager
def computing(device: torch.device, dtype: str) -> Iterator[None]:
    """Full float32 (no TF32: it changes the third digit), or autocast to `dtype`."""
    import torch

    with contextlib.ExitStack() as stack:
        if device.type == "cuda":
            stack.enter_context(torch.backends.cudnn.flags(enabled=True, allow_tf32=dtype != "float32"))
        if dtype != "float32":
            stack.enter_context(torch.autocast(device.type, getattr(torch, dtype)))
        yield
