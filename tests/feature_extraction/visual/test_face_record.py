"""One folder, one back end, one set of settings: overwriting a part, killed amid a clip, clips in the way of others."""

import csv
import json
import os
import subprocess

import av
import numpy as np
import pytest

from feature_extraction.visual import extract_openface, face_files, faces, openface_program
from feature_extraction.visual.face_backends import choose_backend
from feature_extraction.visual.face_files import face_path, is_whole, write_clip
from feature_extraction.visual.face_record import FaceRecord, claim_faces, read_record
from feature_extraction.visual.faces import MtcnnBackend, extract_faces
from feature_extraction.visual.video_faces import FaceOptions, FaceRow
from toolkit.utils.errors import UserError

NAMES = ["a", "b.c", """it's "d" $HOME""", "z"]
DEFAULTS = {"min_face_size": 60, "detect_every": 3, "max_gap": 12}


@pytest.fixture
def script(tmp_path, monkeypatch, capsys):
    """``script(*flags)`` -> (exit status, output) of the face step on four videos of grey, in this process.

    No face is in them: with --allow_empty they are done. There is no OpenFace.
    """
    monkeypatch.setattr(openface_program, "PATH_TO_PRETRAINED_MODELS", tmp_path / "tools")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(faces, "run_each", in_this_process)
    video = tmp_path / "mer2024-dataset-process" / "video"
    video.mkdir(parents=True)
    for name in NAMES:
        with av.open(str(video / f"{name}.mkv"), "w") as container:
            stream = container.add_stream("ffv1", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "gray"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((64, 64), 90, np.uint8), format="gray")))
            container.mux(stream.encode(None))

    def run(*flags):
        status = extract_openface.main(["--dataset", "MER2024", "--data_root", str(tmp_path), "--allow_empty", *flags])
        output = capsys.readouterr()
        return status, output.out + output.err

    return run


def in_this_process(function, items, num_workers):
    for position, item in enumerate(items):
        try:
            yield position, function(item)
        except Exception as error:
            yield position, error


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "mer2024-dataset-process" / "openface_face"


def old_faces(folder, *names):
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        np.save(face_path(folder, name), np.full((3, 112, 112, 3), 7, np.uint8))
        (folder / name / f"{name}.csv").write_text("old")


def arrays(folder):
    return {path.parent.name: len(np.load(path)) for path in folder.glob("*/*.npy")}


def failures(folder):
    path = folder / "failures.csv"
    with open(path, newline="") as file:
        return {row["name"]: row["reason"] for row in csv.DictReader(file)}


# ---------------------------------------------------------------- one back end, one set of settings


@pytest.mark.parametrize("part", [["--limit", "1"], ["--shard", "1/2"], ["--name_npy"]])
def test_overwriting_a_part_with_another_back_end_removes_all_older_faces(script, folder, tmp_path, part):
    if part == ["--name_npy"]:
        (tmp_path / "names.txt").write_text("a\n")
        part = ["--name_npy", str(tmp_path / "names.txt")]
    old_faces(folder, *NAMES)
    (folder / "z" / "mine.txt").write_text("the user's own")
    (folder / "backend.json").write_text('{"backend": "openface"}\n')
    status, text = script("--backend", "mtcnn", "--overwrite", *part)
    assert status == 0 and "the faces of 4 clips, made with --backend openface, were removed" in text
    done = arrays(folder)
    assert 1 <= len(done) < 4 and set(done.values()) == {0}  # only new ones: 3 faces were in each old array
    assert sorted(os.listdir(folder / "z")) in (["mine.txt"], ["mine.txt", "z.csv", "z.npy"])
    assert json.loads((folder / "backend.json").read_text()) == {"backend": "mtcnn", **DEFAULTS}
    status, text = script()
    assert (status, arrays(folder)) == (0, dict.fromkeys(NAMES, 0))
    assert f"{4 - len(done)} done, {len(done)} already there" in text


