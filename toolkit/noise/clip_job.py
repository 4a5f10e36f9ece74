"""The work on one clip of a set, and its row in the manifest."""

from __future__ import annotations

import errno
import math
import platform
import threading
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

import av

import toolkit
from toolkit.noise.corrupt import Written, ffmpeg_words, write_clip
from toolkit.noise.draw import Draw
from toolkit.noise.manifest import ClipRecord, Manifest, pieces_cell
from toolkit.noise.mix_sound import MixedSound, mix_pieces, mix_sound
from toolkit.noise.noise_pool import NoisePool
from toolkit.noise.sound import read_sound, write_wav
from toolkit.preprocess.batch import Job
from toolkit.preprocess.media import MediaError

SNR_TOLERANCE = 0.05  # dB between the draw and the mixed int16 samples, beyond which a clip is reported
_DIGEST_SHOWN = 16  # hexadecimal digits of the noise list in the manifest


@dataclass(frozen=True)
class Settings:
    """What decides a set besides its clips and noise files; `blurs` and `video_codec` are empty in audio sets."""

    seed: int
    snrs: tuple[int, ...]
    blurs: tuple[int, ...] = ()
    video_codec: str = ""

    def cells(self, pool: NoisePool) -> tuple[str, ...]:
        """As `ClipRecord.settings` gives them."""
        return (str(self.seed), _listed(self.snrs), _listed(self.blurs), pool.digest[:_DIGEST_SHOWN], self.video_codec)


@dataclass(frozen=True)
class ClipWork:
    """Corrupts one clip of a set; the `toolkit.preprocess.batch.Work` of a run.

    Attributes:
        given: rows of the manifest that is repeated (then they decide, not the draw), or None.
    """

    settings: Settings
    pool: NoisePool
    manifest: Manifest
    given: dict[str, ClipRecord] | None = None

    def __call__(self, job: Job, stop: threading.Event) -> str:
        try:
            row, warnings = self._corrupt(job, stop)
        except av.error.FFmpegError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise MediaError(ffmpeg_words(job.source, error)) from error
        self.manifest.add(row)
        return "; ".join(warnings)

    def _corrupt(self, job: Job, stop: threading.Event) -> tuple[ClipRecord, list[str]]:
        sound = read_sound(job.source, stop)
        if self.given is None:
            draw = Draw(self.settings.seed, job.name, self.pool.digest)
            snr = draw.choose(self.settings.snrs, "snr")
            blur = draw.choose(self.settings.blurs, "blur") if self.settings.blurs else 1
            mixed, cells = mix_sound(sound, snr, draw, self.pool), self.settings.cells(self.pool)
        else:
            row = self.given[job.name]
            snr, blur, cells = row.snr, row.blur, row.settings
            mixed = mix_pieces(sound, row, self.pool)
        codec = cells[-1]
        written = None
        if codec:
            written = write_clip(job.source, job.target, mixed.sound, blur, codec, stop)
        else:
            write_wav(job.target, mixed.sound.samples)
        warnings = _sound_warnings(mixed, snr) + list(written.warnings if written else ())
        return _record(job, mixed, snr, blur, written, cells), warnings


def _sound_warnings(mixed: MixedSound, snr: int) -> list[str]:
    found = []
    if mixed.sound.broken_packets:
        found.append(f"{mixed.sound.broken_packets} packets of the sound could not be decoded")
    if mixed.mixture is None:
        kind = "silent" if len(mixed.sound.samples) else "empty"
        found.append(f"its sound is {kind} and was kept as it is")
    elif abs(mixed.mixture.measured_snr - snr) > SNR_TOLERANCE:
        found.append(f"the sound is too faint for {snr} dB in 16 bits: {mixed.mixture.measured_snr:.2f} dB")
    return found


def _record(
    job: Job, mixed: MixedSound, snr: int, blur: int, written: Written | None, cells: tuple[str, ...]
) -> ClipRecord:
    mixture = mixed.mixture
    seed, snrs, blurs, noise_list, codec = cells
    return ClipRecord(
        video_name=job.name,
        audio_snr=str(snr) if mixture else "",
        audio_noises=pieces_cell(mixed.pieces),
        video_blur=str(blur) if written else "",
        source=job.source.name,
        noise_gain=repr(mixture.gain) if mixture else "",
        measured_snr=f"{mixture.measured_snr:.4f}" if mixture and math.isfinite(mixture.measured_snr) else "",
        clip_scale=repr(mixture.scale) if mixture else "",
        noise_tries=str(mixed.tries) if mixture else "",
        samples=str(len(mixed.sound.samples)),
        frames=str(written.frames) if written else "",
        video_codec=f"{codec}/{written.video_codec}" if written else "",
        seed=seed,
        snrs=snrs,
        blurs=blurs,
        noise_list=noise_list,
        versions=toolkit_versions(),
    )


@cache
def toolkit_versions() -> str:
    """Versions that decide the bytes written, in one cell."""
    listed = [f"toolkit {toolkit.__version__}", f"python {platform.python_version()}"]
    packages = ("av", "numpy", "opencv-python-headless", "soundfile")
    return "; ".join(listed + [f"{name} {version(name)}" for name in packages])


def _listed(values: tuple[int, ...]) -> str:
    return " ".join(str(value) for value in sorted(set(values)))
