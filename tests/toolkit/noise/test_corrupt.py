"""Writing clips: what is not corrupted stays: sizes, times, rotation, colours, place and length of the sound."""

from fractions import Fraction

import av
import numpy as np
import pytest

from toolkit.noise import corrupt, pictures
from toolkit.noise.corrupt import write_clip
from toolkit.noise.sound import Sound, read_sound
from toolkit.preprocess.media import MediaError, extract_audio_16k

MPEG4 = ("-c:v", "mpeg4", "-q:v", "2")
NAMES = ("plain.mp4", "ntsc.mp4", "clock.mp4", "vfr.mp4", "turned.mp4", "cut.mp4", "late sound.mp4", "late picture.mp4")
NAMES += ("slightly late.mp4", "early sound.mkv", "sar.mp4")


@pytest.fixture(scope="module")
def clips(tmp_path_factory, make_video, ffmpeg):
    """One clip per difficulty, by name."""
    root = tmp_path_factory.mktemp("clips")
    plain = make_video(root / "plain.mp4", seconds=2)
    make_video(root / "ntsc.mp4", rate="30000/1001")
    turn = ("-display_rotation", "90", "-i", str(plain), "-c", "copy")
    ffmpeg(*turn, str(root / "turned.mp4"))
    ffmpeg("-i", str(plain), "-c", "copy", "-video_track_timescale", "90000", str(root / "clock.mp4"))
    choose = "select='not(mod(n,3))+eq(mod(n,7),1)'"
    ffmpeg("-i", str(plain), "-vf", choose, "-fps_mode", "vfr", "-c:a", "copy", str(root / "vfr.mp4"))
    ffmpeg("-ss", "0.7", "-i", str(plain), "-c", "copy", str(root / "cut.mp4"))  # an edit list hides the start
    ffmpeg("-i", str(plain), "-vf", "setsar=4/3", "-c:a", "copy", str(root / "sar.mp4"))
    both = ("-map", "0:v", "-map", "1:a", "-c", "copy")
    for name, first, second in (
        ("late sound.mp4", 0, 0.5),
        ("slightly late.mp4", 0, 0.04),
        ("late picture.mp4", 0.3, 0),
    ):
        delays = ("-itsoffset", str(first), "-i", str(plain), "-itsoffset", str(second), "-i", str(plain))
        ffmpeg(*delays, *both, str(root / name))
    ffmpeg("-itsoffset", "0.2", "-i", str(plain), "-i", str(plain), *both, str(root / "early sound.mkv"))
    return root


@pytest.mark.parametrize("codec", ["mpeg4", "libx264", "copy_when_sharp"])
@pytest.mark.parametrize("name", NAMES)
def test_times_and_sound_are_kept(name, codec, clips, tmp_path, read_clip, delay):
    source, target = clips / name, tmp_path / "out.mp4"
    rate = 1 if codec == "copy_when_sharp" else 2
    write_clip(source, target, read_sound(source), rate, codec)
    before, after = read_clip(source), read_clip(target)
    assert after.size == before.size and len(after.frames) == len(before.frames)
    assert after.times == before.times  # exact fractions
    assert after.rotation == before.rotation == (90 if name == "turned.mp4" else 0)
    assert after.fps == before.fps or name == "vfr.mp4" or name.endswith("mkv")
    assert abs(after.sound_start - before.sound_start) < Fraction(1, 16000)
    assert delay(before.sound, after.sound) == 0
    # to the sample; a delayed AAC stream is not cut at its end by ffmpeg, so up to one packet of silence there
    assert abs(len(after.sound) - len(before.sound)) <= (
        1024 if name.startswith("late sound") or name.startswith("slightly") else 1
    )
    assert len(read_sound(target).samples) == len(read_sound(source).samples)
    if name not in ("vfr.mp4", "cut.mp4", "early sound.mkv"):  # whose stated duration is not that of their frames
        assert after.seconds == pytest.approx(before.seconds, abs=1e-4)
    with av.open(str(target)) as container:
        assert container.streams.video[0].codec_context.name == ("mpeg4" if codec == "mpeg4" else "h264")
        assert container.streams.audio[0].codec_context.name == "aac"
        shape = container.streams.video[0].sample_aspect_ratio
    assert (shape == Fraction(4, 3)) == (name == "sar.mp4")


@pytest.mark.parametrize("size", ["638x358", "641x479", "101x75"])
@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
def test_sizes_are_kept(size, codec, tmp_path, make_video, read_clip):
    source = make_video(tmp_path / "clip.mkv", size, 0.2, coding=MPEG4)
    for rate in (1, 4):
        write_clip(source, tmp_path / "out.mp4", read_sound(source), rate, codec)
        after = read_clip(tmp_path / "out.mp4")
        assert after.size == tuple(map(int, size.split("x"))) and len(after.frames) == 5