def test_overwriting_a_part_with_the_same_settings_keeps_the_rest(script, folder):
    assert script()[0] == 0
    old_faces(folder, *NAMES)
    status, text = script("--overwrite", "--limit", "1")
    assert status == 0 and "removed" not in text
    assert arrays(folder) == {"a": 0, **dict.fromkeys(NAMES[1:], 3)}


def test_faces_of_other_settings_are_not_mixed(script, folder):
    assert script("--detect_every", "1", "--limit", "1")[0] == 0
    stamp = face_path(folder, "a").stat().st_mtime_ns
    with pytest.raises(UserError) as caught:
        script("--detect_every", "3")
    message = str(caught.value)
    assert "was begun with --backend mtcnn --min_face_size 60 --detect_every 1 --max_gap 12" in message
    assert "this run has --backend mtcnn --min_face_size 60 --detect_every 3 --max_gap 12" in message
    assert "leave these flags out" in message and "--overwrite" in message
    assert face_path(folder, "a").stat().st_mtime_ns == stamp and list(arrays(folder)) == ["a"]
    status, text = script()  # goes on with what it was begun with, and says so
    assert status == 0 and "3 done, 1 already there" in text and "was begun with --detect_every 1, and goes on" in text
    assert read_record(folder).settings["detect_every"] == 1
    status, text = script("--overwrite", "--limit", "2")
    assert "the faces of 4 clips, made with --backend mtcnn --min_face_size 60 --detect_every 1" in text
    assert sorted(arrays(folder)) == NAMES[:2] and read_record(folder).settings == DEFAULTS


def test_settings_are_recorded_and_taken_up(tmp_path):
    backend, remarks = choose_backend("mtcnn", "videoOne", {"max_gap": 5, "min_face_size": 40}, tmp_path)
    assert (backend, remarks) == (MtcnnBackend(FaceOptions(40, 3, 5)), [])
    assert read_record(tmp_path) == FaceRecord("mtcnn", {"min_face_size": 40, "detect_every": 3, "max_gap": 5})
    again, (remark,) = choose_backend("auto", "videoOne", {"max_gap": 5}, tmp_path)
    assert again == backend and "was begun with --min_face_size 40, and" in remark


@pytest.mark.parametrize("text", ["[", "[]", '{"backend": "x"}', '{"backend": "mtcnn", "max_gap": "3"}', "\udcff"])
def test_a_damaged_record_is_none(tmp_path, text):
    (tmp_path / "backend.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert read_record(tmp_path) is None


def test_a_record_without_settings_means_the_defaults(tmp_path):
    (tmp_path / "backend.json").write_text('{"backend": "mtcnn"}')
    assert read_record(tmp_path) == FaceRecord("mtcnn", DEFAULTS)
    with pytest.raises(UserError, match="--detect_every 1 .*faces of the two differ"):
        claim_faces(tmp_path, FaceRecord("mtcnn", DEFAULTS | {"detect_every": 1}), overwrite=False)


def test_faces_from_elsewhere_are_kept_and_told(script, folder):
    old_faces(folder, *NAMES[:3])
    status, text = script()
    assert status == 0 and "1 done, 3 already there" in text
    assert "3 clips had faces of unknown origin; those not done now are kept as they are" in text
    assert arrays(folder) == {**dict.fromkeys(NAMES[:3], 3), "z": 0}
    assert "unknown origin" not in script()[1]


# ---------------------------------------------------------------- killed amid a clip


class Killed(BaseException):
    """Stands for the end of the process: nothing after it runs."""


@pytest.mark.parametrize("moment", ["before the csv", "before the array"])
def test_a_kill_within_a_clip_never_leaves_older_faces_beside_newer_rows(tmp_path, monkeypatch, moment):
    old_faces(tmp_path, "a")

    def kill(*_):
        raise Killed

    if moment == "before the csv":
        monkeypatch.setattr(face_files, "write_csv", kill)
    with pytest.raises(Killed):
        write_clip(tmp_path, "a", [FaceRow(0, 0.0, 0.99, (1, 2, 3, 4))], kill)
    assert not is_whole(face_path(tmp_path, "a")) and not face_path(tmp_path, "a").exists()  # so it is done again


def test_part_files_of_ended_workers_go_when_a_clip_is_written(tmp_path):
    process = subprocess.Popen(["true"])
    process.wait()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / f".a.npy.00000000.{process.pid}.part").write_bytes(bytes(100))
    write_clip(tmp_path, "a", [], lambda path: np.save(path, np.zeros((0, 112, 112, 3), np.uint8)))
    assert sorted(os.listdir(tmp_path / "a")) == ["a.csv", "a.npy"]


