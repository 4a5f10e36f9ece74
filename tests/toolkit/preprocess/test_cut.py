from __future__ import annotations

import threading

import av
import numpy as np
import pytest
import soundfile

from toolkit.preprocess.cut import cut_clip, time_fault, video_times, written_frames
from toolkit.preprocess.media import MediaError, Stopped, extract_audio_16k, run_ffmpeg
from toolkit.preprocess.raw_corpus import Clip
from toolkit.utils.errors import UserError

TOLERANCE = 2  # of 255: what the encoders may change a flat colour


def near(found, expected):
    return np.abs(np.array(found) - np.array(expected)).max() <= TOLERANCE


@pytest.fixture(scope="module")
def videos(make_numbered, tmp_path_factory):
    """Suffix -> 4 s, 40 numbered frames, a click at 1.5 s; an avi counts time in frames, an mp4 much finer."""
    folder = tmp_path_factory.mktemp("long")
    return {suffix: make_numbered(folder / f"a long one{suffix}") for suffix in (".mp4", ".avi")}


@pytest.fixture
def video(videos):
    return videos[".mp4"]


# Frame i is shown at i / 10 s; the clip is the frames with start <= time < end, never from a key frame (0, 12, 24, 36).
@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        (1.0, 2.0, 10, 19),
        (0.97, 2.03, 10, 20),
        (1.04, 2.5, 11, 24),
        (1.0, 2.03, 10, 20),
        (1.01, 1.11, 11, 11),
        (0.0, 0.3, 0, 2),
        (3.55, 4.0, 36, 39),
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_the_clip_is_exactly_its_frames(tmp_path, videos, read_lumas, start, end, first, last, suffix):
    video = videos[suffix]
    assert cut_clip(Clip("c", video, start, end), tmp_path / "c.mp4") == ""
    expected = [(20 + 5 * i, 235 - 5 * i) for i in range(first, last + 1)]
    found = read_lumas(tmp_path / "c.mp4")
    assert len(found) == len(expected)
    assert near(found, expected)
    frames, seconds = written_frames(tmp_path / "c.mp4")
    assert frames == len(expected)
    assert abs(seconds - (end - start)) <= 0.1  # within one frame