def test_sharp_pixels_reach_the_encoder_unchanged(tmp_path, make_video, monkeypatch):
    source = make_video(tmp_path / "clip.mp4", "101x75", 0.2, coding=MPEG4)
    given = []
    original = pictures.PictureTrack._picture
    monkeypatch.setattr(
        pictures.PictureTrack, "_picture", lambda self, frame: given.append(original(self, frame)) or given[-1]
    )
    write_clip(source, tmp_path / "out.mp4", read_sound(source), 1, "mpeg4")
    with av.open(str(source)) as container:
        for frame, passed in zip(container.decode(video=0), given, strict=True):
            assert all(bytes(a) == bytes(b) for a, b in zip(frame.planes, passed.planes, strict=True))
    assert len(given) == 5


@pytest.mark.parametrize("matrix", ["bt709", "smpte170m"])
@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
def test_colours_are_kept(matrix, codec, tmp_path, ffmpeg, read_clip):
    source = tmp_path / "clip.mp4"
    scale = f"scale=out_color_matrix={matrix},format=yuv420p"
    picture = ("-f", "lavfi", "-i", f"color=0xc03020:size=64x48:rate=25:duration=0.4,{scale}")
    tags = ("-colorspace", matrix, "-color_primaries", matrix, "-color_trc", matrix, "-c:v", "libx264", "-c:a", "aac")
    ffmpeg(*picture, "-f", "lavfi", "-i", "sine=duration=0.4", *tags, str(source))
    for rate in (1, 4):
        write_clip(source, tmp_path / "out.mp4", read_sound(source), rate, codec)
        before, after = read_clip(source).frames[3], read_clip(tmp_path / "out.mp4").frames[3]
        assert np.abs(after.astype(int) - before).max() <= 3
        assert np.abs(before[20, 20].astype(int) - (0xC0, 0x30, 0x20)).max() <= 4


def test_full_range_is_shown_alike(tmp_path, make_video, read_clip):
    coding = ("-c:v", "libx264", "-qp", "8", "-vf", "format=yuvj420p")
    source = make_video(tmp_path / "clip.mp4", "64x48", 0.2, coding=coding)
    write_clip(source, tmp_path / "out.mp4", read_sound(source), 1, "mpeg4")
    difference = read_clip(tmp_path / "out.mp4").frames.astype(int) - read_clip(source).frames
    assert abs(difference.mean()) < 1.5 and np.abs(difference).mean() < 6


@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
def test_encoders_are_done_with_a_frame_that_is_written_over(codec, tmp_path, make_video, monkeypatch):
    source = make_video(tmp_path / "clip.mp4", "101x75", 1.0, coding=MPEG4)
    write_clip(source, tmp_path / "again.mp4", read_sound(source), 2, codec)
    blurred = pictures.PictureTrack._blurred
    anew = lambda self, frame: (self._canvases.clear(), blurred(self, frame))[1]  # noqa: E731
    monkeypatch.setattr(pictures.PictureTrack, "_blurred", anew)
    write_clip(source, tmp_path / "anew.mp4", read_sound(source), 2, codec)
    assert (tmp_path / "again.mp4").read_bytes() == (tmp_path / "anew.mp4").read_bytes()


def test_the_sound_is_close_to_what_was_mixed(tmp_path, make_video):
    source = make_video(tmp_path / "clip.mp4", "64x48", 4.0)
    rng = np.random.default_rng(7)
    noise = np.convolve(rng.normal(size=64000), np.ones(5) / 5, "same") * 1500
    mixed = (read_sound(source).samples * 0.8 + noise).astype(np.int16)
    write_clip(source, tmp_path / "out.mp4", Sound(mixed, Fraction(0)), 1, "mpeg4")
    error = read_sound(tmp_path / "out.mp4").samples.astype(float) - mixed
    assert len(error) == 64000
    assert 10 * np.log10(np.square(mixed.astype(float)).mean() / np.square(error).mean()) > 30  # dB


def test_sound_samples_are_written_where_they_belong(tmp_path, make_video, read_clip, delay):
    source = make_video(tmp_path / "clip.mp4", seconds=1.3)
    noise = np.convolve(np.random.default_rng(0).normal(size=20000), np.ones(9) / 9, "same")
    for start in (0, 1, 500, 1024, 5000):
        sound = Sound((noise * 9000).astype(np.int16), Fraction(start, 16000))
        write_clip(source, tmp_path / "out.mp4", sound, 1, "mpeg4")
        after = read_sound(tmp_path / "out.mp4")
        assert after.start == sound.start and len(after.samples) == 20000
        assert delay(sound.samples, after.samples) == 0
        assert np.corrcoef(sound.samples, after.samples)[0, 1] > 0.95


