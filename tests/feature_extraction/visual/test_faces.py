"""The face step on the demo clips, and on videos that are none."""

import csv
import os
import shutil
import wave

import cv2
import numpy as np
import pytest

from feature_extraction.contract import SampleError
from feature_extraction.visual import extract_openface, video_faces
from feature_extraction.visual.face_alignment import TEMPLATE, align_face
from feature_extraction.visual.face_preview import write_contact_sheets
from feature_extraction.visual.face_tracking import Face
from feature_extraction.visual.faces import extract_faces, is_whole, video_samples
from feature_extraction.visual.video_faces import ClipFaces, FaceOptions, clip_faces, face_rows
from toolkit.globals import PATH_TO_REPOSITORY
from toolkit.utils.errors import UserError

DEMO = sorted((PATH_TO_REPOSITORY / "demo" / "mer2024-dataset" / "video-labeled").glob("*.mp4"))
ODD = """it's "a" $HOME clip.v2 %03d; x"""
needs_demo = pytest.mark.skipif(len(DEMO) < 8, reason="the demo clips are not in demo/mer2024-dataset")


def read_frames(path):
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    frames = []
    while (got := capture.read())[0]:
        frames.append(got[1])
    return frames


def write_video(path, frames, rate=25):
    """Frames ``(H, W, 3)`` as MPEG-4; the writer takes "%" for a pattern, so it gets a plain name."""
    plain = path.with_name("plain.avi")
    writer = cv2.VideoWriter(str(plain), cv2.VideoWriter_fourcc(*"mp4v"), rate, frames[0].shape[1::-1])
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame)
    writer.release()
    plain.rename(path)
    return path


def noise_frames(count, size=(120, 160)):
    rng = np.random.default_rng(0)
    return [rng.integers(118, 138, (*size, 1), dtype=np.uint8).repeat(3, axis=2) for _ in range(count)]


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


class ScriptedDetector:
    """In place of MTCNN: the n-th call finds `boxes[n]` (x, y, size), or nothing."""

    def __init__(self, boxes):
        self.boxes = list(boxes)
        self.seen = []

    def detect_faces(self, picture):
        self.seen.append(picture)
        found = self.boxes[len(self.seen) - 1]
        if found is None:
            return []
        x, y, size = found
        spots = [(x + int(size * u), y + int(size * v)) for u, v in (TEMPLATE / 112)]
        return [{"box": [x, y, size, size], "confidence": 0.95, "keypoints": dict(zip(video_faces.LANDMARKS, spots))}]  # noqa: B905


def scripted(monkeypatch, boxes):
    detector = ScriptedDetector(boxes)
    monkeypatch.setattr(video_faces, "_detector", lambda size: detector)
    return detector


# ---------------------------------------------------------------- one video


