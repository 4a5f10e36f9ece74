"""The draw of a clip: a pure function of (seed, clip name, noise list), the same on every machine and for ever.

Numbers come from BLAKE2b, not from a library's generator, whose streams may change between versions:

    key      = BLAKE2b-256 of "<seed>\\n<noise list digest>\\n<clip name>" (UTF-8)
    number k of purpose p below n = BLAKE2b-128(key=key, data="<p> <k>") as a big-endian integer, modulo n

    SNR   = snrs[number 0 of "snr" below len(snrs)]        (snrs and blurs sorted, without repeats)
    blur  = blurs[number 0 of "blur" below len(blurs)]
    noise = files[number 0, 1, 2 ... of "noise <try>" below len(files)], joined until longer than the speech,
            cut from number 0 of "cut <try>" below (joined - speech + 1) samples; a silent cut means the next try

The noise list digest is BLAKE2b-256 of "<relative path>\\t<samples>\\n" of every noise file, sorted by path: a noise
folder that is moved gives the same draw. The noise does not depend on the SNR: `audio_snr5` and `audio_snr10` hold the
same voices at two levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

MAX_TRIES = 100  # silent cuts in a row before the noise folder is called silent


@dataclass(frozen=True)
class Piece:
    """`samples` of a noise file (path relative to the noise root) from sample `start` on, at 16 kHz."""

    file: str
    start: int
    samples: int


class Draw:
    """The random numbers of one clip; see the module's docstring."""

    def __init__(self, seed: int, name: str, noise_digest: str) -> None:
        text = f"{seed}\n{noise_digest}\n{name}"
        self._key = blake2b(text.encode("utf-8", "surrogateescape"), digest_size=32).digest()

    def below(self, limit: int, purpose: str, number: int = 0) -> int:
        """Number `number` of `purpose`: an integer from 0 to `limit` - 1."""
        digest = blake2b(f"{purpose} {number}".encode(), key=self._key, digest_size=16).digest()
        return int.from_bytes(digest, "big") % limit

    def choose(self, values: Sequence[int], purpose: str) -> int:
        """One of `values` (their order and repeats do not matter)."""
        unique = sorted(set(values))
        return unique[self.below(len(unique), purpose)]

    def pieces(self, files: Sequence[tuple[str, int]], needed: int, attempt: int = 0) -> tuple[Piece, ...]:
        """Noise for `needed` samples from `files` (path, samples > 0): the parts of joined files that the cut keeps.

        `attempt` counts the silent cuts before.
        """
        joined: list[tuple[str, int]] = []
        total = 0
        while total <= needed:
            joined.append(files[self.below(len(files), f"noise {attempt}", len(joined))])
            total += joined[-1][1]
        start = self.below(total - needed + 1, f"cut {attempt}")
        return _cut(joined, start, start + needed)


def list_digest(files: Sequence[tuple[str, int]]) -> str:
    """Digest of a noise list (path, samples), as 64 hexadecimal digits."""
    lines = "".join(f"{path}\t{samples}\n" for path, samples in sorted(files))
    return blake2b(lines.encode("utf-8", "surrogateescape"), digest_size=32).hexdigest()


def _cut(joined: Sequence[tuple[str, int]], start: int, end: int) -> tuple[Piece, ...]:
    """The parts of the joined files between the samples `start` and `end`."""
    pieces = []
    position = 0
    for file, samples in joined:
        first, last = max(start, position), min(end, position + samples)
        if last > first:
            pieces.append(Piece(file, first - position, last - first))
        position += samples
    return tuple(pieces)