def test_reads_what_ffmpeg_reads(clips):
    for name in ("plain.mp4", "turned.mp4", "ntsc.mp4"):
        wav = clips / "ffmpeg.wav"
        extract_audio_16k(clips / name, wav)
        expected, samples = read_sound(wav).samples, read_sound(clips / name).samples
        assert len(samples) == len(expected)
        # ffmpeg cuts the AAC padding before resampling, we after it: the filter's tail differs
        assert np.abs(samples.astype(int) - expected)[:-32].max() <= 1


def test_gaps_in_the_sound_stay_gaps(tmp_path, make_video, ffmpeg):
    source = make_video(tmp_path / "clip.mp4", seconds=2)
    late = "aselect='lt(t,0.5)+gt(t,1.2)'"
    ffmpeg("-i", str(source), "-af", late, "-c:v", "copy", "-c:a", "pcm_s16le", str(tmp_path / "gap.mkv"))
    samples = read_sound(tmp_path / "gap.mkv").samples
    assert abs(len(samples) - 32000) < 2000
    assert np.abs(samples[9000:18000]).max() == 0 and np.abs(samples[20500:]).max() > 1000


@pytest.mark.parametrize("kind", ["no sound", "no picture", "text", "empty", "cut off"])
def test_files_that_cannot_be_used(kind, tmp_path, make_video, ffmpeg):
    source = tmp_path / "clip.mp4"
    make_video(source, sound=None if kind == "no sound" else "0.1*sin(900*t)")
    if kind == "no picture":
        ffmpeg("-i", str(source), "-vn", "-c", "copy", str(tmp_path / "a.m4a"))
        source.write_bytes((tmp_path / "a.m4a").read_bytes())
    elif kind == "text":
        source.write_text("this is no video", encoding="utf-8")
    elif kind == "empty":
        source.write_bytes(b"")
    elif kind == "cut off":
        source.write_bytes(source.read_bytes()[:2000])
    with pytest.raises((MediaError, av.error.FFmpegError), match="no audio|no video|Invalid data|moov|End of file"):
        write_clip(source, tmp_path / "out.mp4", read_sound(source), 2, "mpeg4")
    assert [path.name for path in tmp_path.glob("*out*")] == []
    assert list(tmp_path.glob(".*")) == []


def test_a_sound_from_before_zero_moves_the_whole_clip(tmp_path, make_video, read_clip, delay):
    source = make_video(tmp_path / "clip.mp4")
    noise = np.convolve(np.random.default_rng(0).normal(size=12000), np.ones(9) / 9, "same")
    sound = Sound((noise * 9000).astype(np.int16), Fraction(-1, 4))
    write_clip(source, tmp_path / "out.mp4", sound, 1, "mpeg4")
    before, after = read_clip(source), read_clip(tmp_path / "out.mp4")
    assert after.times == [time + Fraction(1, 4) for time in before.times]
    written = read_sound(tmp_path / "out.mp4")
    assert written.start == 0 and len(written.samples) == 12000 and delay(sound.samples, written.samples) == 0


def test_broken_frame_times_are_mended(tmp_path, make_video, read_clip, monkeypatch):
    source = make_video(tmp_path / "clip.mp4", coding=MPEG4)
    original = corrupt.ShownFrames.__iter__
    times = [0, None, 512, 512, 512, 100, 4000]

    def broken(self):
        for frame, pts in zip(original(self), times, strict=False):
            frame.pts = pts
            yield frame

    monkeypatch.setattr(corrupt.ShownFrames, "__iter__", broken)
    monkeypatch.setattr(corrupt.ShownFrames, "check", lambda self: None)
    written = write_clip(source, tmp_path / "out.mp4", read_sound(source), 1, "mpeg4")
    after = read_clip(tmp_path / "out.mp4")
    with av.open(str(source)) as container:
        tick = container.streams.video[0].time_base
    assert tick == Fraction(1, 12800) and written.frames == 7  # 512 ticks a frame
    assert after.times == [time * tick for time in (0, 512, 513, 514, 515, 516, 4000)]


def test_a_late_sound_states_its_length_without_the_priming(tmp_path, make_video):
    source = make_video(tmp_path / "clip.mp4", seconds=1)
    sound = Sound(np.full(16000, 500, np.int16), Fraction(1, 2))
    write_clip(source, tmp_path / "out.mp4", sound, 1, "mpeg4")
    data = (tmp_path / "out.mp4").read_bytes()
    clock = int.from_bytes(data[data.find(b"mvhd") + 16 :][:4], "big")  # version 0: two dates of 32 bits before it
    track = data.find(b"tkhd") + 4  # the first one is the sound's
    assert data[track] == 0
    ticks = int.from_bytes(data[track + 20 : track + 24], "big")
    assert 1.5 <= ticks / clock < 1.5 + 1024 / 16000  # wait, sound, the rest of its last packet; no priming
    media = data.find(b"mdhd") + 4
    assert int.from_bytes(data[media + 12 : media + 16], "big") == 16000
    assert 16000 <= int.from_bytes(data[media + 16 : media + 20], "big") <= 16384
