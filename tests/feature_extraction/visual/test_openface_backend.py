"""The OpenFace back end, driving a small program that behaves like OpenFace.

What the fake does depends on the clip's name: its words are the tricks it plays.
"""

import csv
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from feature_extraction.contract import Sample, SampleError
from feature_extraction.visual import extract_openface, openface_program
from feature_extraction.visual.face_backends import choose_backend
from feature_extraction.visual.faces import MtcnnBackend, extract_faces
from feature_extraction.visual.openface_backend import OpenFaceBackend
from feature_extraction.visual.openface_program import find_program, own_words, require_program, run_program
from feature_extraction.visual.video_faces import FaceOptions
from toolkit.globals import PATH_TO_REPOSITORY
from toolkit.utils.errors import UserError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the fake OpenFace starts by its first line")
SCRIPT = PATH_TO_REPOSITORY / "feature_extraction" / "visual" / "extract_openface.py"
ODD = """it's "a" $HOME clip.v2 [x]"""

FAKE = '''#!%s
import json, os, struct, sys, time
arguments = sys.argv[1:]
source = arguments[arguments.index("-f" if "-f" in arguments else "-fdir") + 1]
out = arguments[arguments.index("-out_dir") + 1]
name = os.path.splitext(os.path.basename(source))[0] if "-f" in arguments else os.path.basename(source)
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "calls.jsonl"), "a") as log:
    log.write(json.dumps([os.getpid(), os.getcwd(), arguments]) + "\\n")

def bmp(path, value, size=112):
    """A 24-bit BMP, rows from the bottom: blue = value, green = column, red = row."""
    rows = [b"".join(bytes((value, x, y)) for x in range(size)) for y in reversed(range(size))]
    data = b"".join(row + bytes(-len(row) %% 4) for row in rows)
    header = b"BM" + struct.pack("<IHHI", 54 + len(data), 0, 0, 54)
    with open(path, "wb") as file:
        file.write(header + struct.pack("<IiiHHIIiiII", 40, size, size, 1, 24, 0, len(data), 2835, 2835, 0, 0) + data)

def table(path, head, rows):
    columns = head + ["x_%%d" %% i for i in range(68)] + ["y_%%d" %% i for i in range(68)]
    with open(path, "w") as file:
        file.write(", ".join(columns) + "\\n")
        for values, (x, y, size) in rows:
            points = [x + size * i / 67 for i in range(68)] + [y + size * i / 67 for i in range(68)]
            file.write(", ".join(str(value) for value in values + points) + "\\n")

print("Reading the landmark detector/tracker from: model/main_ceclm_general.txt")
if "fail" in name:
    print("Attempting to read from file: " + source)
    print("ERROR: Could not open the input", file=sys.stderr)
    sys.exit(1)
if "crash" in name:
    os.kill(os.getpid(), 11)
if "nothing" in name:
    print("No faces found, closing")
    sys.exit(0)
if "-f" in arguments:
    aligned = os.path.join(out, name + "_aligned")
    os.makedirs(aligned)
    rows = []
    for frame in range(1, 7):
        success = 0 if "noface" in name or ("lost" in name and frame == 3) else 1
        rows.append(([frame, 0, (frame - 1) * 0.04, 0.98 if success else 0.02, success], (10 + frame, 20, 50)))
        if "partial" in name and frame > 4:
            continue
        bmp(os.path.join(aligned, "frame_det_00_%%06d.bmp" %% frame), 10 * frame if success else 0,
            100 if "sizes" in name and frame == 5 else 112)
        while "hang" in name and frame == 2:
            time.sleep(0.05)
        if "slow" in name:
            time.sleep(0.4)
    if "norow" in name:
        rows.pop()
    table(os.path.join(out, name + ".csv"), ["frame", "face_id", "timestamp", "confidence", "success"], rows)
    open(os.path.join(out, name + "_of_details.txt"), "w").close()
else:
    for image in sorted(os.listdir(source)):
        stem = os.path.splitext(image)[0]
        places = [tuple(map(int, place.split("-"))) for place in stem.split(" ")[1:]]
        if not places:
            continue
        os.makedirs(os.path.join(out, stem + "_aligned"))
        for face, place in enumerate(places):
            bmp(os.path.join(out, stem + "_aligned", "face_det_%%06d.bmp" %% face), 100 * face + int(stem[0]))
        table(os.path.join(out, stem + ".csv"), ["face", "confidence"],
              [([face, 0.9], place) for face, place in enumerate(places)])
'''


