"""Reading the pictures of a clip: times, rotation, odd formats, damaged files, folders of images."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from feature_extraction.contract import SampleError
from feature_extraction.visual.face_frames import (
    ImageFrames,
    VideoFrames,
    image_files,
    open_frames,
    read_image,
    upright,
)
from toolkit.preprocess.media import run_ffmpeg

COLOURS = np.array([[[0, 0, 230], [0, 230, 0]], [[230, 0, 0], [230, 230, 230]]], np.uint8)  # red green / blue white


def quadrants(height=64, width=96):
    """A picture of four colours, all corners different."""
    return cv2.resize(COLOURS, (width, height), interpolation=cv2.INTER_NEAREST)


def write_video(path, pictures, codec="mpeg4", pix_fmt="yuv420p", ticks=None, matrix=None, rate=25, format="bgr24"):
    """Encode pictures; `ticks` are their times in 1/1000 s (one after the other at `rate` if None)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        if ticks is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if matrix is not None:
            stream.set_display_matrix(matrix)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format=format)
            if ticks is not None:
                frame.pts, frame.time_base = ticks[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read(path):
    frames = open_frames(path)
    return list(frames), frames.complaints


# ---------------------------------------------------------------- videos


def test_constant_rate_and_pixels_equal_opencv(tmp_path):
    rng = np.random.default_rng(0)
    pictures = [cv2.resize(rng.integers(0, 256, (8, 12, 3), dtype=np.uint8), (96, 64)) for _ in range(7)]
    path = write_video(tmp_path / """it's "a" $HOME clip.v2 %03d; x: y.mp4""", pictures)
    frames, complaints = read(path)
    assert complaints == []
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(7) / 25, atol=1e-6)
    path.rename(tmp_path / "plain.mp4")  # OpenCV as an independent decoder
    capture = cv2.VideoCapture(str(tmp_path / "plain.mp4"), cv2.CAP_FFMPEG)
    for frame in frames:
        np.testing.assert_array_equal(frame.picture, capture.read()[1])
    assert not capture.read()[0]


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_variable_frame_rate_keeps_every_frame_and_its_time(tmp_path, suffix):
    ticks = [0, 40, 80, 500, 510, 1500, 1540]
    frames, _ = read(write_video(tmp_path / f"v.{suffix}", [quadrants()] * 7, "libx264", ticks=ticks))
    np.testing.assert_allclose([frame.time for frame in frames], np.array(ticks) / 1000, atol=0.0011)


def test_times_count_from_the_start_of_the_file(tmp_path):
    frames, _ = read(write_video(tmp_path / "v.mkv", [quadrants()] * 3, ticks=[5000, 5040, 5080]))
    np.testing.assert_allclose([frame.time for frame in frames], [0, 0.04, 0.08], atol=0.0011)


ONE = 1 << 16  # 1.0 in a display matrix


@pytest.mark.parametrize(
    ("matrix", "corners"),
    [
        ((ONE, 0, 0, ONE), "RG/BW"),
        ((0, ONE, -ONE, 0), "BR/WG"),  # the phone was held upright: a quarter turn clockwise
        ((0, -ONE, ONE, 0), "GW/RB"),  # counter-clockwise
        ((-ONE, 0, 0, -ONE), "WB/GR"),  # upside down
        ((-ONE, 0, 0, ONE), "GR/WB"),  # mirrored, as some front cameras write it
        ((0, ONE, ONE, 0), "RB/GW"),  # mirrored and turned
    ],
)
def test_rotated_videos_are_upright(tmp_path, matrix, corners):
    a, b, c, d = matrix
    path = write_video(tmp_path / "v.mp4", [quadrants()] * 2, matrix=[a, b, 0, c, d, 0, 0, 0, 1 << 30])
    picture = read(path)[0][1].picture
    assert picture.shape == ((64, 96, 3) if a else (96, 64, 3))
    names = dict(zip("RGBW", COLOURS.reshape(4, 3).astype(int), strict=True))
    height, width = picture.shape[:2]
    found = [picture[y, x] for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    nearest = "".join(min(names, key=lambda name: np.abs(names[name] - pixel).sum()) for pixel in found)
    assert f"{nearest[:2]}/{nearest[2:]}" == corners


def test_upright_by_hand():
    picture = np.arange(6, dtype=np.uint8).reshape(2, 3, 1).repeat(3, axis=2)
    turned = upright(picture, (0, 1, 0, -1, 0, 0, 0, 0, 1))
    assert turned[..., 0].tolist() == [[3, 0], [4, 1], [5, 2]] and turned.flags["C_CONTIGUOUS"]
    assert upright(picture, (1, 0, 0, 0, 1, 0, 0, 0, 1))[..., 0].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(("format", "dtype", "grey"), [("gray", np.uint8, 200), ("gray16le", np.uint16, 200 * 257)])
def test_grey_and_16_bit_videos(tmp_path, format, dtype, grey):
    picture = np.full((48, 64), grey, dtype)
    picture[:, 32:] = 0
    frames, _ = read(write_video(tmp_path / "v.mkv", [picture] * 2, "ffv1", format, format=format))
    assert frames[1].picture.shape == (48, 64, 3) and frames[1].picture.dtype == np.uint8
    assert np.abs(frames[1].picture[:, :30].astype(int) - 200).max() <= 2 and frames[1].picture[:, 34:].max() <= 2


def test_10_bit_colours(tmp_path):
    frames, _ = read(write_video(tmp_path / "v.mkv", [quadrants()] * 2, "ffv1", "yuv444p10le"))
    assert np.abs(frames[0].picture.astype(int) - quadrants()).max() <= 4


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 33), (2160, 3840)])
def test_one_pixel_and_4k(tmp_path, height, width):
    frames, _ = read(
        write_video(tmp_path / "v.avi", [np.full((height, width, 3), 90, np.uint8)] * 2, "mjpeg", "yuvj420p")
    )
    assert [frame.picture.shape for frame in frames] == [(height, width, 3)] * 2
    assert np.abs(frames[0].picture.astype(int) - 90).max() <= 3


