"""The sound of one clip with noise in it: drawn, or as a manifest says."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from toolkit.noise.draw import MAX_TRIES, Draw, Piece
from toolkit.noise.manifest import ClipRecord
from toolkit.noise.mix import Mixture, mix_at_snr, root_mean_square
from toolkit.noise.noise_pool import NoisePool
from toolkit.noise.sound import Sound
from toolkit.preprocess.media import MediaError
from toolkit.utils.errors import UserError

_SILENT_NOISE = 1.0  # RMS in int16 steps: less is a pause with nothing in it, whatever its gain


@dataclass(frozen=True)
class MixedSound:
    """The sound to be written and where its noise came from; `mixture` is None for silent speech, kept as it is."""

    sound: Sound
    mixture: Mixture | None
    pieces: tuple[Piece, ...] = ()
    tries: int = 0


def mix_sound(sound: Sound, snr: int, draw: Draw, pool: NoisePool) -> MixedSound:
    """Mix drawn noise into `sound`; silent cuts are drawn again.

    Raises:
        UserError: MAX_TRIES cuts were silent.
        MediaError: a noise file cannot be read.
    """
    if root_mean_square(sound.samples) == 0:
        return MixedSound(sound, None)
    for attempt in range(MAX_TRIES):
        pieces = draw.pieces(pool.files, len(sound.samples), attempt)
        noise = pool.read(pieces)
        if root_mean_square(noise) >= _SILENT_NOISE:
            mixture = mix_at_snr(sound.samples, noise, snr, out=noise)
            return MixedSound(replace(sound, samples=mixture.samples), mixture, pieces, attempt + 1)
    raise UserError(f"{MAX_TRIES} noise segments in a row were silent; is the --noise_root silence?")


def mix_pieces(sound: Sound, row: ClipRecord, pool: NoisePool) -> MixedSound:
    """Mix the noise that a manifest's row names, and check that it is the same noise and the same clip.

    Raises:
        MediaError: the number of samples or the gain comes out differently.
    """
    pieces = row.pieces
    if not pieces and root_mean_square(sound.samples) == 0:
        return MixedSound(sound, None)
    if sum(piece.samples for piece in pieces) != len(sound.samples):
        raise MediaError(f"the clip has {len(sound.samples)} samples, not those of the manifest; is it another file?")
    mixture = None
    noise = pool.read(pieces)
    if root_mean_square(sound.samples) and root_mean_square(noise):
        mixture = mix_at_snr(sound.samples, noise, row.snr, out=noise)
    if mixture is None or not math.isclose(mixture.gain, row.gain, rel_tol=1e-9):
        raise MediaError("the noise gain differs from the manifest's: the clip or a noise file is another one")
    return MixedSound(replace(sound, samples=mixture.samples), mixture, pieces, row.tries)