def install(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or ("FeatureExtraction", "FaceLandmarkImg"):
        (folder / name).write_text(FAKE % sys.executable)
        (folder / name).chmod(0o755)
    return folder / (names or ("FeatureExtraction",))[0]


def calls(folder):
    return [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """An empty tools/ folder and a PATH without OpenFace."""
    monkeypatch.setattr(openface_program, "PATH_TO_PRETRAINED_MODELS", tmp_path / "tools")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    return tmp_path / "tools"


def corpus(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.mp4").touch()
    return [Sample(name, folder / f"{name}.mp4") for name in names]


def run(tmp_path, *names, **options):
    backend = OpenFaceBackend(install(tmp_path / "OpenFace"), options.pop("stall_seconds", 60))
    samples = corpus(tmp_path / "video", *names)
    return extract_faces(samples, tmp_path / "faces", backend, progress=False, **options)


def rows_of(folder, name):
    with open(folder / name / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


# ---------------------------------------------------------------- videos


def test_aligned_pictures_are_packed(tmp_path):
    report = run(tmp_path, ODD, "b lost")
    assert (report.done, report.failures) == (2, [])
    faces = np.load(tmp_path / "faces" / ODD / f"{ODD}.npy")
    y, x = np.indices((112, 112))
    expected = np.stack([np.stack([np.full((112, 112), 10 * frame), x, y], axis=-1) for frame in range(1, 7)])
    assert faces.dtype == np.uint8
    np.testing.assert_array_equal(faces, expected)  # BGR, frames in order
    rows = rows_of(tmp_path / "faces", ODD)
    assert list(rows[0].values()) == ["0", "0.0000", "0.9800", "11.00", "20.00", "50.00", "50.00"]
    assert [row["frame"] for row in rows] == list("012345") and rows[5]["time_s"] == "0.2000"
    # where OpenFace lost the face its picture is black: kept, as the original kept it, and told
    lost = np.load(tmp_path / "faces" / "b lost" / "b lost.npy")
    assert lost.shape == (6, 112, 112, 3) and [face[0, 0, 0] for face in lost] == [10, 20, 0, 40, 50, 60]
    assert rows_of(tmp_path / "faces", "b lost")[2]["confidence"] == "0.0200"
    (note,) = report.examples
    assert report.examples[note] == ["b lost"] and note.startswith("OpenFace lost the face in some frames")
    for name in (ODD, "b lost"):  # nothing of OpenFace's own output stays
        assert sorted(os.listdir(tmp_path / "faces" / name)) == [f"{name}.csv", f"{name}.npy"]


def test_the_command_is_an_argument_list(tmp_path):
    run(tmp_path, ODD)
    ((_, folder, arguments),) = calls(tmp_path / "OpenFace")
    assert arguments[:3] == ["-f", str(tmp_path / "video" / f"{ODD}.mp4"), "-out_dir"]
    assert arguments[4:] == ["-simalign", "-2Dfp", "-simsize", "112"]
    assert folder == str(tmp_path / "OpenFace")  # where its models lie


def test_failures_carry_openfaces_own_words(tmp_path):
    names = ["crash", "fail", "good", "noface", "norow", "nothing", "partial", "sizes"]
    report = run(tmp_path, *names)
    reasons = dict(report.failures)
    assert report.done == 1 and sorted(reasons) == sorted(set(names) - {"good"})
    assert reasons["fail"] == "FeatureExtraction ended with exit status 1: ERROR: Could not open the input"
    assert reasons["crash"].startswith("FeatureExtraction ended with signal SIGSEGV")
    assert "no face found in" in reasons["nothing"] and "No faces found, closing" in reasons["nothing"]
    assert "no face found in" in reasons["noface"]
    assert reasons["partial"] == "OpenFace wrote 6 csv rows but only 4 pictures: is the disk full?"
    assert reasons["norow"].startswith("OpenFace wrote frame_det_00_000006.bmp but no csv row of frame 6")
    assert "picture 4 is uint8 (100, 100, 3), not uint8 (112, 112, 3)" in reasons["sizes"]
    assert sorted(os.listdir(tmp_path / "faces")) == [".manifest.lock", "failures.csv", "good"]


def test_a_program_that_hangs_is_ended(tmp_path):
    report = run(tmp_path, "good", "hang", stall_seconds=0.5)
    assert report.done == 1
    assert report.failures == [("hang", "FeatureExtraction hung: no new picture in 0.5 s; it was ended")]
    pid = next(pid for pid, _, arguments in calls(tmp_path / "OpenFace") if "hang" in arguments[1])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_slow_program_that_goes_on_is_left_alone(tmp_path):
    """Six pictures in 2.4 s, never 2 s without a new one."""
    assert run(tmp_path, "slow", stall_seconds=2).done == 1


def test_allow_empty_finished_and_overwrite(tmp_path):
    assert run(tmp_path, "noface", "nothing", allow_empty=True).done == 2
    assert np.load(tmp_path / "faces" / "noface" / "noface.npy").shape == (0, 112, 112, 3)
    assert run(tmp_path, "noface", "nothing").skipped == 2
    report = run(tmp_path, "noface", overwrite=True)
    assert [name for name, _ in report.failures] == ["noface"]
    assert not (tmp_path / "faces" / "noface").exists() and (tmp_path / "faces" / "nothing").exists()


def test_a_program_for_another_system_ends_the_run(tmp_path):
    (tmp_path / "FeatureExtraction").write_bytes(b"MZ\x90\x00")
    (tmp_path / "FeatureExtraction").chmod(0o755)
    backend = OpenFaceBackend(tmp_path / "FeatureExtraction")
    with pytest.raises(UserError, match="FeatureExtraction cannot be started: Exec format error"):
        extract_faces(corpus(tmp_path / "video", "a", "b"), tmp_path / "faces", backend, progress=False)
    assert os.listdir(tmp_path / "faces") == []


def test_ctrl_c_ends_openface_and_leaves_nothing_half_done(tmp_path, popen_interruptible):
    root = tmp_path / "mer2024-dataset-process"
    corpus(root / "video", "a", "hang")
    install(tmp_path / "tools" / "OpenFace")
    command = [sys.executable, str(SCRIPT), "--dataset", "MER2024", "--data_root", str(tmp_path)]
    environment = os.environ | {"MER_TOOLS": str(tmp_path / "tools")}
    process = popen_interruptible(command, env=environment, start_new_session=True)
    end = time.monotonic() + 60
    while not (list(root.rglob("a.npy")) and list(root.rglob("frame_det_00_000002.bmp"))):
        assert time.monotonic() < end and process.poll() is None, process.communicate()
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted" in error and "Traceback" not in error
    for pid, _, _ in calls(tmp_path / "tools" / "OpenFace"):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert sorted(set(os.listdir(root / "openface_face")) - {".manifest.lock"}) == ["a", "backend.json"]


def test_stopping_is_nobodys_failure(tmp_path):
    program = install(tmp_path / "OpenFace")
    stop = threading.Event()
    stop.set()
    (tmp_path / "out").mkdir()
    with pytest.raises(openface_program.Stopped):
        run_program(program, ["-f", "hang.mp4", "-out_dir", str(tmp_path / "out")], tmp_path / "out", stop)


def test_own_words():
    text = "Reading model\nWARNING: x\nERROR: a\nERROR: a\nCould not load b\ncleaning up\n"
    assert own_words(text) == "ERROR: a; Could not load b"
    assert own_words("1\n2\n\n3\n4\n") == "2; 3; 4"
    assert own_words("the clip a fail.mp4\nclosing\n", ["-f", "a fail.mp4"]) == "the clip a fail.mp4; closing"
    assert own_words(" \n") == "it gave no message"


# ---------------------------------------------------------------- folders of images


def test_a_folder_of_images(tmp_path):
    """Names are "<value> <x>-<y>-<size> ...": the faces that the fake finds in the image."""
    images = tmp_path / "images" / "a.clip"
    images.mkdir(parents=True)
    for name in ("1 0-0-40 200-0-50", "2 2-0-40", "3", "4 1-0-40", "10 300-0-45", "9 0-90-20 80-90-30"):
        (images / f"{name}.png").touch()
    (tmp_path / "images" / "empty").mkdir()
    program = install(tmp_path / "OpenFace", "FaceLandmarkImg")
    samples = [Sample(name, tmp_path / "images" / name) for name in ("a.clip", "empty")]
    report = extract_faces(samples, tmp_path / "faces", OpenFaceBackend(program), progress=False)
    assert report.done == 1 and report.failures[0][0] == "empty" and "no face found" in report.failures[0][1]
    faces = np.load(tmp_path / "faces" / "a.clip" / "a.clip.npy")
    # blue = 100 * (number of the face in its image) + first digit: the main track (40 wide, three times) in 1, 2, 4;
    # the larger one (the second) in 9, the only one in 10
    assert [face[0, 0, 0] for face in faces] == [1, 2, 4, 109, 1]
    rows = rows_of(tmp_path / "faces", "a.clip")
    assert [(row["frame"], row["x"], row["image"][:2]) for row in rows] == [
        ("0", "0.00", "1 "),
        ("1", "2.00", "2 "),
        ("3", "1.00", "4 "),
        ("4", "80.00", "9 "),
        ("5", "300.00", "10"),
    ]
    assert ["-fdir", str(images)] in [arguments[:2] for *_, arguments in calls(tmp_path / "OpenFace")]


# ---------------------------------------------------------------- finding it, choosing


@pytest.mark.parametrize(
    "place",
    [
        "openface_win_x64/FeatureExtraction.exe",
        "OpenFace/build/bin/FeatureExtraction",
        "openface/bin/FeatureExtraction",
        "OpenFace_2.2.0_win_x64/OpenFace_2.2.0_win_x64/FeatureExtraction.exe",
        "../path/FeatureExtraction",
    ],
)
def test_openface_is_found(tools, place):
    tools.mkdir()
    assert find_program("FeatureExtraction") is None
    path = tools / place
    install(path.parent, path.name)
    found = find_program("FeatureExtraction")
    assert found.is_absolute() and found.samefile(path)
    path.chmod(0o644)  # not a program
    assert find_program("FeatureExtraction") is None


def test_no_openface(tools):
    with pytest.raises(UserError, match="FaceLandmarkImg.* was not found .* or give --backend mtcnn"):
        require_program("FaceLandmarkImg")


def test_auto_takes_openface_where_it_is(tools, tmp_path):
    mtcnn = MtcnnBackend(FaceOptions())
    assert choose_backend("auto", "videoOne", {}, tmp_path / "a") == (mtcnn, [])
    program = install(tools / "openface", "FeatureExtraction")
    assert choose_backend("auto", "videoOne", {}, tmp_path / "b") == (OpenFaceBackend(program), [])
    assert choose_backend("auto", "faceDir", {}, tmp_path / "c") == (mtcnn, [])  # no FaceLandmarkImg there
    assert choose_backend("auto", "videoOne", {}, tmp_path / "a") == (mtcnn, [])  # as the folder was begun


def test_back_ends_are_not_mixed_in_a_folder(tools, tmp_path):
    install(tools / "openface")
    for wanted, begun in (("mtcnn", "openface"), ("openface", "mtcnn")):
        folder = tmp_path / begun
        assert choose_backend(begun, "videoOne", {}, folder)[0].name == begun
        with pytest.raises(UserError, match=f"was begun with --backend {begun}.*; give --backend {begun}, or --overwr"):
            choose_backend(wanted, "videoOne", {}, folder)
        assert choose_backend(wanted, "videoOne", {}, folder, overwrite=True)[0].name == wanted
        assert choose_backend("auto", "videoOne", {}, folder)[0].name == wanted
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "backend.json").write_text("[")
    assert choose_backend("mtcnn", "videoOne", {}, tmp_path / "damaged")[0].name == "mtcnn"


def test_the_script_drives_openface(tools, tmp_path, capsys):
    install(tools / "openface_win_x64", "FeatureExtraction.exe")
    corpus(tmp_path / "mer2024-dataset-process" / "video", "a", "b fail")
    arguments = ["--dataset", "MER2024", "--type", "videoOne", "--data_root", str(tmp_path)]
    assert extract_openface.main([*arguments, "--preview", "3"]) == 1
    out = capsys.readouterr().out
    assert "1 done, 0 already there, 1 failed" in out
    assert "failed: b fail: FeatureExtraction.exe ended with exit status 1: ERROR: Could not open the input" in out
    assert (tmp_path / "mer2024-dataset-process" / "openface_preview" / "sheet_01.jpg").exists()
    assert Path(tmp_path / "mer2024-dataset-process" / "openface_face" / "a" / "a.npy").exists()


def test_output_of_an_older_openface_is_named(tmp_path):
    from feature_extraction.visual.openface_output import video_output

    (tmp_path / "a.csv").write_text("number, confidence\n1, 0.5\n")
    with pytest.raises(SampleError, match="a.csv has no column frame: is this OpenFace 2?"):
        video_output(tmp_path)
