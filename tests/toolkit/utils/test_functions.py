"""The helpers that users call by name, on real small files."""

import shutil
import subprocess

import cv2
import numpy as np
import pytest
import soundfile

from toolkit.data.labels import write_labels
from toolkit.globals import corpus_paths
from toolkit.preprocess import avi_to_mp4
from toolkit.preprocess.avi_to_mp4 import length_fault, seconds_of
from toolkit.preprocess.media import ffmpeg_path
from toolkit.utils.errors import UserError
from toolkit.utils.functions import calculate_ccc, calculate_pcc, main


@pytest.fixture(scope="module")
def avi(tmp_path_factory):
    """A 1 s clip of 63x47 pixels (odd sides) at 10 fps with sound."""
    path = tmp_path_factory.mktemp("avi") / "clip.avi"
    inputs = ["-f", "lavfi", "-i", "testsrc=duration=1:size=63x47:rate=10"]
    inputs += ["-f", "lavfi", "-i", "sine=frequency=440:duration=1:sample_rate=16000", "-c:a", "pcm_s16le"]
    command = [ffmpeg_path(), "-v", "error", "-nostdin", "-y", *inputs, "-c:v", "mpeg4"]
    subprocess.run([*command, f"file:{path}"], check=True)
    return path


def test_split_and_find_false_audio(tmp_path, avi, capsys):
    videos, sounds = tmp_path / "my videos", tmp_path / "2024"
    videos.mkdir()
    for name in ("a", "b $1", "c", "d"):
        shutil.copyfile(avi, videos / f"{name}.avi")
    assert main(["func_split_audio_from_video_16k", str(videos), str(sounds)]) == 0
    assert soundfile.info(sounds / "b $1.wav").frames == 16000
    capsys.readouterr()
    assert main(["func_find_false_audio", str(videos), str(sounds)]) == 0
    assert capsys.readouterr().out == f"0 of the sounds of {videos} are missing or broken\n"
    (sounds / "a.wav").unlink()
    (sounds / "b $1.wav").write_bytes((sounds / "b $1.wav").read_bytes()[:1044])
    soundfile.write(sounds / "c.wav", np.zeros(0), 16000)
    (sounds / "stranger.wav").write_text("not looked at: no video has its name")
    assert main(["func_find_false_audio", str(videos), str(sounds)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{sounds}/a.wav: is missing",
        f"{sounds}/b $1.wav: announces 1.00 s, holds 0.03 s",
        f"{sounds}/c.wav: no samples",
        f"3 of the sounds of {videos} are missing or broken",
    ]
    with pytest.raises(UserError, match="holds no videos"):
        main(["func_find_false_audio", str(sounds), str(sounds)])


def test_feature_completeness(tmp_path, capsys):
    paths = corpus_paths("MER2024", tmp_path)
    for folder, shape in (("eGeMAPS_UTT", (88,)), ("a-langeng-FRA", (7, 4)), ("b-langeng-UTT", (5,))):
        (paths.features / folder).mkdir(parents=True)
        for name in "xyz":
            np.save(paths.features / folder / f"{name}.npy", np.zeros(shape, np.float32))
    write_labels(paths.label, {"train_corpus": {name: {"emo": "sad", "val": -10} for name in "xyz"}})
    flags = ["--data_root", str(tmp_path)]
    assert main(["check_feature_completeness", *flags]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "====== MER2024 ======",
        "extracted feature numbers: 3",
        "a-langeng-FRA => shape: (7, 4)  number: 3",
        "b-langeng-UTT => shape: (5,)  number: 3",
        "eGeMAPS_UTT => shape: (88,)  number: 3",
    ]
    (paths.features / "b-langeng-UTT" / "y.npy").unlink()
    flags += ["--target_dataset", "MER2024", "--intermerdia", "langeng"]
    assert main(["check_feature_completeness", *flags, "--suffix", "UTT"]) == 1
    assert capsys.readouterr().out.splitlines()[1:] == [
        "extracted feature numbers: 1",
        "b-langeng-UTT => shape: (5,)  number: 2  missing: 1, e.g. y",
    ]
    assert main(["check_feature_completeness", *flags, "--suffix", "FRA"]) == 0
    with pytest.raises(UserError, match="give --data_root"):
        main(["check_feature_completeness", "--data_root", str(tmp_path / "none")])


def test_compress_faces(tmp_path, capsys):
    faces, arrays = tmp_path / "faces", tmp_path / "arrays"
    pictures = np.random.default_rng(0).integers(0, 255, (12, 6, 5, 3), dtype=np.uint8)
    for name in ("good.one", "mixed", "broken"):
        (faces / name).mkdir(parents=True)
        for number, picture in enumerate(pictures):
            cv2.imwrite(str(faces / name / f"frame_{number:04d}.bmp"), picture)
    (faces / "empty").mkdir()
    (faces / "good.one" / "notes.txt").write_text("x")
    cv2.imwrite(str(faces / "mixed" / "frame_0003.bmp"), pictures[0][:3])
    (faces / "broken" / "frame_0004.bmp").write_text("x")
    assert main(["func_compress_openface_into_npy", str(faces), str(arrays)]) == 1
    array = np.load(arrays / "good.one" / "good.one.npy")
    assert array.dtype == np.uint8 and np.array_equal(array, pictures)  # bmp loses nothing; BGR stays BGR
    text = capsys.readouterr().out
    assert "1 done, 0 already there, 3 failed" in text
    assert "frame_0003.bmp: a picture of 3x5, those before have 6x5" in text
    assert "frame_0004.bmp cannot be read as a picture" in text and "holds no picture" in text
    assert not list(arrays.rglob("broken.npy")) and not list(arrays.rglob("*.part"))
    for name in ("mixed", "broken", "empty"):
        shutil.rmtree(faces / name)
    assert main(["func_compress_openface_into_npy", str(faces), str(arrays)]) == 0
    assert "0 done, 1 already there, 0 failed" in capsys.readouterr().out
    with pytest.raises(UserError, match="holds no folder"):
        main(["func_compress_openface_into_npy", str(faces / "good.one"), str(arrays)])


def test_avi_to_mp4(tmp_path, avi, capsys):
    videos = tmp_path / "videos"
    videos.mkdir()
    shutil.copyfile(avi, videos / "it's a clip.avi")
    (videos / "bad.avi").write_bytes(avi.read_bytes()[:300])
    assert main(["func_avi_to_mp4", str(videos)]) == 1
    text = capsys.readouterr().out
    assert (
        "1 done, 0 already there, 1 failed" in text
        and "--remove_avi --overwrite converts again and removes them" in text
    )
    made = videos / "it's a clip.mp4"
    assert seconds_of(made) == pytest.approx(1.0, abs=0.01) == seconds_of(avi)
    assert (videos / "it's a clip.avi").exists() and not (videos / "failures.csv").exists()
    assert main(["func_avi_to_mp4", str(videos), "--remove_avi"]) == 1
    assert (videos / "it's a clip.avi").exists()  # this run did not make its mp4
    assert main(["func_avi_to_mp4", str(videos), "--remove_avi", "--overwrite"]) == 1
    assert sorted(path.name for path in videos.iterdir()) == ["bad.avi", made.name]  # a failed one stays
    other = tmp_path / "other"
    shutil.copyfile(avi, videos / "it's a clip.avi")
    (videos / "bad.avi").unlink()
    assert main(["func_avi_to_mp4", str(videos), "--save_root", str(other)]) == 0
    assert (other / made.name).stat().st_size > 1000 and (videos / "it's a clip.avi").exists()


def test_an_avi_beside_an_mp4_of_something_else_stays(tmp_path, avi, capsys):
    """The mp4 is whole and as long, but shows other pictures."""
    shutil.copyfile(avi, tmp_path / "clip.avi")
    picture = ["-f", "lavfi", "-i", "color=red:duration=1:size=64x48:rate=10"]
    subprocess.run([ffmpeg_path(), "-v", "error", "-nostdin", *picture, f"file:{tmp_path / 'clip.mp4'}"], check=True)
    assert seconds_of(tmp_path / "clip.mp4") == pytest.approx(seconds_of(avi), abs=0.01)
    content = (tmp_path / "clip.mp4").read_bytes()
    shutil.copyfile(avi, tmp_path / "other.avi")
    assert main(["func_avi_to_mp4", str(tmp_path), "--remove_avi"]) == 0
    text = "warning: clip: the avi stays: clip.mp4 was there before this run (--overwrite makes it again)"
    assert text in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.avi", "clip.mp4", "other.mp4"]
    assert (tmp_path / "clip.mp4").read_bytes() == content


def test_an_mp4_of_another_length_does_not_replace_its_avi(tmp_path, avi, capsys, monkeypatch):
    shutil.copyfile(avi, tmp_path / "clip.avi")
    monkeypatch.setattr(avi_to_mp4, "_ARGUMENTS", (*avi_to_mp4._ARGUMENTS, "-t", "0.5"))  # half of it
    assert main(["func_avi_to_mp4", str(tmp_path), "--remove_avi"]) == 0
    assert "clip: the avi stays: its mp4 (0.50 s) is not as long as it (1.00 s)" in capsys.readouterr().out
    assert (tmp_path / "clip.avi").exists()


def test_two_avis_of_one_name_are_refused(tmp_path, avi):
    for name in ("clip.avi", "clip.AVI"):  # both would become clip.mp4
        shutil.copyfile(avi, tmp_path / name)
    with pytest.raises(UserError, match="two files of one name"):
        main(["func_avi_to_mp4", str(tmp_path), "--remove_avi"])
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        (2.0, 2.19, True),
        (2.0, 2.21, False),
        (2.0, 1.81, True),
        (2.0, 1.79, False),
        (None, 2.0, False),
        (2, None, False),
    ],
)
def test_the_edge_of_as_long(before, after, same):
    assert (length_fault(before, after) == "") is same