# ---------------------------------------------------------------- things in the way


@pytest.mark.parametrize("blocked", ["folder", "array", "csv"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_blocked_clip_is_listed_and_the_rest_done(script, folder, blocked, overwrite):
    folder.mkdir()
    if blocked == "folder":
        (folder / "b.c").write_text("a file")
        reason = f"{folder / 'b.c'} is a file where the clip's folder belongs; move it away"
    else:
        inner = face_path(folder, "b.c") if blocked == "array" else folder / "b.c" / "b.c.csv"
        inner.mkdir(parents=True)
        (inner / "mine").touch()
        reason = f"{inner} is a folder where the clip's {blocked} belongs; move it away"
    status, text = script(*["--overwrite"] * overwrite)
    assert status == 1 and "3 done, 0 already there, 1 failed" in text
    assert failures(folder) == {"b.c": reason} and sorted(arrays_of_files(folder)) == ["a", NAMES[2], "z"]
    assert (folder / "b.c").is_file() if blocked == "folder" else (inner / "mine").exists()


def arrays_of_files(folder):
    return [path.parent.name for path in folder.glob("*/*.npy") if path.is_file()]


def test_older_faces_that_cannot_be_removed_are_told(tmp_path, monkeypatch):
    def refuse(folder, name):
        raise PermissionError(13, "Permission denied", str(face_path(folder, name)))

    monkeypatch.setattr(faces, "remove_clip", refuse)
    monkeypatch.setattr(faces, "run_each", in_this_process)
    samples = [faces.Sample(name, tmp_path / f"{name}.mp4") for name in "ab"]  # neither exists
    report = extract_faces(samples, tmp_path / "faces", MtcnnBackend(), progress=False)
    assert [name for name, _ in report.failures] == ["a", "b"]
    assert (
        f"cannot be removed (Permission denied): remove {tmp_path / 'faces' / 'a' / 'a.npy'}" in report.failures[0][1]
    )


# ---------------------------------------------------------------- names that no clip has


def test_absent_names_are_in_the_list_of_failures_once(script, folder, tmp_path):
    absent = [f"gone {n:02d}" for n in range(30)]
    (tmp_path / "names.txt").write_text("\n".join(["a", *absent]))
    status, text = script("--name_npy", str(tmp_path / "names.txt"), "--shard", "2/2")
    assert status == 0 and "gone" not in text and not (folder / "failures.csv").exists()
    status, text = script("--name_npy", str(tmp_path / "names.txt"), "--shard", "1/2")
    assert status == 1 and "and 10 more: see failures.csv" in text
    reasons = failures(folder)
    assert sorted(reasons) == absent and all(reason.startswith("stands in ") for reason in reasons.values())
    assert script("--shard", "2/2")[0] == 0 and len(failures(folder)) == 30  # another job's matter
    assert script()[0] == 0 and not (folder / "failures.csv").exists()  # no list, no names of it


def test_what_is_passed_over_and_slow_settings_are_told(script, folder, tmp_path):
    video = folder.parent / "video"
    (video / "x.webm").touch()
    (video / "link.mp4").symlink_to(tmp_path / "gone.mp4")
    (video / "dir.avi").mkdir()
    (video / "notes.txt").touch()
    status, text = script("--min_face_size", "1")
    assert status == 0 and "3 of " in text and "passed over" in text and ": dir.avi, link.mp4, x.webm" in text
    assert "--min_face_size 1 takes about 3600 times as long as 60" in text
    (video / "x.webm").unlink(), (video / "link.mp4").unlink(), (video / "dir.avi").rmdir()
    status, text = script("--min_face_size", "20", "--overwrite")
    assert "passed over" not in text and "as long as" not in text
