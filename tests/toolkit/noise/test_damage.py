"""Cut-off and damaged clips: no file, ffmpeg's words beside our count; and what is said of odd sounds."""

import av
import numpy as np
import pytest

from toolkit.noise.audio_sets import add_noise
from toolkit.noise.clip_job import Settings
from toolkit.noise.corrupt import write_clip
from toolkit.noise.manifest import read_manifest
from toolkit.noise.picture_packets import video_stream
from toolkit.noise.run import corrupt_videos
from toolkit.noise.sound import read_sound, write_wav
from toolkit.preprocess.media import MediaError

FAST = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-pix_fmt", "yuv420p", "-movflags", "+faststart")


def _damage(path, kind):
    """Overwrite packets 10 and 11 of the `kind` stream; returns how many packets it has."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux() if packet.size and packet.stream.type == kind]
        places = [(packet.pos, packet.size) for packet in packets]
    data = bytearray(path.read_bytes())
    for position, size in places[10:12]:
        data[position : position + size] = b"\xff" * size
    path.write_bytes(data)
    return len(places)


@pytest.mark.parametrize("codec", ["mpeg4", "copy_when_sharp"])
@pytest.mark.parametrize("kind", ["video", "audio", "cut"])
def test_damaged_clips_are_failures_without_a_file(kind, codec, tmp_path, make_video, noise_root):
    clip = make_video(tmp_path / "video" / "clip.mp4", seconds=2, coding=FAST)
    make_video(tmp_path / "video" / "good.mp4", seconds=0.3, coding=FAST)
    if kind == "cut":
        data = clip.read_bytes()
        clip.write_bytes(data[: int(len(data) * 0.6)])
    else:
        _damage(clip, kind)
    settings = Settings(0, (5,), (1,), codec)
    report = corrupt_videos(tmp_path / "video", tmp_path / "out", settings, noise_root=noise_root, progress=False)
    if kind == "video" and codec == "copy_when_sharp":  # copied, not decoded
        assert report.done == 2
        return
    assert report.exit_status == 1 and report.done == 1
    name, reason = report.failures[0]
    ours, _, words = reason.partition("; ffmpeg: ")
    if kind == "video":
        assert "2 of 50 packets of the pictures could not be decoded" in ours and "Invalid NAL unit size" in words
    elif kind == "audio":
        assert "2 packets of the sound could not be decoded" in ours and "Error decoding AAC frame header" in words
    else:
        assert "cut off" in ours or "could not be decoded" in ours
        assert "partial file" in words
    assert name == "clip" and sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "good.mp4", "noise-info.csv"
    ]  # fmt: skip


@pytest.mark.parametrize("codec", ["mpeg4", "copy_when_sharp"])
def test_pictures_that_are_cut_off_are_counted(codec, tmp_path, make_video, ffmpeg, noise_root):
    clip = make_video(tmp_path / "v.mp4", seconds=2, coding=FAST)
    # sound first, pictures last: only these are cut
    with av.open(str(clip)) as container:
        last = [packet.pos for packet in container.demux(video=0) if packet.size][40]
    data = clip.read_bytes()
    clip.write_bytes(data[:last])
    sound = read_sound(make_video(tmp_path / "whole.mp4", seconds=2))
    with pytest.raises(Exception, match=r"the file is cut off: 40 of 50 pictures are in it"):
        write_clip(clip, tmp_path / "out.mp4", sound, 1, codec)
    assert not (tmp_path / "out.mp4").exists()


def test_an_edit_list_is_no_damage(tmp_path, make_video):
    clip = make_video(tmp_path / "v.mp4", seconds=2, coding=FAST)
    data = bytearray(clip.read_bytes())
    at = data.find(b"elst") + 12
    data[at : at + 4] = (int.from_bytes(data[at : at + 4], "big") // 2).to_bytes(4, "big")
    clip.write_bytes(data)
    assert write_clip(clip, tmp_path / "out.mp4", read_sound(clip), 1, "mpeg4").frames == 25


def test_a_cover_picture_is_no_video(tmp_path, make_video, ffmpeg):
    make_video(tmp_path / "v.mp4", seconds=0.4)
    ffmpeg("-i", str(tmp_path / "v.mp4"), "-frames:v", "1", "-an", str(tmp_path / "cover.png"))
    inputs = ("-i", str(tmp_path / "v.mp4"), "-i", str(tmp_path / "cover.png"), "-map", "0:a", "-map", "1:v")
    ffmpeg(*inputs, "-c", "copy", "-disposition:v:0", "attached_pic", str(tmp_path / "song.mp4"))
    with av.open(str(tmp_path / "song.mp4")) as container:
        assert len(container.streams.video) == 1
        with pytest.raises(MediaError, match="has no video stream"):
            video_stream(container, "song.mp4")


def test_too_faint_sounds_are_told_again_after_a_resume(noise_root, tmp_path):
    root = tmp_path / "audio"
    root.mkdir()
    write_wav(root / "faint.wav", np.tile(np.array([1, -1], np.int16), 4000))
    write_wav(root / "silent.wav", np.zeros(4000, np.int16))
    report, target = add_noise(root, (10,), noise_root=noise_root, progress=False)
    texts = dict(report.warnings)
    assert texts["silent"] == "its sound is silent and was kept as it is"
    assert texts["faint"].startswith("the sound is too faint for 10 dB in 16 bits: ")
    rows = read_manifest(target / "noise-info.csv")
    assert {name: row.note for name, row in rows.items()} == texts
    again = add_noise(root, (10,), noise_root=noise_root, progress=False)[0]
    assert (again.done, again.skipped, again.warnings) == (0, 2, report.warnings)


def test_1000_db_is_no_matter_of_faintness(noise_root, tmp_path):
    (tmp_path / "audio").mkdir()
    write_wav(tmp_path / "audio" / "a.wav", np.tile(np.array([900, -900], np.int16), 4000))
    for snr, measured in ((1000, "inf"), (-1000, "-999.9")):
        report, target = add_noise(tmp_path / "audio", (snr,), noise_root=noise_root, progress=False)
        row = read_manifest(target / "noise-info.csv")["a"]
        assert report.warnings == [] and row.note == "" and row.measured_snr.startswith(measured)
