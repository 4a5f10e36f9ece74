from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from toolkit.preprocess import media
from toolkit.preprocess.media import MediaError, Stopped, extract_audio_16k, ffmpeg_path, run_ffmpeg, video_files
from toolkit.utils.errors import UserError


def executable(path: Path, text: str = "#!/bin/sh\nexit 0\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


# ---------------------------------------------------------------- where ffmpeg is


def test_ffmpeg_is_looked_for_in_the_stated_order(tmp_path, monkeypatch):
    system = executable(tmp_path / "bin" / "ffmpeg")
    monkeypatch.setenv("PATH", str(system.parent))
    monkeypatch.setattr(media, "PATH_TO_PRETRAINED_MODELS", tmp_path / "tools")
    monkeypatch.delenv("MER_FFMPEG", raising=False)
    assert ffmpeg_path() == str(system)
    unpacked = executable(tmp_path / "tools" / "ffmpeg-4.4.1-i686-static" / "ffmpeg")
    assert ffmpeg_path() == str(unpacked)
    in_tools = executable(tmp_path / "tools" / "ffmpeg")
    assert ffmpeg_path() == str(in_tools)
    own = executable(tmp_path / "my ffmpeg")
    monkeypatch.setenv("MER_FFMPEG", str(own))
    assert ffmpeg_path() == str(own)


def test_the_package_s_ffmpeg_comes_last(tmp_path, monkeypatch):
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("MER_FFMPEG", raising=False)
    monkeypatch.setattr(media, "PATH_TO_PRETRAINED_MODELS", tmp_path)
    assert ffmpeg_path() == imageio_ffmpeg.get_ffmpeg_exe()

    def none_found():
        raise RuntimeError("no ffmpeg exe could be found")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", none_found)
    with pytest.raises(UserError, match=r"no ffmpeg: set MER_FFMPEG, put it at .*ffmpeg, or install"):
        ffmpeg_path()


def test_a_wrong_mer_ffmpeg_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("MER_FFMPEG", str(tmp_path / "nothing"))
    with pytest.raises(UserError, match="MER_FFMPEG=.*nothing.*no program"):
        ffmpeg_path()


# ---------------------------------------------------------------- running it


def test_an_error_carries_the_last_lines_without_addresses(tmp_path, monkeypatch):
    script = "#!/bin/sh\nfor i in 1 2 3 4 5; do echo line $i >&2; done\necho '[mov,mp4 @ 0x55d0aF] bad atom' >&2\n"
    monkeypatch.setenv("MER_FFMPEG", str(executable(tmp_path / "ffmpeg", script + "echo line 5 >&2\nexit 3\n")))
    with pytest.raises(MediaError) as caught:
        run_ffmpeg(["-version"])
    assert str(caught.value) == "line 2; line 3; line 4; line 5; [mov,mp4] bad atom"
    monkeypatch.setenv("MER_FFMPEG", str(executable(tmp_path / "mute", "#!/bin/sh\nexit 3\n")))
    with pytest.raises(MediaError, match="exit status 3 and no message"):
        run_ffmpeg([])


def test_arguments_are_not_seen_by_a_shell_and_input_is_closed(tmp_path, monkeypatch):
    script = '#!/bin/sh\nprintf "%s\\n" "$@" > "$0.seen"\ncat >> "$0.seen"\n'
    fake = executable(tmp_path / "ffmpeg", script)
    monkeypatch.setenv("MER_FFMPEG", str(fake))
    run_ffmpeg(["a b", "$HOME", "`id`", "'q'"])
    seen = (tmp_path / "ffmpeg.seen").read_text().splitlines()
    assert seen == ["-hide_banner", "-nostdin", "-v", "error", "a b", "$HOME", "`id`", "'q'"]


def test_a_set_stop_event_kills_ffmpeg(tmp_path, monkeypatch):
    monkeypatch.setenv("MER_FFMPEG", str(executable(tmp_path / "ffmpeg", "#!/bin/sh\nexec sleep 600\n")))
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        run_ffmpeg([], stop)
    with pytest.raises(Stopped):  # and no second ffmpeg is asked what was wrong with the first
        extract_audio_16k(tmp_path / "clip.mp4", tmp_path / "clip.wav", stop)


# ---------------------------------------------------------------- 16 kHz sound


# ffmpeg's sine has amplitude 1/8; its mono -> stereo gives every channel 1/sqrt(2) of that, and we take the mean.
@pytest.mark.parametrize(("channels", "amplitude"), [(1, 0.125), (2, 0.125 / np.sqrt(2))])
def test_sound_is_16k_mono_pcm16_of_exact_length_and_pitch(tmp_path, make_clip, channels, amplitude):
    clip = make_clip(tmp_path / "clip.mkv", seconds=1.5, channels=channels)
    wav = tmp_path / "clip.wav"
    assert extract_audio_16k(clip, wav) == ""
    info = soundfile.info(wav)
    assert (info.samplerate, info.channels, info.subtype, info.frames) == (16000, 1, "PCM_16", 24000)
    assert wav.stat().st_size == 44 + 2 * 24000  # header and samples, nothing about ffmpeg's version
    samples, _ = soundfile.read(wav)
    spectrum = np.abs(np.fft.rfft(samples))
    assert np.argmax(spectrum) * 16000 / 24000 == 440.0
    assert abs(np.sqrt(np.mean(samples**2)) - amplitude / np.sqrt(2)) < 1e-3
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_compressed_sound_keeps_its_length(tmp_path, make_clip):
    clip = make_clip(tmp_path / "clip.mp4", seconds=1.5, codec="aac")
    extract_audio_16k(clip, tmp_path / "clip.wav")
    assert soundfile.info(tmp_path / "clip.wav").frames == 24000  # the encoder's priming is cut off


def test_the_same_clip_gives_the_same_bytes(tmp_path, make_clip):
    clip = make_clip(tmp_path / "clip.mkv")
    for name in ("a.wav", "b.wav"):
        extract_audio_16k(clip, tmp_path / name)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


@pytest.mark.parametrize("name", ["a b", "dots.in.it", 'it\'s "q" $HOME `id`', "-dash", "co:lon %03d", "中文", "-i"])
def test_odd_names(tmp_path, make_clip, monkeypatch, name):
    plain = make_clip(tmp_path / "plain.mkv", seconds=0.2)
    clip = plain.rename(tmp_path / f"{name}.mkv")
    monkeypatch.chdir(tmp_path)  # relative, so that a dash would lead the argument
    extract_audio_16k(Path(clip.name), Path(f"{name}.wav"))
    assert soundfile.info(tmp_path / f"{name}.wav").frames == 3200


def test_a_clip_without_sound_is_named(tmp_path, make_clip):
    clip = make_clip(tmp_path / "mute.mp4", sound=False)
    with pytest.raises(MediaError) as caught:
        extract_audio_16k(clip, tmp_path / "mute.wav")
    assert str(caught.value) == f"{clip} has no audio stream"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mute.mp4"]


@pytest.mark.parametrize("content", ["hello\n", ""])
def test_a_file_that_is_no_video_gives_ffmpeg_s_message(tmp_path, content):
    clip = tmp_path / "text.mp4"
    clip.write_text(content)
    with pytest.raises(MediaError, match=r"text\.mp4: .*Invalid data found") as caught:
        extract_audio_16k(clip, tmp_path / "text.wav")
    assert "0x" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.mp4"]


def test_a_cut_off_clip_gives_a_warning(tmp_path, make_clip):
    whole = make_clip(tmp_path / "whole.mp4", seconds=2.0, codec="aac")
    front = tmp_path / "front.mp4"
    run_ffmpeg(["-i", f"file:{whole}", "-c", "copy", "-movflags", "+faststart", f"file:{front}"])
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(front.read_bytes()[: front.stat().st_size * 2 // 3])
    assert extract_audio_16k(front, tmp_path / "front.wav") == ""
    assert "partial file" in extract_audio_16k(cut, tmp_path / "cut.wav")
    assert 0 < soundfile.info(tmp_path / "cut.wav").frames < 32000


# ---------------------------------------------------------------- listing


def test_videos_are_listed_in_name_order(tmp_path):
    # In file order "a b.mp4" < "a-1.mov" < "a.mp4"; in name order "a" comes first.
    for name in ("a.mp4", "a-1.mov", "a b.MP4", "b.avi", "c.v1.mkv", "notes.txt", ".hidden.mp4", "._d.mp4", "e.wav"):
        (tmp_path / name).touch()
    found = [path.name for path in video_files(tmp_path)]
    assert found == ["a.mp4", "a b.MP4", "a-1.mov", "b.avi", "c.v1.mkv"]


def test_two_videos_of_one_name_are_an_error(tmp_path):
    for name in ("a.mp4", "a.avi"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=r"a\.avi and a\.mp4 are two files of one name"):
        video_files(tmp_path)
    with pytest.raises(UserError, match="nowhere is not a folder"):
        video_files(tmp_path / "nowhere")
