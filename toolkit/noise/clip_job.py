"""The work on one clip of a set, and its row in the manifest."""

from __future__ import annotations

import errno
import platform
import threading
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import av

import toolkit
from toolkit.noise.corrupt import Written, write_clip
from toolkit.noise.damage import Damaged, ffmpeg_words
from toolkit.noise.draw import Draw
from toolkit.noise.manifest import ClipRecord, Manifest, pieces_cell
from toolkit.noise.mix_sound import MixedSound, mix_pieces, mix_sound
from toolkit.noise.noise_pool import NoisePool
from toolkit.noise.sound import read_sound, write_wav
from toolkit.preprocess.batch import Job, printable
from toolkit.preprocess.media import MediaError, Stopped
from toolkit.utils.errors import UserError

FINEST_SNR = 96  # dB that 16 bits can hold at most; more asks for the clean sound, and gets it
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
    """Corrupts one clip of a set; the `toolkit.preprocess.batch.Work` of a run. Its warnings are the rows' notes.

    A clip that fails leaves no file, unless its row in the manifest still stands (then the file is what the row says).

    Attributes:
        given: rows of the manifest that is repeated (then they decide, not the draw), or None.
    """

    settings: Settings
    pool: NoisePool
    manifest: Manifest
    given: dict[str, ClipRecord] | None = None

    def __call__(self, job: Job, stop: threading.Event) -> str:
        try:
            _check_source(job)
            row = self._corrupt(job, stop)
        except (Stopped, UserError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                reason = "no space left on the disk; make room and give the same command again, finished clips are kept"
                raise OSError(error.errno, f"cannot be written ({reason})", str(job.target)) from error
            if job.name not in self.manifest.rows:  # what lies there is of an earlier run, and nothing states it
                job.target.unlink(missing_ok=True)
            if isinstance(error, (av.error.FFmpegError, Damaged)):
                raise MediaError(_told(job.source, error, stop)) from error
            raise
        self.manifest.add(row)
        return row.note

    def _corrupt(self, job: Job, stop: threading.Event) -> ClipRecord:
        sound = read_sound(job.source, stop)
        sound.check()
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
        return _record(job, mixed, snr, blur, written, cells)


def _check_source(job: Job) -> None:
    """Raises `MediaError` for names that the manifest cannot hold, and for what is no regular file."""
    if printable(job.name) != job.name:
        raise MediaError("the file's name is not UTF-8; rename the file")
    if "\r" in job.name:
        raise MediaError("the file's name holds a carriage return; rename the file")
    if not job.source.is_file():
        raise MediaError(f"{job.source} is no regular file")


def _told(source: Path, error: Exception, stop: threading.Event) -> str:
    """The reason in one line, with ffmpeg's own words."""
    words = ffmpeg_words(source, "" if isinstance(error, Damaged) else str(error), stop)
    if not isinstance(error, Damaged):
        return f"{source}: {words}"
    return f"{source}: {error}" + (f"; ffmpeg: {words}" if words else "")


def _notes(mixed: MixedSound, snr: int) -> str:
    """What is odd about the sound; "" usually."""
    if mixed.mixture is None:
        return f"its sound is {'silent' if len(mixed.sound.samples) else 'empty'} and was kept as it is"
    measured = mixed.mixture.measured_snr
    if snr <= FINEST_SNR and abs(measured - snr) > SNR_TOLERANCE:
        return f"the sound is too faint for {snr} dB in 16 bits: {measured:.2f} dB"
    return ""


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
        measured_snr=f"{mixture.measured_snr:.4f}" if mixture else "",
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
        note=_notes(mixed, snr),
    )


@cache
def toolkit_versions() -> str:
    """Versions that decide the bytes written, in one cell."""
    listed = [f"toolkit {toolkit.__version__}", f"python {platform.python_version()}"]
    packages = ("av", "numpy", "opencv-python-headless", "soundfile")
    return "; ".join(listed + [f"{name} {version(name)}" for name in packages])


def _listed(values: tuple[int, ...]) -> str:
    return " ".join(str(value) for value in sorted(set(values)))