def test_files_without_pictures_are_named(tmp_path):
    sound = tmp_path / "sound.mkv"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(SampleError, match="sound.mkv: cannot be opened as a video: it has no video stream"):
        read(sound)
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(SampleError, match=r"empty.mp4: cannot be opened as a video \(0 bytes; "):
        read(tmp_path / "empty.mp4")
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(SampleError, match=r"text.mp4: cannot be opened as a video \(11 bytes; "):
        read(tmp_path / "text.mp4")


def test_a_video_without_frames_is_named(tmp_path):
    path = write_video(tmp_path / "v.mp4", [quadrants()] * 4)
    data = path.read_bytes()
    start = data.index(b"mdat") + 4
    size = int.from_bytes(data[start - 8 : start - 4], "big") - 8
    path.write_bytes(data[:start] + bytes(size) + data[start + size :])  # all pictures wiped out, the tables are whole
    with pytest.raises(SampleError, match="v.mp4: not a single frame could be read"):
        read(path)


def test_a_cut_off_mp4_without_its_tables_cannot_be_opened(tmp_path):
    path = write_video(tmp_path / "v.mp4", [quadrants()] * 20)
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(SampleError, match="v.mp4: cannot be opened as a video"):
        read(path)


def test_a_cut_off_video_gives_what_is_there_and_says_so(tmp_path):
    rng = np.random.default_rng(1)
    pictures = [rng.integers(0, 256, (64, 96, 3), dtype=np.uint8) for _ in range(20)]
    with av.open(str(tmp_path / "v.mp4"), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    data = (tmp_path / "v.mp4").read_bytes()
    (tmp_path / "v.mp4").write_bytes(data[: len(data) // 2])
    frames, complaints = read(tmp_path / "v.mp4")
    assert 5 <= len(frames) < 15 and len(complaints) == 1
    assert "cut off" in complaints[0] or "read to its end" in complaints[0] or "decoded" in complaints[0]


def noise(count):
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, (64, 96, 3), dtype=np.uint8) for _ in range(count)]


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [("v.mkv", "mpeg4", "yuv420p"), ("v.avi", "mpeg4", "yuv420p"), ("v.avi", "mjpeg", "yuvj420p")],
)
@pytest.mark.parametrize("part", [0.3, 0.7, 0.9])
def test_a_cut_off_mkv_or_avi_says_so(tmp_path, name, codec, pix_fmt, part):
    path = write_video(tmp_path / name, noise(40), codec, pix_fmt)
    whole, complaints = read(path)
    assert len(whole) == 40 and complaints == []
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    frames, complaints = read(path)
    assert 3 <= len(frames) < 40
    assert len(complaints) == 1 and "damaged" in complaints[0]  # the last frame could be decoded, or not


