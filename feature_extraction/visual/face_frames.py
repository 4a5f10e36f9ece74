"""The pictures of a clip, one after the other: the frames of a video, or the images of a folder.

Both come upright as ``(H, W, 3)`` uint8 BGR whatever is in the file (grey, 16 bits, transparency, a phone's rotation
mark), and only the one at hand is in memory. What is wrong with a file but does not end the reading is collected in
`complaints`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from feature_extraction.contract import SampleError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
_IDENTITY = (1, 0, 0, 0, 1, 0, 0, 0, 1)
_DEFAULT_RATE = 25.0  # frames per second of a video that does not say
_LENGTH = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")  # 00:00:02.520000000
CUT_OFF = "the video is cut off or damaged: some of its frames are missing"
DAMAGED = "the video is cut off or damaged: some of its frames may be wrong or missing"


@dataclass(frozen=True)
class Frame:
    """One picture of a clip: `time` in seconds from the file's start (None for images), `image` its file's name."""

    picture: np.ndarray
    time: float | None = None
    image: str = ""


def open_frames(path: Path) -> VideoFrames | ImageFrames:
    """The pictures of the video file `path`, or of the folder of images."""
    return ImageFrames(path) if path.is_dir() else VideoFrames(path)


class VideoFrames:
    """The frames of a video in order of time, every one once (variable frame rates too), decoded by one thread.

    Raises (while iterating):
        SampleError: it cannot be opened, has no picture stream, or not a single frame can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.complaints: list[str] = []
        self._packets = 0
        self._corrupt = False  # the container's or the decoder's mark on a packet or frame

    def __iter__(self) -> Iterator[Frame]:
        import av
        from av.video.reformatter import VideoReformatter

        convert = VideoReformatter()
        frames = 0
        last = -1.0
        with self._container() as container:
            stream = self._stream(container)
            step = 1 / float(stream.average_rate or _DEFAULT_RATE)
            start = (container.start_time or 0) / av.time_base
            end = 0.0  # of what is shown, by the file's clock
            for decoded in self._decoded(container, stream):
                time = decoded.time - start if decoded.time is not None else last + step
                last = time if time > last else last + step  # broken times: just after the one before
                length = float((decoded.duration or 0) * (decoded.time_base or 0))
                end = max(end, last + start + max(length, step))
                picture = convert.reformat(decoded, format="bgr24", threads=1).to_ndarray()
                yield Frame(upright(picture, _display_matrix(decoded)), max(last, 0.0))
                frames += 1
            expected, promised = stream.frames, _promised_end(container, stream)
        if frames == 0:
            raise SampleError(
                f"{self.path}: not a single frame could be read; the video is empty or damaged, replace it"
            )
        # avi counts the slots of its clock, empty ones too; mp4 and mov count coded frames, shown or not
        counted = self.path.suffix.lower() in (".mp4", ".mov") and self._packets < expected
        if not self.complaints and (counted or end + 2 * step < promised):
            self.complaints.append(CUT_OFF)
        if not self.complaints and self._corrupt:
            self.complaints.append(DAMAGED)

    def _container(self):  # -> av.container.InputContainer; av is imported by the work only
        import av

        try:
            return av.open(f"file:{self.path}")  # the prefix: a colon in a name has no meaning then
        except av.error.FFmpegError as error:
            size = self.path.stat().st_size if self.path.exists() else 0
            raise SampleError(
                f"{self.path}: cannot be opened as a video ({size} bytes; {error.strerror}): "
                "not a video, damaged or cut off; replace it"
            ) from error

    def _stream(self, container):
        from av.stream import Disposition

        for stream in container.streams.video:
            if not stream.disposition & Disposition.attached_pic:  # the cover of a song
                stream.thread_type, stream.codec_context.thread_count = "NONE", 1  # clips run side by side
                return stream
        raise SampleError(f"{self.path}: cannot be opened as a video: it has no video stream; replace it")

    def _decoded(self, container, stream):
        import av

        try:
            for packet in container.demux(stream):
                self._packets += packet.size > 0
                self._corrupt |= packet.size > 0 and packet.is_corrupt
                try:
                    frames = packet.decode()
                except av.error.FFmpegError:
                    self._complain("some frames could not be decoded: the video is damaged")
                    continue
                self._corrupt |= any(frame.is_corrupt for frame in frames)
                yield from frames
        except av.error.FFmpegError as error:  # the file ends amid a packet, a disk that fails
            self._complain(f"the video could not be read to its end ({error.strerror})")

    def _complain(self, text: str) -> None:
        if text not in self.complaints:
            self.complaints.append(text)


class ImageFrames:
    """The images of a folder in the order of `image_files`; one that cannot be read is left out with a complaint.

    Raises (while iterating):
        SampleError: no image in the folder, or none that can be read.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self.complaints: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        files = image_files(self.path)
        if not files:
            raise SampleError(f"{self.path} holds no image ({', '.join(IMAGE_SUFFIXES)})")
        unread = 0
        for file in files:
            picture = read_image(file)
            if picture is None:
                unread += 1
            else:
                yield Frame(picture, None, file.name)
        if unread == len(files):
            raise SampleError(f"{self.path}: not one of its {len(files)} images could be read; replace them")
        if unread:
            self.complaints.append("images that could not be read were left out")


def image_files(folder: Path) -> list[Path]:
    """The images in `folder`, numbers in their names counted as numbers (2.jpg comes before 10.jpg)."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_file()]
    images = [name for name in names if name[0] != "." and Path(name).suffix.lower() in IMAGE_SUFFIXES]
    return [folder / name for name in sorted(images, key=natural_order)]


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """A sorting key by which numbers inside names are compared by value."""
    parts = re.split(r"(\d+)", name)
    return [(1, int(part), part) if part.isdecimal() else (0, 0, part) for part in parts]


def read_image(path: Path) -> np.ndarray | None:
    """An image as ``(H, W, 3)`` uint8 BGR, turned as its Exif mark says; None when it cannot be read."""
    try:
        return cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):  # OpenCV raises for an empty file
        return None


def upright(picture: np.ndarray, matrix: Sequence[int]) -> np.ndarray:
    """The picture as a player shows it: turned by quarter turns and mirrored as a display matrix says.

    Args:
        picture: ``(H, W, 3)``.
        matrix: nine numbers of the file's display matrix; a shown point is (m0 x + m3 y, m1 x + m4 y), where the signs
            matter and what is the largest.
    """
    a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
    if abs(b) > abs(a):  # a quarter turn: x and y change places
        picture, a, d = picture.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _promised_end(container, stream) -> float:
    """Seconds at which the pictures end by what a Matroska file (mkv) says at its beginning; 0 when it does not say.

    It is the length of this stream where the writing program noted it (ffmpeg does), else that of a file which has no
    other stream.
    """
    import av

    if "matroska" not in container.format.name:
        return 0.0
    for key, value in stream.metadata.items():
        if match := _LENGTH.fullmatch(value) if key.split("-")[0] == "DURATION" else None:
            return 3600 * int(match[1]) + 60 * int(match[2]) + float(match[3])
    return (container.duration or 0) / av.time_base if len(container.streams) == 1 else 0.0


def _display_matrix(frame) -> Sequence[int]:
    """The display matrix of a decoded frame, as phones write it for the way they were held; else the identity."""
    from av.sidedata.sidedata import Type

    for side in frame.side_data:
        if side.type is Type.DISPLAYMATRIX:
            return np.frombuffer(bytes(side), np.int32).tolist()
    return _IDENTITY
