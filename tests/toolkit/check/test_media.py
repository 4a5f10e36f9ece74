"""Videos, sounds and faces: every planted fault is found, and nothing else."""

import os
import shutil
import struct
import wave

import numpy as np
import pytest
import soundfile

from toolkit.check.findings import RULES
from toolkit.check.subject import lengths_differ
from toolkit.check.video_probe import probe_video

LATER = 9000  # a time of change after everything else


def test_a_corpus_in_order_has_no_finding(corpus, found):
    assert found(corpus) == {}
    assert found(corpus, quick=True) == {}


def test_a_wrong_declared_length_is_found(corpus, found, details, make_video, names):
    """The Duration element of a Matroska file says 9 s; its 20 frames last 2 s."""
    path = corpus.video / f"{names[1]}.mkv"
    make_video(path)
    (corpus.video / f"{names[1]}.mp4").unlink()
    data = path.read_bytes()
    at = data.index(b"\x44\x89\x88")  # Duration, 8 bytes: a double, in milliseconds
    assert struct.unpack(">d", data[at + 3 : at + 11])[0] == pytest.approx(2000, abs=100)
    path.write_bytes(data[: at + 3] + struct.pack(">d", 9000.0) + data[at + 11 :])
    os.utime(path, (1000, 1000))
    for quick in (False, True):
        assert found(corpus, quick=quick) == {("videos", "video_length"): [1, names[1]]}
    assert details(corpus)["video_length"][0].startswith("declares 9.00 s, holds 2.0")


def test_a_cut_off_video_is_found(corpus, found, details, make_video, names):
    """Half of a file whose index comes first: it opens, declares 2 s, and holds fewer frames."""
    path = corpus.video / f"{names[0]}.mp4"
    make_video(path, True, "-movflags", "+faststart")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * 0.6)])
    os.utime(path, (1000, 1000))
    got = found(corpus)
    assert got[("videos", "video_length")] == [1, names[0]]
    assert got[("videos", "video_damaged")] == [1, names[0]]
    assert "of the 20 frames it announces" in details(corpus)["video_damaged"][0]


def test_videos_that_are_none(corpus, found, make_video, names):
    (corpus.video / f"{names[0]}.mp4").write_bytes(b"no video")
    (corpus.video / f"{names[1]}.mp4").write_bytes(b"")
    (corpus.video / f"{names[2]}.mp4").unlink()
    make_video(corpus.video / "stranger.mp4")
    make_video(corpus.video / f"{names[3]}.mp4", False)
    shutil.copyfile(corpus.video / f"{names[4]}.mp4", corpus.video / f"{names[4]}.avi")
    (corpus.video / "notes.txt").write_text("x")
    (corpus.video / "folder.mp4").mkdir()
    (corpus.video / "link.mp4").symlink_to("nothing")
    (corpus.video / ".hidden.part").write_text("x")
    assert {code: row for (part, code), row in found(corpus).items() if part == "videos"} == {
        "video_unreadable": [3, "link", names[0], names[1]],
        "video_missing": [1, names[2]],
        "video_extra": [2, "link", "stranger"],
        "video_no_sound": [1, names[3]],
        "video_twice": [1, names[4]],
        "video_other": [2, "folder.mp4", "notes.txt"],
    }


def test_what_a_probe_says(corpus, names):
    path = corpus.video / f"{names[-2]}.mp4"  # a name with quotes, a dollar and a dot
    decoded, counted = probe_video(path), probe_video(path, decode=False)
    for facts in (decoded, counted):
        assert (facts.frames, facts.size, facts.rate, facts.codec) == (20, "64x48", "10 fps", "mpeg4")
        assert facts.pictures == pytest.approx(2.0, abs=1e-6)
        assert facts.declared == pytest.approx(2.0, abs=0.1) and facts.sound == pytest.approx(2.0, abs=0.1)
        assert facts.faults == () and facts.sound_format == "aac 16000 Hz" and facts.changed == 1000


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [(2.0, 2.19, False), (2.0, 2.21, True), (100.0, 104.9, False), (100.0, 106.0, True), (0.0, 0.0, False)],
)
def test_lengths_differ_beyond_a_fifth_of_a_second_and_five_percent(one, other, differ):
    assert lengths_differ(one, other) is differ and lengths_differ(other, one) is differ


