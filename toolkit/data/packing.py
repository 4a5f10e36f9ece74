"""The packed form of a feature folder: ONE file with every sample's rows, read through a memory map.

Layout: a ``.npy`` array ``(sum T, D)`` float32 (numpy itself can open it), then a JSON index (fingerprint, width,
names, rows per sample), then a trailer. One file appears at once or not at all, so readers and several writers never
see a mixture, and a cut file is recognised by its trailer.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import numpy as np

from toolkit.data.features import read_feature
from toolkit.data.listing import Listing
from toolkit.utils import atomic
from toolkit.utils.errors import UserError
from toolkit.utils.progress import progress_bar

HEADER_BYTES = 128  # room for the .npy header, which is written last, when the number of rows is known
TRAILER = struct.Struct("<QI8s")  # bytes of the index, its crc32, magic
MAGIC = b"MERPACK1"
CHUNK_SAMPLES, CHUNK_BYTES = 256, 4 << 20  # what a thread reads at once
READERS = 2


def write_packed(path: Path, folder: Path, listing: Listing, num_workers: int = 0) -> None:
    """Write the packed form of `folder` to `path`, atomically.

    Samples that cannot be used (unreadable, empty, not finite, of another width than most) are left out: whoever asks
    for one reads the file itself and gets the error that names it. Memory: a few chunks of 4 MB.

    Raises:
        OSError: `path` cannot be written.
    """
    samples = listing.samples()
    width = _common_width(folder, list(samples))
    names: list[str] = []
    lengths: list[int] = []

    def fill(file: IO[bytes]) -> None:
        file.write(bytes(HEADER_BYTES))
        with progress_bar(len(samples), f"packing {folder.name}", "sample", len(samples) > 500) as bar:
            for tried, kept, counts, rows in _read_ahead(folder, samples, width, max(READERS, num_workers)):
                names.extend(kept)
                lengths.extend(counts)
                file.write(rows.data)
                bar.update(tried)
        content = {"fingerprint": listing.fingerprint, "width": width, "names": names, "lengths": lengths}
        index = json.dumps(content).encode("ascii")
        file.write(index)
        file.write(TRAILER.pack(len(index), zlib.crc32(index), MAGIC))
        file.seek(0)
        file.write(npy_header(sum(lengths), width))

    atomic.write_with(path, fill)


def npy_header(rows: int, width: int) -> bytes:
    """The header of a version 1.0 ``.npy`` file with `rows` x `width` float32, `HEADER_BYTES` long."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {width}), }}"
    start = b"\x93NUMPY\x01\x00" + struct.pack("<H", HEADER_BYTES - 10)
    return start + text.encode("ascii").ljust(HEADER_BYTES - 11) + b"\n"


def _common_width(folder: Path, names: list[str]) -> int:
    """The width that most of about 100 samples have; 0 when none can be read."""
    widths: Counter[int] = Counter()
    for name in names[:: max(1, len(names) // 100)]:
        try:
            widths[read_feature(folder, name).shape[1]] += 1
        except UserError:
            continue
    if not widths:  # 100 bad samples in a row do not make a bad folder
        for name in names:
            try:
                return read_feature(folder, name).shape[1]
            except UserError:
                continue
    return widths.most_common(1)[0][0] if widths else 0


Chunk = tuple[int, list[str], list[int], np.ndarray]  # samples tried, those kept, rows of each, all rows


def _read_ahead(folder: Path, samples: dict[str, int], width: int, workers: int) -> Iterator[Chunk]:
    """The chunks of a folder in order, read by `workers` threads which never run far ahead of the writer."""
    headers: dict[bytes, tuple[np.dtype, tuple[int, ...]] | None] = {}
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque = deque()
        for names in _chunks(samples):
            waiting.append(pool.submit(_read_chunk, folder, names, samples, width, headers))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _chunks(samples: dict[str, int]) -> Iterator[list[str]]:
    chunk: list[str] = []
    size = 0
    for name, count in samples.items():
        chunk.append(name)
        size += max(count, 0)
        if len(chunk) == CHUNK_SAMPLES or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _read_chunk(folder: Path, names: list[str], sizes: dict[str, int], width: int, headers: dict) -> Chunk:
    kept, blocks = [], []
    for name in names:
        rows = _read_plain(f"{folder}/{name}.npy", sizes[name], headers) if sizes[name] >= 0 else None
        if rows is None or rows.shape[1] != width:
            rows = _read_checked(folder, name, width)
        if rows is not None:
            kept.append(name)
            blocks.append(rows)
    rows = np.concatenate(blocks, dtype=np.float32) if blocks else np.empty((0, width), np.float32)
    if not np.isfinite(rows).all():
        good = [number for number, block in enumerate(blocks) if np.isfinite(block.astype(np.float32)).all()]
        kept, blocks = [kept[number] for number in good], [blocks[number] for number in good]
        rows = np.concatenate(blocks, dtype=np.float32) if blocks else np.empty((0, width), np.float32)
    return len(names), kept, [len(block) for block in blocks], rows


def _read_checked(folder: Path, name: str, width: int) -> np.ndarray | None:
    try:
        return read_feature(folder, name, width)
    except UserError:
        return None


def _read_plain(path: str, size: int, headers: dict) -> np.ndarray | None:
    """An ordinary ``.npy`` file as ``(T, D)``, several times faster than `numpy.load`; None: try the careful way.

    `headers` remembers what a header means: nearly all files of a folder have the same one.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            data = os.read(descriptor, size + 1)
        finally:
            os.close(descriptor)
    except OSError:
        return None
    if len(data) != size or data[:8] != b"\x93NUMPY\x01\x00":
        return None
    end = 10 + int.from_bytes(data[8:10], "little")
    header = data[:end]
    if header not in headers:
        headers[header] = _parse_header(path, header)
    known = headers[header]
    if known is None or size != end + known[0].itemsize * known[1][0] * known[1][1]:
        return None
    return np.frombuffer(data, known[0], offset=end).reshape(known[1])


def _parse_header(path: str, header: bytes) -> tuple[np.dtype, tuple[int, ...]] | None:
    """(dtype, shape as (T, D)) of a plain array of numbers in C order; None for anything else."""
    import io

    stream = io.BytesIO(header)
    try:
        np.lib.format.read_magic(stream)
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    except Exception:  # numpy parses it as Python, which fails in many ways (TokenError, RecursionError)
        return None
    if dtype.kind not in "fiu" or len(shape) not in (1, 2) or 0 in shape or (fortran and len(shape) > 1):
        return None
    return dtype, (1, *shape)[-2:]
