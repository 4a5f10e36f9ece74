"""Making one clip of a set, and its row of the manifest."""

from __future__ import annotations

import errno
import hashlib
import platform
import threading
from dataclasses import dataclass
from pathlib import Path

import av

import toolkit
from toolkit.noise.corrupt import Written, write_clip
from toolkit.noise.damage import Unreadable
from toolkit.noise.draw import Draw
from toolkit.noise.manifest import ClipRecord, pieces_cell
from toolkit.noise.mix_sound import MixedSound, mix_pieces, mix_sound
from toolkit.noise.noise_pool import NoisePool
from toolkit.noise.sound import AAC_BITS, AAC_CODER, read_sound, write_wav
from toolkit.preprocess.batch import Job, printable
from toolkit.preprocess.media import MediaError

FINEST_SNR = 96  # dB that 16 bits can hold at most; more asks for the clean sound, and gets it
SNR_TOLERANCE = 0.05  # dB between the draw and the mixed int16 samples, beyond which a clip is reported
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
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
class ClipMaker:
    """Makes clips, and tells their rows; goes to worker processes as it is, and so do the errors it raises."""

    settings: Settings
    pool: NoisePool
    versions: str

    def __call__(self, job: Job, row: ClipRecord | None, stop: threading.Event) -> ClipRecord:
        """Make `job.target`.

        Args:
            row: of a manifest, to be repeated (then it decides, not the draw), or None.

        Raises:
            MediaError, Damaged, Unreadable: the clip cannot be used.
            UserError: the noise cannot.
            Stopped: `stop` was set.
        """
        _check_source(job)
        try:
            return self._make(job, row, stop)
        except av.error.FFmpegError as error:
            if isinstance(error, OSError) and error.errno in FULL_DISK:
                raise OSError(error.errno, error.strerror, str(job.target)) from error
            raise Unreadable(str(error)) from error

    def _make(self, job: Job, row: ClipRecord | None, stop: threading.Event) -> ClipRecord:
        digest = _file_digest(job.source)
        if row is not None and row.source_digest not in ("", digest):
            raise MediaError(
                f"{job.source} is another file than the one of the manifest: its source_digest is {digest}"
            )
        sound = read_sound(job.source, stop)
        sound.check()
        if row is None:
            draw = Draw(self.settings.seed, job.name, self.pool.digest)
            snr = draw.choose(self.settings.snrs, "snr")
            blur = draw.choose(self.settings.blurs, "blur") if self.settings.blurs else 1
            mixed, cells = mix_sound(sound, snr, draw, self.pool), self.settings.cells(self.pool)
        else:
            snr, blur, cells = row.snr, row.blur, row.settings
            mixed = mix_pieces(sound, row, self.pool)
        codec = cells[-1]
        written = None
        if codec:
            written = write_clip(job.source, job.target, mixed.sound, blur, codec, stop)
        else:
            write_wav(job.target, mixed.sound.samples)
        return _record(job, digest, mixed, snr, blur, written, cells, self.versions)


def _check_source(job: Job) -> None:
    """Raises `MediaError` for names that the manifest cannot hold, and for what is no regular file."""
    if printable(job.name) != job.name:
        raise MediaError("the file's name is not UTF-8; rename the file")
    if "\r" in job.name:
        raise MediaError("the file's name holds a carriage return; rename the file")
    if not job.source.is_file():
        raise MediaError(f"{job.source} is no regular file")


def _file_digest(path: Path) -> str:
    """BLAKE2b-128 of a file, as 32 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _notes(mixed: MixedSound, snr: int) -> str:
    """What is odd about the sound; "" usually."""
    if mixed.mixture is None:
        return f"its sound is {'silent' if len(mixed.sound.samples) else 'empty'} and was kept as it is"
    measured = mixed.mixture.measured_snr
    if snr <= FINEST_SNR and abs(measured - snr) > SNR_TOLERANCE:
        return f"the sound is too faint for {snr} dB in 16 bits: {measured:.2f} dB"
    return ""


def _record(
    job: Job,
    digest: str,
    mixed: MixedSound,
    snr: int,
    blur: int,
    written: Written | None,
    cells: tuple[str, ...],
    versions: str,
) -> ClipRecord:
    mixture = mixed.mixture
    seed, snrs, blurs, noise_list, codec = cells
    return ClipRecord(
        video_name=job.name,
        audio_snr=str(snr) if mixture else "",
        audio_noises=pieces_cell(mixed.pieces),
        video_blur=str(blur) if written else "",
        source=job.source.name,
        source_digest=digest,
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
        versions=versions,
        note=_notes(mixed, snr),
    )


def toolkit_versions(codec: str) -> str:
    """What decides the bytes written besides the settings, in one cell; `codec` of the pictures, "" for sounds."""
    from importlib.metadata import version  # not needed in worker processes, whose start should be short

    listed = [f"toolkit {toolkit.__version__}", f"python {platform.python_version()}"]
    packages = ("av", "numpy", "opencv-python-headless", "soundfile")
    listed += [f"{name} {version(name)}" for name in packages]
    return "; ".join(listed + ([f"aac {AAC_BITS // 1000} kb/s, coder {AAC_CODER}"] if codec else []))


def _listed(values: tuple[int, ...]) -> str:
    return " ".join(str(value) for value in sorted(set(values)))