def test_sounds(corpus, found, details, names):
    tone, rate = soundfile.read(corpus.audio / f"{names[0]}.wav", dtype="float32")
    files = [corpus.audio / f"{name}.wav" for name in names]
    soundfile.write(files[0], np.zeros_like(tone), rate, subtype="PCM_16")
    soundfile.write(files[1], np.clip(tone * 100, -1, 1), rate, subtype="PCM_16")
    soundfile.write(files[2], tone[: len(tone) // 2], rate, subtype="PCM_16")
    soundfile.write(files[3], np.zeros(0), rate, subtype="PCM_16")
    soundfile.write(files[4], np.stack([tone, tone], 1), rate, subtype="PCM_16")
    files[5].write_bytes(files[5].read_bytes()[:20044])
    files[6].unlink()
    files[7].write_text("no sound")
    soundfile.write(corpus.audio / "stranger.wav", tone, rate, subtype="PCM_16")
    assert {code: row for (part, code), row in found(corpus).items() if part == "audio"} == {
        "audio_silent": [1, names[0]],
        "audio_clipped": [1, names[1]],
        "audio_length": [2, names[2], names[5]],
        "audio_unreadable": [2, names[3], names[7]],
        "audio_format": [1, names[4]],
        "audio_cut": [1, names[5]],
        "audio_missing": [1, names[6]],
        "audio_extra": [1, "stranger"],
    }
    assert details(corpus)["audio_cut"] == ["announces 2.00 s, holds 0.62 s"]  # 10,000 samples of 32,000
    assert details(corpus)["audio_format"] == ["16000 Hz, 2 ch, PCM_16"]
    quick = {code for part, code in found(corpus, quick=True) if part == "audio"}
    assert quick == {"audio_length", "audio_unreadable", "audio_format", "audio_cut", "audio_missing", "audio_extra"}


def test_names_that_are_not_utf8(corpus, found, details, names):
    for source, folder in ((f"{names[0]}.mp4", corpus.video), (f"{names[0]}.wav", corpus.audio)):
        shutil.copy2(folder / source, os.path.join(os.fsencode(folder), b"caf\xe9" + source[-4:].encode()))
    shown = "caf\\udce9"
    assert found(corpus) == {
        ("videos", "video_extra"): [1, shown],
        ("audio", "audio_extra"): [1, shown],
        ("audio", "audio_unreadable"): [1, shown],
    }
    assert details(corpus)["audio_unreadable"] == ["its name is not UTF-8; rename the file"]


def test_the_edges_of_silent_and_clipped(tmp_path):
    from toolkit.check.sounds import probe_sound

    path = tmp_path / "a.wav"

    def faults(samples):
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            file.writeframes(np.asarray(samples, "<i2").tobytes())
        return [code for code, _ in probe_sound(path).faults]

    quiet = np.zeros(10000)
    quiet[5] = 32  # 32 / 32768 = 0.00098
    assert faults(quiet) == ["audio_silent"]
    quiet[5] = -33
    assert faults(quiet) == []
    loud = np.full(10000, 100)
    loud[:10] = 32767  # just 0.1%
    assert faults(loud) == []
    loud[10] = -32768
    assert faults(loud) == ["audio_clipped"]
    soundfile.write(path, np.array([0.1, np.nan, 0.2]), 16000, subtype="FLOAT")
    assert [code for code, _ in probe_sound(path).faults] == ["audio_format", "audio_not_finite"]


def test_clips_without_a_face_are_found(corpus, found, details, names):
    place = {name: corpus.face / name / f"{name}.npy" for name in names}
    place[names[0]].unlink()  # the step failed, and said why
    (corpus.face / "failures.csv").write_text(f"name,reason\n{names[0]},no face in any of 20 frames\n")
    shutil.rmtree(corpus.face / names[1])
    np.save(place[names[2]], np.zeros((0, 8, 8, 3), np.uint8))
    np.save(place[names[3]], np.load(place[names[3]])[:9])  # 9 of 20 frames; the csv still has 18 rows
    np.save(place[names[4]], np.zeros((18, 8, 8, 3), np.uint8))
    np.save(place[names[5]], np.ones((18, 8, 8), np.float32))
    place[names[6]].write_bytes(place[names[6]].read_bytes()[:400])
    shutil.copytree(corpus.face / names[7], corpus.face / "stranger")
    os.rename(corpus.face / "stranger" / f"{names[7]}.npy", corpus.face / "stranger" / "stranger.npy")
    assert {code: row for (part, code), row in found(corpus).items() if part == "faces"} == {
        "face_missing": [2, names[0], names[1]],
        "face_empty": [1, names[2]],
        "face_few": [1, names[3]],
        "face_black": [1, names[4]],
        "face_shape": [1, names[5]],
        "face_unreadable": [1, names[6]],
        "face_extra": [1, "stranger"],
    }
    told = details(corpus)
    assert told["face_missing"] == ["no face in any of 20 frames", ""]
    assert told["face_unreadable"] == ["cut short"]
    assert told["face_few"] == ["9 of 20 frames have a face"]


def test_openface_says_in_which_frames_it_saw_a_face(corpus, details, names):
    """OpenFace's csv has a row and a (black) picture for every frame; `success` tells."""
    rows = "".join(f"{frame}, 0, 0.5, {int(frame <= 6)}\n" for frame in range(1, 19))
    (corpus.face / names[0] / f"{names[0]}.csv").write_text(f"frame, timestamp, confidence, success\n{rows}")
    (corpus.face / names[1] / f"{names[1]}.csv").write_text("frame,confidence\n0,0.9\n")
    told = details(corpus)
    assert told["face_few"] == ["6 of 20 frames have a face"]
    assert told["face_csv"] == ["1 rows for 18 faces"]


def test_results_older_than_their_sources(corpus, found, names):
    os.utime(corpus.video / f"{names[0]}.mp4", (LATER, LATER))
    os.utime(corpus.audio / f"{names[1]}.wav", (LATER, LATER))
    os.utime(corpus.face / names[2] / f"{names[2]}.npy", (LATER, LATER))
    os.utime(corpus.transcript, (LATER, LATER))
    expected = {
        ("audio", "audio_stale"): [1, names[0]],
        ("faces", "face_stale"): [1, names[0]],
        ("eGeMAPS_UTT", "feature_stale"): [1, names[1]],
        ("clip-vit-large-patch14-FRA", "feature_stale"): [1, names[2]],
        ("bert-base-chinese-UTT", "feature_stale"): [1, "bert-base-chinese-UTT"],
    }
    assert found(corpus) == expected
    del expected["audio", "audio_stale"], expected["faces", "face_stale"]
    assert found(corpus, kinds=["features"]) == expected  # the sources' times are looked up then


def test_parts_that_are_not_there_are_warnings(corpus, found, names):
    for folder in (corpus.video, corpus.audio, corpus.face, corpus.features):
        shutil.rmtree(folder)
    corpus.transcript.unlink()
    codes = [code for _, code in found(corpus)]
    assert codes == ["video_folder", "audio_folder", "face_folder", "text_file_missing", "feature_none"]
    assert {RULES[code].severity for code in codes} == {"warning"}


def test_clips_that_preprocessing_dropped_are_named_with_their_reasons(corpus, found, details):
    rows = "gone,its video is missing\nlate,starts at 7 s\n"
    (corpus.video / "failures.csv").write_text(f"name,reason\n{rows}")
    assert found(corpus) == {("videos", "video_dropped"): [2, "gone", "late"]}  # and the list is no stray file
    assert details(corpus)["video_dropped"] == ["its video is missing", "starts at 7 s"]
    assert RULES["video_dropped"].severity == "warning"


def test_a_video_that_declares_less_than_it_holds_is_found(corpus, found, details, make_video, names):
    """The Duration element of a Matroska file says 0.5 s; its 20 frames last 2 s."""
    path = corpus.video / f"{names[2]}.mkv"
    make_video(path)
    (corpus.video / f"{names[2]}.mp4").unlink()
    data = path.read_bytes()
    at = data.index(b"\x44\x89\x88")
    path.write_bytes(data[: at + 3] + struct.pack(">d", 500.0) + data[at + 11 :])
    os.utime(path, (1000, 1000))
    for quick in (False, True):
        assert found(corpus, quick=quick) == {("videos", "video_length"): [1, names[2]]}
    assert details(corpus)["video_length"][0].startswith("declares 0.50 s, holds 2.0")
