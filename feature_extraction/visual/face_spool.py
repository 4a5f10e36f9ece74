"""The aligned faces of one clip while it is being read: some stay in memory, the rest waits on the disk.

Which person is the main one is known at the end of a clip only, so all faces are kept until then; a 10-minute clip has
0.6 GB of them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from feature_extraction.visual.face_alignment import FACE_SIZE
from toolkit.utils import atomic

IN_MEMORY = 16 << 20  # bytes; about 17 seconds of one face
_SHAPE = (FACE_SIZE, FACE_SIZE, 3)
_BYTES = FACE_SIZE * FACE_SIZE * 3


class FaceSpool:
    """Faces ``(112, 112, 3)`` uint8, appended one by one; use as a context manager.

    Args:
        folder: where the temporary file lies (it has no name there); give the folder of the results, because the
            system's own place for such files may be small. None: the system's place.
    """

    def __init__(self, folder: Path | None = None, in_memory: int = IN_MEMORY) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=in_memory, dir=folder)
        self._count = 0

    def __enter__(self) -> FaceSpool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._count

    def append(self, face: np.ndarray) -> int:
        """Keep one face; returns its position."""
        self._file.seek(self._count * _BYTES)
        self._file.write(face.tobytes())
        self._count += 1
        return self._count - 1

    def read(self, position: int) -> np.ndarray:
        """The face at `position`."""
        self._file.seek(position * _BYTES)
        return np.frombuffer(self._file.read(_BYTES), np.uint8).reshape(_SHAPE)

    def save(self, path: Path, positions: Sequence[int]) -> None:
        """Write the faces at `positions` as the array ``(T, 112, 112, 3)`` of a ``.npy`` file, whole or not at all."""
        save_pictures(path, (len(positions), *_SHAPE), (self.read(position) for position in positions))


def save_pictures(path: Path, shape: tuple[int, ...], pictures: Iterable[np.ndarray]) -> None:
    """Write pictures as they come as one uint8 array of `shape` ``(T, H, W, 3)``: the bytes that ``np.save`` writes.

    Raises:
        ValueError: a picture of another shape, or not T of them; nothing is written then.
    """
    with atomic.atomic_path(path) as part, open(part, "wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.uint8)), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        count = 0
        for picture in pictures:
            if picture.shape != shape[1:] or picture.dtype != np.uint8:
                raise ValueError(f"picture {count} is {picture.dtype} {picture.shape}, not uint8 {shape[1:]}")
            file.write(picture.tobytes())
            count += 1
        if count != shape[0]:
            raise ValueError(f"{count} pictures instead of {shape[0]}")
