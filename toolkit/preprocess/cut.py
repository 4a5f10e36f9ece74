"""Cutting a clip out of a long video: the frames with start <= time < end and their sound, encoded anew.

Stream copying can cut only at key frames, seconds away from the times of a table; so pictures are encoded again (H.264
at a quality that is hard to tell from the source, crf 18) and sound as AAC.
"""

from __future__ import annotations

import threading
from pathlib import Path

from toolkit.preprocess.media import MediaError, last_lines, run_ffmpeg
from toolkit.preprocess.raw_corpus import Clip
from toolkit.utils import atomic
from toolkit.utils.errors import UserError

SLACK = 0.5  # seconds a table may reach past the end of a video; the clip is then shorter and reported
_UNREMARKED = 0.1  # seconds: rounding of tables and a frame or two
# The halves of the picture: left gets floor(w / 2) columns as the reference cuts; then even sizes, which H.264 needs.
_CROPS = {
    "": "crop=floor(iw/2)*2:floor(ih/2)*2:0:0",
    "left": "crop=floor(iw/4)*2:floor(ih/2)*2:0:0:exact=1",
    "right": "crop=floor((iw-floor(iw/2))/2)*2:floor(ih/2)*2:floor(iw/2):0:exact=1",
}
_MARGIN = 1.0  # seconds read before and after a clip
_ROUNDING = 1e-6  # seconds; a frame exactly at a time of the table is at it
_VIDEO = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-pix_fmt", "yuv420p", "-threads", "1"]
_AUDIO = ["-c:a", "aac", "-b:a", "192k"]
_PLAIN = ["-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact", "-flags", "+bitexact"]


def time_fault(clip: Clip) -> str:
    """What is wrong with a clip's times in themselves; "" when nothing is."""
    if clip.start is None and clip.end is None:
        return ""
    if clip.start is None or clip.end is None or not 0 <= clip.start < float("inf") or not clip.end < float("inf"):
        return f"its times are no times: from {clip.start} to {clip.end} s"
    if clip.end <= clip.start:
        return f"it ends at {clip.end:g} s, not after its start at {clip.start:g} s"
    return ""


def cut_clip(clip: Clip, target: Path, stop: threading.Event | None = None) -> str:
    """Write `clip` to `target` (mp4), which appears whole or not at all.

    Returns:
        A warning in one line (ffmpeg's complaints, or that the video ends up to `SLACK` seconds early); usually "".

    Raises:
        MediaError: the source cannot be read, or ends before the clip does.
        UserError: no ffmpeg, or one without an H.264 encoder.
    """
    first, seconds = video_times(clip.source)
    if clip.start is not None and seconds is not None and clip.start >= seconds:
        raise MediaError(f"starts at {clip.start:g} s, but {clip.source} ends at {seconds:.2f} s")
    rough, filters = _times(clip, first)
    source = ["-y", "-threads", "1", *rough, "-i", f"file:{clip.source}", "-map", "0:v:0", "-map", "0:a:0?"]
    with atomic.atomic_path(target) as part:
        output = [*filters, *_VIDEO, *_AUDIO, *_PLAIN, "-f", "mp4", f"file:{part}"]
        try:
            messages = last_lines(run_ffmpeg([*source, *output], stop))
        except MediaError as error:
            if "Unknown encoder" in str(error):
                raise UserError(f"this ffmpeg cannot encode H.264 ({error}); set MER_FFMPEG to another") from error
            raise MediaError(f"{clip.source}: {error}") from error
        return "; ".join(text for text in (messages, _shortage(clip, part)) if text)


def _times(clip: Clip, first: float) -> tuple[list[str], list[str]]:
    """Options before the input (where to read, roughly) and after it (exactly which frames and sound).

    ffmpeg's own -ss and -t count in units of the stream's time base, which in an avi file is a whole frame, and -t from
    the first frame instead of from -ss; so times are left as they are (-copyts) and compared here. `first` is the time
    stamp, in seconds, which the video's beginning has.
    """
    if clip.start is None:
        return [], ["-vf", _CROPS[clip.half]]
    rough = max(0.0, clip.start - _MARGIN)
    start, end = clip.start + first, clip.end + first
    frames = f"select='gte(t,{start - _ROUNDING:.7f})*lt(t,{end - _ROUNDING:.7f})',settb=1/90000"
    sound = f"atrim=start={start:.7f}:end={end:.7f},asetpts=PTS-{start:.7f}/TB,aresample=async=1:first_pts=0"
    filters = ["-vf", f"{frames},setpts=round((T-{start:.7f})/TB),{_CROPS[clip.half]}", "-af", sound]
    seek = ["-copyts", "-ss", f"{rough:.6f}", "-t", f"{clip.end - rough + _MARGIN:.6f}"]
    return seek, [*filters, "-enc_time_base:v", "1:90000"]


def _shortage(clip: Clip, written: Path) -> str:
    """Compare what was written with the times asked for."""
    frames, seconds = written_frames(written)
    if frames == 0:
        raise MediaError(f"{clip.source} has no picture in the time of the clip ({_span(clip)})")
    missing = 0.0 if clip.start is None else clip.end - clip.start - seconds
    if missing > SLACK:
        raise MediaError(f"{clip.source} ends {missing:.2f} s before the clip does ({_span(clip)})")
    return f"{clip.source} ends {missing:.2f} s before the clip does: it is shorter" if missing > _UNREMARKED else ""


def _span(clip: Clip) -> str:
    return "the whole video" if clip.start is None else f"{clip.start:g} to {clip.end:g} s"


def video_times(path: Path) -> tuple[float, float | None]:
    """(time stamp of the beginning, length) of a video in seconds, as its header says; the length may be unknown: None.

    One frame is decoded, to see that it can be.

    Raises:
        MediaError: no video stream, no frame, or not readable.
    """
    import av

    with open(path, "rb") as file:  # an open file, because names may hold bytes that are no text
        try:
            with av.open(file, metadata_errors="ignore") as container:
                if not container.streams.video:
                    raise MediaError(f"{path} has no video stream")
                if next(container.decode(video=0), None) is None:
                    raise MediaError(f"{path} holds no picture")
                length = None if container.duration is None else container.duration / av.time_base
                return (container.start_time or 0) / av.time_base, length
        except (av.FFmpegError, OSError) as error:  # OSError: a seek that an empty file does not allow
            raise MediaError(f"{path}: cannot be read as a video ({error.strerror})") from error


def written_frames(path: Path) -> tuple[int, float]:
    """(number of frames, seconds from 0 to the end of the last frame) of an mp4 file, from its packets."""
    import av

    frames, seconds = 0, 0.0
    try:
        with open(path, "rb") as file, av.open(file) as container:
            for packet in container.demux(container.streams.video[0]) if container.streams.video else ():
                if packet.pts is not None:
                    frames += 1
                    seconds = max(seconds, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    except (av.FFmpegError, OSError):  # without a frame ffmpeg writes no index: nothing to open
        return 0, 0.0
    return frames, seconds