def test_what_a_whole_mkv_promises_is_kept(tmp_path):
    """No false alarm: variable times, a late start; with sound that is longer, and without the length of the stream."""
    ticks = [0, 40, 80, 500, 510, 1500, 1540]
    for start in (0, 5000):
        path = write_video(tmp_path / "v.mkv", noise(7), "libx264", ticks=[start + tick for tick in ticks])
        assert read(path)[1] == []
    write_video(tmp_path / "short.mkv", noise(10))
    both = tmp_path / "both.mkv"
    sound = ["-f", "lavfi", "-i", "sine=duration=3"]
    run_ffmpeg(["-i", f"file:{tmp_path / 'short.mkv'}", *sound, "-c:v", "copy", f"file:{both}"])
    assert read(both)[1] == []
    data = both.read_bytes()
    both.write_bytes(data.replace(b"DURATION", b"DURATIOX"))  # as other programs write it: nothing is said of the video
    frames, complaints = read(both)
    assert len(frames) == 10 and complaints == []


def test_an_mkv_of_another_program_promises_by_its_own_length(tmp_path):
    path = write_video(tmp_path / "v.mkv", noise(40))
    data = path.read_bytes().replace(b"DURATION", b"DURATIOX")
    path.write_bytes(data)
    assert read(path)[1] == []
    path.write_bytes(data[: len(data) // 2])
    assert read(path)[1] == ["the video is cut off or damaged: some of its frames are missing"]


def test_frames_hidden_by_an_edit_list_are_no_damage(tmp_path):
    """Cut without encoding: the frames since the last key frame are in the file, but not shown."""
    write_video(tmp_path / "v.mp4", [quadrants()] * 12, "libx264")
    cut = tmp_path / "cut.mp4"
    run_ffmpeg(["-ss", "0.2", "-i", f"file:{tmp_path / 'v.mp4'}", "-c", "copy", f"file:{cut}"])
    frames, complaints = read(cut)
    with av.open(str(cut)) as container:
        assert container.streams.video[0].frames == 12
    assert len(frames) == 7 and complaints == [] and frames[0].time == 0


# ---------------------------------------------------------------- folders of images


def test_images_in_the_order_of_their_numbers(tmp_path):
    for name in ("frame 10.png", "frame 9.jpg", "frame 1.v2.bmp", "frame 010b.png", "a.PNG"):
        cv2.imwrite(str(tmp_path / name), np.zeros((4, 4, 3), np.uint8))
    (tmp_path / ".hidden.png").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in image_files(tmp_path)] == [
        "a.PNG",
        "frame 1.v2.bmp",
        "frame 9.jpg",
        "frame 010b.png",
        "frame 10.png",
    ]


def test_grey_16_bit_transparent_and_turned_images(tmp_path):
    cv2.imwrite(str(tmp_path / "1 grey.png"), np.full((4, 6), 100, np.uint8))
    cv2.imwrite(str(tmp_path / "2 deep.png"), np.full((4, 6, 3), 100 * 256, np.uint16))
    cv2.imwrite(str(tmp_path / "3 alpha.png"), np.full((4, 6, 4), 100, np.uint8))
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # orientation 6: turn clockwise
    jpeg = cv2.imencode(".jpg", quadrants())[1].tobytes()
    (tmp_path / "4 phone.jpg").write_bytes(
        jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:]
    )
    frames, complaints = read(tmp_path)
    assert complaints == []
    assert [frame.image[2:] for frame in frames] == ["grey.png", "deep.png", "alpha.png", "phone.jpg"]
    for frame in frames[:3]:
        assert frame.picture.shape == (4, 6, 3) and (frame.picture == 100).all() and frame.time is None
    assert frames[3].picture.shape == (96, 64, 3) and frames[3].picture[5, 60, 2] > 200  # red has come to the right


def test_images_that_cannot_be_read(tmp_path):
    with pytest.raises(SampleError, match="holds no image"):
        list(ImageFrames(tmp_path))
    (tmp_path / "1.png").write_bytes(b"no image")
    (tmp_path / "2.png").touch()
    with pytest.raises(SampleError, match="not one of its 2 images could be read"):
        list(ImageFrames(tmp_path))
    cv2.imwrite(str(tmp_path / "3.png"), np.zeros((4, 4, 3), np.uint8))
    frames, complaints = read(tmp_path)
    assert [frame.image for frame in frames] == ["3.png"] and complaints == [
        "images that could not be read were left out"
    ]
    assert read_image(tmp_path / "4.png") is None


def test_a_missing_video_is_named(tmp_path):
    with pytest.raises(SampleError, match=r"gone.mp4: cannot be opened as a video \(0 bytes; No such file"):
        list(VideoFrames(tmp_path / "gone.mp4"))