@pytest.mark.parametrize(("half", "luma"), [("left", lambda i: 20 + 5 * i), ("right", lambda i: 235 - 5 * i)])
def test_half_of_the_picture(tmp_path, video, read_lumas, half, luma):
    cut_clip(Clip("c", video, 2.0, 2.5, half), tmp_path / "c.mp4")
    assert near(read_lumas(tmp_path / "c.mp4"), [(luma(i), luma(i)) for i in range(20, 25)])
    with av.open(str(tmp_path / "c.mp4")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (80, 120)


def test_half_without_times_is_the_whole_video(tmp_path, video, read_lumas):
    cut_clip(Clip("c", video, half="right"), tmp_path / "c.mp4")
    assert near(read_lumas(tmp_path / "c.mp4"), [(235 - 5 * i,) * 2 for i in range(40)])


@pytest.mark.parametrize("half", ["", "left", "right"])
def test_odd_sizes(tmp_path, make_numbered, read_lumas, half):
    odd = make_numbered(tmp_path / "odd.avi", frames=4, sound=False, width=163, height=121)
    cut_clip(Clip("c", odd, 0.0, 0.2, half), tmp_path / "c.mp4")
    found = read_lumas(tmp_path / "c.mp4")
    assert len(found) == 2
    sides = {"": (25, 230), "left": (25, 25), "right": (230, 230)}
    assert near(found[1], sides[half])


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_frames_keep_their_distance_to_the_start(tmp_path, videos, suffix):
    cut_clip(Clip("c", videos[suffix], 0.97, 2.03), tmp_path / "c.mp4")
    with av.open(str(tmp_path / "c.mp4")) as container:
        stream = container.streams.video[0]
        assert [float(frame.time) for frame in container.decode(stream)] == pytest.approx(
            [i / 10 - 0.97 for i in range(10, 21)], abs=1e-4
        )
        assert stream.average_rate == 10


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_sound_is_cut_at_the_same_time_as_the_picture(tmp_path, videos, suffix):
    cut_clip(Clip("c", videos[suffix], 0.93, 2.13), tmp_path / "c.mp4")
    extract_audio_16k(tmp_path / "c.mp4", tmp_path / "c.wav")
    samples, rate = soundfile.read(tmp_path / "c.wav")
    assert abs(len(samples) / rate - 1.2) <= 0.1
    # the click at 1.5 s of the video is 0.57 s after the clip's start, whatever frame comes first
    assert abs(np.argmax(np.abs(samples)) / rate - (1.5 - 0.93)) < 0.01
    assert np.abs(samples).max() > 0.1


def test_a_video_whose_time_stamps_do_not_begin_at_0(tmp_path, video, read_lumas):
    late = tmp_path / "late.mkv"
    run_ffmpeg(["-i", f"file:{video}", "-c", "copy", "-output_ts_offset", "5", f"file:{late}"])
    assert video_times(late)[0] == pytest.approx(5.0)
    assert cut_clip(Clip("c", late, 1.04, 2.5), tmp_path / "c.mp4") == ""
    assert near(read_lumas(tmp_path / "c.mp4"), [(20 + 5 * i, 235 - 5 * i) for i in range(11, 25)])
    extract_audio_16k(tmp_path / "c.mp4", tmp_path / "c.wav")
    samples, rate = soundfile.read(tmp_path / "c.wav")
    assert abs(np.argmax(np.abs(samples)) / rate - (1.5 - 1.04)) < 0.01


def test_avi_and_no_sound(tmp_path, make_numbered, read_lumas):
    source = make_numbered(tmp_path / "mute.avi", frames=30, sound=False)
    assert cut_clip(Clip("c", source, 1.3, 1.6), tmp_path / "c.mp4") == ""
    assert near(read_lumas(tmp_path / "c.mp4"), [(20 + 5 * i, 235 - 5 * i) for i in (13, 14, 15)])


def test_the_same_cut_gives_the_same_bytes(tmp_path, video):
    for name in ("a.mp4", "b.mp4"):
        cut_clip(Clip("c", video, 1.0, 2.0), tmp_path / name)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


# ---------------------------------------------------------------- times that do not fit the video


def test_an_end_a_little_late_shortens_the_clip_and_is_told(tmp_path, video):
    warning = cut_clip(Clip("c", video, 3.5, 4.3), tmp_path / "c.mp4")
    assert warning == f"{video} ends 0.30 s before the clip does: it is shorter"
    assert written_frames(tmp_path / "c.mp4")[0] == 5


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (3.5, 4.8, r"a long one\.mp4 ends 0\.80 s before the clip does \(3\.5 to 4\.8 s\)"),
        (4.0, 5.0, r"starts at 4 s, but .*a long one\.mp4 ends at 4\.00 s"),
        (100, 101, r"starts at 100 s, but .* ends at 4\.00 s"),
    ],
)
def test_a_clip_past_the_end_is_an_error(tmp_path, video, start, end, message):
    with pytest.raises(MediaError, match=message):
        cut_clip(Clip("c", video, start, end), tmp_path / "c.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("start", [1.01, 3.91])
def test_no_frame_is_in_the_time(tmp_path, video, start):
    message = rf"has no picture in the time of the clip \({start} to {start + 0.04:.2f} s\)"
    with pytest.raises(MediaError, match=message.replace(".", r"\.")):
        cut_clip(Clip("c", video, start, round(start + 0.04, 2)), tmp_path / "c.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("start", "end", "fault"),
    [
        (None, None, ""),
        (0.0, 0.1, ""),
        (2.0, 2.0, "it ends at 2 s, not after its start at 2 s"),
        (2.0, 1.5, "it ends at 1.5 s, not after its start at 2 s"),
        (-0.5, 1.0, "its times are no times: from -0.5 to 1.0 s"),
        (float("nan"), 1.0, "its times are no times: from nan to 1.0 s"),
        (0.0, float("nan"), "its times are no times: from 0.0 to nan s"),
        (0.0, float("inf"), "its times are no times: from 0.0 to inf s"),
        (1.0, None, "its times are no times: from 1.0 to None s"),
    ],
)
def test_faults_of_times(video, start, end, fault):
    assert time_fault(Clip("c", video, start, end)) == fault


# ---------------------------------------------------------------- sources that cannot be read


@pytest.mark.parametrize("content", [b"no video", b""])
def test_a_file_that_is_no_video(tmp_path, content):
    (tmp_path / "bad.mp4").write_bytes(content)
    with pytest.raises(MediaError, match=r"bad\.mp4: cannot be read as a video \(Invalid"):
        cut_clip(Clip("c", tmp_path / "bad.mp4", 0.0, 1.0), tmp_path / "c.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.mp4"]


def test_sound_alone_is_no_video(tmp_path):
    soundfile.write(tmp_path / "sound.wav", np.zeros(1600), 16000)
    with pytest.raises(MediaError, match=r"sound\.wav has no video stream"):
        video_times(tmp_path / "sound.wav")


def test_a_cut_off_video(tmp_path, video):
    (tmp_path / "half.mp4").write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    with pytest.raises(MediaError, match=r"half\.mp4: cannot be read as a video"):
        video_times(tmp_path / "half.mp4")


def test_the_length_of_a_video(video):
    assert video_times(video) == (0.0, pytest.approx(4.0))


def fake_ffmpeg(tmp_path, monkeypatch, script):
    fake = tmp_path / "ffmpeg"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("MER_FFMPEG", str(fake))


def test_a_stopped_cut_leaves_nothing(tmp_path, video, monkeypatch):
    # it writes half a file, then never ends
    fake_ffmpeg(tmp_path, monkeypatch, 'for last; do :; done; echo half > "${last#file:}"; exec sleep 600')
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(Stopped):
        cut_clip(Clip("c", video, half="left"), tmp_path / "c.mp4", stop)
    assert [path.name for path in tmp_path.iterdir()] == ["ffmpeg"]


def test_an_ffmpeg_without_h264_stops_the_run(tmp_path, video, monkeypatch):
    fake_ffmpeg(tmp_path, monkeypatch, "echo \"Unknown encoder 'libx264'\" >&2; exit 8")
    with pytest.raises(UserError, match=r"this ffmpeg cannot encode H\.264 \(Unknown encoder 'libx264'\)"):
        cut_clip(Clip("c", video, 1.0, 2.0), tmp_path / "c.mp4")