def test_correlations(tmp_path, capsys):
    """By hand: true 1, 2, 3 and predicted 2, 4, 6: PCC 1; CCC 2 * 4/3 / (2/3 + 8/3 + 4) = 4/11."""
    (tmp_path / "t.csv").write_text("name,valence\na,1\nb,2\nc,3\nonly,9\n")
    (tmp_path / "p.csv").write_text("name,valence\nc,6\na,2\nb,4\n")
    files = [str(tmp_path / "t.csv"), str(tmp_path / "p.csv")]
    left_out = "1 names stand in one of the files only and are left out\n"
    assert main(["PCC", *files]) == 0 and capsys.readouterr().out == f"{left_out}PCC 1.000000 over 3 samples\n"
    assert main(["CCC", *files]) == 0 and capsys.readouterr().out == f"{left_out}CCC 0.363636 over 3 samples\n"
    assert calculate_pcc([1, 2, 3], [2, 4, 6]) == pytest.approx(1)
    assert calculate_ccc([1, 2, np.nan, 3], [2, 4, 5, 6]) == pytest.approx(4 / 11)
    (tmp_path / "p.csv").write_text("name,valence\nc,6\na,x\nb,4\n")
    with pytest.raises(UserError, match="valence of 'a' is 'x', not a number"):
        main(["PCC", *files])
    (tmp_path / "p.csv").write_text("name,valence\nc,6\na,6\n")
    with pytest.raises(UserError, match="valence is 6 for all common names"):
        main(["CCC", *files])