@needs_demo
def test_demo_clip_has_an_upright_centred_face_in_every_frame():
    clip = clip_faces(DEMO[0], FaceOptions())
    count = len(read_frames(DEMO[0]))
    assert clip.frames == count > 20 and clip.frame_rate == 25
    assert clip.faces.shape == (count, 112, 112, 3) and clip.faces.dtype == np.uint8
    assert [number for number, _ in clip.steps] == list(range(count))
    measured = [number for number, face in clip.steps if face.confidence is not None]
    assert measured == sorted({*range(0, count, 3), count - 1})
    # Found again by the detector inside the aligned picture, the landmarks lie on the template.
    for face in clip.faces[:: count // 5]:
        (again,) = video_faces.detect(
            video_faces._detector(60), cv2.copyMakeBorder(face, 56, 56, 56, 56, cv2.BORDER_REPLICATE)
        )
        assert np.abs(again.landmarks - 56 - TEMPLATE).max() < 8
        assert np.abs((again.landmarks - 56 - TEMPLATE).mean(axis=0)).max() < 3


def test_gaps_are_filled_from_the_right_frames(monkeypatch, tmp_path):
    frames = [np.full((90, 120, 3), 3 * t, np.uint8) for t in range(40)]
    for t, frame in enumerate(frames):
        cv2.circle(frame, (20 + 2 * t, 45), 12, (0, 200, 3 * t), -1)
    path = write_video(tmp_path / "clip.avi", frames)
    boxes = [None] * 40
    for t in (4, 5, 11, 30, 31):  # 5 frames missing between 5 and 11: filled; 18 between 11 and 30: not
        boxes[t] = (10 + t, 20, 50)
    scripted(monkeypatch, boxes)
    clip = clip_faces(path, FaceOptions(detect_every=1, max_gap=5))
    assert [number for number, _ in clip.steps] == [*range(4, 12), 30, 31]
    decoded = read_frames(path)
    for (number, face), picture in zip(clip.steps, clip.faces, strict=True):
        np.testing.assert_array_equal(picture, align_face(decoded[number], face.landmarks))
    assert clip.steps[3][1].box == (17.0, 20.0, 50.0, 50.0) and clip.steps[3][1].confidence is None  # frame 7


def test_detection_runs_on_every_kth_frame_and_the_last(monkeypatch, tmp_path):
    path = write_video(tmp_path / "clip.avi", noise_frames(12))
    detector = scripted(monkeypatch, [(10, 10, 60)] * 4)
    clip = clip_faces(path, FaceOptions(detect_every=5, max_gap=1))  # a gap shorter than the step cannot be meant
    assert len(detector.seen) == 4  # frames 0, 5, 10, 11
    assert [number for number, _ in clip.steps] == list(range(12))


def test_the_detector_gets_rgb_and_faces_are_bgr(monkeypatch, tmp_path):
    path = write_video(tmp_path / "clip.avi", [np.full((90, 120, 3), (250, 0, 0), np.uint8)] * 2)
    detector = scripted(monkeypatch, [(20, 10, 60)] * 2)
    clip = clip_faces(path, FaceOptions(detect_every=1))
    blue_last = detector.seen[0].mean(axis=(0, 1))
    assert blue_last[2] > 230 and blue_last[0] < 20
    middle = clip.faces[0, 40:70, 40:70].mean(axis=(0, 1))
    assert middle[0] > 230 and middle[2] < 20


def test_weak_detections_do_not_count(monkeypatch):
    detector = ScriptedDetector([(0, 0, 50)])
    monkeypatch.setattr(video_faces, "MIN_CONFIDENCE", 0.96)
    assert video_faces.detect(detector, np.zeros((90, 90, 3), np.uint8)) == []


def test_csv_rows_by_hand():
    points = np.zeros((5, 2))
    steps = [(0, Face((1, 2, 3, 4), points, 0.98765)), (2, Face((1.5, 2, 3, 4), points, None))]
    clip = ClipFaces(np.zeros((2, 112, 112, 3), np.uint8), steps, 3, 25.0)
    assert face_rows(clip) == [
        (0, "0.0000", "0.9877", "1.00", "2.00", "3.00", "4.00"),
        (2, "0.0800", "", "1.50", "2.00", "3.00", "4.00"),
    ]


def test_a_file_that_is_no_video_is_named(tmp_path):
    path = tmp_path / "text.mp4"
    path.write_text("not a video")
    with pytest.raises(SampleError, match=r"text.mp4: cannot be opened as a video \(11 bytes"):
        clip_faces(path, FaceOptions())


# ---------------------------------------------------------------- a corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Good clips, one of them oddly named, and three that cannot give a face; extracted with 2 workers."""
    assert len(DEMO) >= 8, "the committed demo clips are missing from demo/mer2024-dataset"
    root = tmp_path_factory.mktemp("corpus") / "mer2024-dataset-process"
    (root / "video").mkdir(parents=True)
    shutil.copy(DEMO[0], root / "video" / f"{ODD}.mp4")
    shutil.copy(DEMO[1], root / "video" / "b.MP4")
    write_video(root / "video" / "grey noise.avi", noise_frames(20))
    (root / "video" / "text.mp4").write_text("not a video")
    with wave.open(str(root / "video" / "audio only.mov"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(32000))
    (root / "video" / "notes.txt").write_text("not looked at")
    report = extract_faces(video_samples(root / "video"), root / "openface_face", FaceOptions(), progress=False)
    return root, report


def test_good_clips_are_done_and_bad_ones_listed(corpus):
    root, report = corpus
    assert (report.done, report.skipped, report.exit_status) == (2, 0, 1)
    reasons = dict(report.failures)
    assert sorted(reasons) == ["audio only", "grey noise", "text"]
    assert reasons["grey noise"].startswith(f"no face found in {root / 'video' / 'grey noise.avi'}: 20 frames")
    assert "audio only.mov: cannot be opened as a video" in reasons["audio only"]
    with open(root / "openface_face" / "failures.csv", newline="") as file:
        assert {row["name"]: row["reason"] for row in csv.DictReader(file)} == reasons
    assert sorted(os.listdir(root / "openface_face")) == sorted([ODD, "b", "failures.csv"])
    faces = np.load(root / "openface_face" / ODD / f"{ODD}.npy")
    assert faces.shape == (len(read_frames(DEMO[0])), 112, 112, 3)
    with open(root / "openface_face" / ODD / f"{ODD}.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frame"]) for row in rows] == list(range(len(faces))) and rows[25]["time_s"] == "1.0000"
    assert list(rows[0]) == ["frame", "time_s", "confidence", "x", "y", "w", "h"]


def test_one_worker_gives_the_same_bytes_as_two(corpus, tmp_path):
    root, _ = corpus
    extract_faces(video_samples(root / "video"), tmp_path, FaceOptions(), num_workers=1, progress=False)
    assert contents(tmp_path) == contents(root / "openface_face")


def test_finished_clips_are_skipped_and_broken_ones_done_again(corpus, tmp_path):
    root, _ = corpus
    folder = tmp_path / "faces"
    shutil.copytree(root / "openface_face", folder)
    whole, broken = folder / "b" / "b.npy", folder / ODD / f"{ODD}.npy"
    stamp = whole.stat().st_mtime_ns
    broken.write_bytes(broken.read_bytes()[:-1])
    samples = [sample for sample in video_samples(root / "video") if sample.name in (ODD, "b")]
    report = extract_faces(samples, folder, FaceOptions(), progress=False)
    assert (report.done, report.skipped, report.failures) == (1, 1, [])
    assert whole.stat().st_mtime_ns == stamp
    assert contents(folder) == contents(root / "openface_face")  # failures of clips not tried now are still listed
    report = extract_faces(samples[:1], folder, FaceOptions(), overwrite=True, progress=False)
    assert (report.done, report.skipped) == (1, 0)


def test_allow_empty_writes_an_empty_array(corpus, tmp_path):
    root, _ = corpus
    samples = [sample for sample in video_samples(root / "video") if sample.name == "grey noise"]
    assert extract_faces(samples, tmp_path, FaceOptions(), allow_empty=True, progress=False).exit_status == 0
    path = tmp_path / "grey noise" / "grey noise.npy"
    assert np.load(path).shape == (0, 112, 112, 3) and is_whole(path)
    assert extract_faces(samples, tmp_path, FaceOptions(), progress=False).skipped == 1


def test_other_arrays_are_not_whole(tmp_path):
    path = tmp_path / "a.npy"
    for array in (np.zeros((2, 112, 112, 3)), np.zeros((2, 96, 96, 3), np.uint8), np.zeros((112, 112, 3), np.uint8)):
        np.save(path, array)
        assert not is_whole(path)
    assert not is_whole(tmp_path / "missing.npy")


def test_folders_that_cannot_be_used(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        video_samples(tmp_path / "video")
    (tmp_path / ".hidden.mp4").touch()
    with pytest.raises(UserError, match="holds no video"):
        video_samples(tmp_path)
    for name in ("z.mp4", "a.b.mkv", "a.mp4"):
        (tmp_path / name).touch()
    assert [sample.name for sample in video_samples(tmp_path)] == ["a", "a.b", "z"]
    (tmp_path / "z.avi").touch()
    with pytest.raises(UserError, match="z.mp4 and .*z.avi would both be 'z'"):
        video_samples(tmp_path)


def test_script_and_preview(corpus, capsys):
    root, _ = corpus
    arguments = ["--dataset", "MER2024", "--type", "videoOne", "--name_npy", "--data_root", str(root.parent)]
    assert extract_openface.main([*arguments, "--preview", "5"]) == 1  # the bad clips are tried again
    out = capsys.readouterr().out
    assert "0 done, 2 already there, 3 failed" in out and "failed: text:" in out
    sheet = cv2.imread(str(root / "openface_preview" / "sheet_01.jpg"))
    assert sheet.shape == (2 * 128, 8 * 112, 3)
    names = sorted([ODD, "b"])
    faces = np.load(root / "openface_face" / names[1] / f"{names[1]}.npy")
    assert np.abs(sheet[128 + 16 :, -112:].astype(int) - faces[-1]).mean() < 6  # the last face of the second clip
    with pytest.raises(SystemExit):
        extract_openface.main(["--dataset", "MER2024", "--type", "faceDir"])


def test_more_clips_than_fit_on_a_sheet(tmp_path):
    clips = []
    for index, count in enumerate([1] * 20 + [0]):
        clips.append((f"c{index}", tmp_path / f"{index}.npy"))
        np.save(clips[-1][1], np.full((count, 112, 112, 3), 200, np.uint8))
    (tmp_path / "sheets").mkdir()
    (tmp_path / "sheets" / "sheet_07.jpg").touch()
    sheets = write_contact_sheets(clips, tmp_path / "sheets")
    assert sorted((tmp_path / "sheets").iterdir()) == sheets
    assert [cv2.imread(str(sheet)).shape[0] for sheet in sheets] == [20 * 128, 128]
    assert cv2.imread(str(sheets[1]))[16:].max() < 20  # no faces, no pictures
