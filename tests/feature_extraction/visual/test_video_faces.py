"""The main face of a clip's frames, with a detector that finds what the test says."""

import cv2
import numpy as np
import pytest

from feature_extraction.visual import video_faces
from feature_extraction.visual.face_alignment import TEMPLATE, align_face
from feature_extraction.visual.face_frames import Frame
from feature_extraction.visual.face_spool import FaceSpool
from feature_extraction.visual.video_faces import FaceOptions, pick_faces, track_faces


class ScriptedDetector:
    """In place of MTCNN: the n-th call finds the faces `script[n]`, each (x, y, size)."""

    def __init__(self, script):
        self.script = list(script)
        self.seen = []

    def detect_faces(self, picture):
        self.seen.append(picture)
        found = self.script[len(self.seen) - 1]
        if isinstance(found, Exception):
            raise found
        return [self.face(*place) for place in found]

    def face(self, x, y, size, confidence=0.95):
        spots = [(x + int(size * u), y + int(size * v)) for u, v in (TEMPLATE / 112)]
        names = dict(zip(video_faces.LANDMARKS, spots, strict=True))
        return {"box": [x, y, size, size], "confidence": confidence, "keypoints": names}


@pytest.fixture
def scripted(monkeypatch):
    def install(script):
        detector = ScriptedDetector(script)
        monkeypatch.setattr(video_faces, "_detector", lambda size: detector)
        return detector

    return install


def run(find, frames, options):
    with FaceSpool() as spool:
        found = find(frames, options, spool)
        return found, [spool.read(position).copy() for position in found.positions]


def moving_dot(count, rate=25.0):
    frames = []
    for t in range(count):
        picture = np.full((90, 120, 3), 3 * t, np.uint8)
        cv2.circle(picture, (20 + 2 * t, 45), 12, (0, 200, 3 * t), -1)
        frames.append(Frame(picture, t / rate))
    return frames


# ---------------------------------------------------------------- videos


def test_gaps_are_filled_from_the_right_frames(scripted):
    frames = moving_dot(40)
    script = [[] for _ in frames]
    for t in (4, 5, 11, 30, 31):  # 5 frames missing between 5 and 11: filled; 18 between 11 and 30: not
        script[t] = [(10 + t, 20, 50)]
    scripted(script)
    found, faces = run(track_faces, frames, FaceOptions(detect_every=1, max_gap=5))
    assert found.frames == 40
    assert [row.frame for row in found.rows] == [*range(4, 12), 30, 31]
    assert [row.time for row in found.rows] == [row.frame / 25 for row in found.rows]
    points = (TEMPLATE / 112 * 50).astype(int) + 0.5
    for row, face in zip(found.rows, faces, strict=True):
        np.testing.assert_array_equal(face, align_face(frames[row.frame].picture, points + [10 + row.frame, 20]))
    assert found.rows[3].box == (17.0, 20.0, 50.0, 50.0) and found.rows[3].confidence is None  # frame 7
    assert found.rows[0].confidence == 0.95


def test_detection_runs_on_every_kth_frame_and_the_last(scripted):
    detector = scripted([[(10, 10, 60)]] * 4)
    found, _ = run(track_faces, moving_dot(12), FaceOptions(detect_every=5, max_gap=1))  # gaps below 5 cannot be meant
    assert len(detector.seen) == 4  # frames 0, 5, 10, 11
    assert [row.frame for row in found.rows] == list(range(12))
    assert [row.frame for row in found.rows if row.confidence is not None] == [0, 5, 10, 11]


def test_long_frames_are_all_looked_at(scripted):
    """Variable frame rate: after 0.2 s the detector looks again, however few frames that was."""
    times = [0.0, 0.04, 0.08, 0.12, 0.5, 0.9, 0.94, 0.98, 1.02]
    detector = scripted([[(10, 10, 60)]] * 6)
    frames = [Frame(np.zeros((90, 120, 3), np.uint8), time) for time in times]
    found, _ = run(track_faces, frames, FaceOptions(detect_every=3))
    assert len(detector.seen) == 5
    assert [row.frame for row in found.rows if row.confidence is not None] == [0, 3, 4, 5, 8]
    assert [row.time for row in found.rows] == times


@pytest.mark.parametrize("rate", [2, 3, 5, 5.5, 6, 8, 10, 12.5, 15, 24, 25, 29.97, 30, 50, 60, 120])
@pytest.mark.parametrize("start", [0.0, 0.3, 7.1])
@pytest.mark.parametrize("detect_every", [3, 7, 1000])
def test_never_more_than_a_fifth_of_a_second_goes_by_unseen(scripted, rate, start, detect_every):
    """Unless a single frame lasts longer: below 5 frames a second every one is looked at."""
    times = [start + n / rate for n in range(60)]
    scripted([[(10, 10, 60)]] * 60)
    frames = [Frame(np.zeros((9, 12, 3), np.uint8), time) for time in times]
    found, _ = run(track_faces, frames, FaceOptions(detect_every=detect_every))
    assert [row.frame for row in found.rows] == list(range(60))  # what lies between two looks is filled
    looked = [row for row in found.rows if row.confidence is not None]
    steps = [(b.frame - a.frame, b.time - a.time) for a, b in zip(looked, looked[1:], strict=False)]
    assert max(seconds for _, seconds in steps) <= max(0.2, 1 / rate) + 1e-6
    # and no more often than that: one more frame would have been too long
    assert all(count == detect_every or seconds + 1 / rate > 0.2 for count, seconds in steps[:-1])


def test_frames_of_odd_lengths_are_looked_at_in_time(scripted):
    rng = np.random.default_rng(3)
    times = np.cumsum(rng.choice([0.01, 0.05, 0.09, 0.19, 0.21, 0.7], 300)).tolist()
    scripted([[(10, 10, 60)]] * 300)
    frames = [Frame(np.zeros((9, 12, 3), np.uint8), time) for time in times]
    found, _ = run(track_faces, frames, FaceOptions(detect_every=4))
    looked = [row.frame for row in found.rows if row.confidence is not None]
    assert looked[0] == 0 and looked[-1] == 299 and len(looked) < 280
    for a, b in zip(looked, looked[1:], strict=False):
        assert b - a == 1 or (b - a <= 4 and times[b] - times[a] <= 0.2 + 1e-6)


@pytest.mark.parametrize(("rate", "detect_every", "max_gap", "most"), [(25, 3, 12, 13), (25, 300, 12, 13)])
@pytest.mark.parametrize("seen", [True, False])
def test_few_pictures_are_kept(scripted, monkeypatch, rate, detect_every, max_gap, most, seen):
    """However seldom the detector is to look: 13 at the usual 12 of --max_gap (memory, 6 MB each at 1080p)."""
    assert kept_at_most(scripted, monkeypatch, rate, detect_every, max_gap, seen) == most


@pytest.mark.parametrize(("rate", "max_gap", "most"), [(25, 300, 25), (100, 3, 20), (100, 300, 100), (5, 300, 5)])
def test_pictures_of_a_second_at_most_are_kept(scripted, monkeypatch, rate, max_gap, most):
    assert kept_at_most(scripted, monkeypatch, rate, 300, max_gap, False) == most


def kept_at_most(scripted, monkeypatch, rate, detect_every, max_gap, seen):
    counts = []
    append = video_faces._Recent.append

    def counted(recent, picture, time):
        append(recent, picture, time)
        counts.append(len(recent.pictures))

    monkeypatch.setattr(video_faces._Recent, "append", counted)
    scripted([[(10, 10, 60)] if seen else []] * 400)
    frames = (Frame(np.zeros((9, 12, 3), np.uint8), n / rate) for n in range(400))
    run(track_faces, frames, FaceOptions(detect_every=detect_every, max_gap=max_gap))
    return max(counts)


@pytest.mark.parametrize(("gap", "filled"), [(6, True), (7, False)])
def test_max_gap_holds_however_seldom_the_detector_looks(scripted, gap, filled):
    """At 25 frames a second it looks at every 5th frame; one look finds nothing, so 9 frames are without a face."""
    scripted([[(0, 0, 50)], [], [(0, 0, 50)], [(0, 0, 50)]])
    options = FaceOptions(detect_every=300, max_gap=gap + 3 if filled else gap)
    found, _ = run(track_faces, moving_dot(16), options)
    expected = range(16) if filled else [0, *range(10, 16)]
    assert [row.frame for row in found.rows] == list(expected)


def test_filled_places_follow_the_time_not_the_frame_number(scripted):
    times = [0.0, 0.01, 0.15, 0.2]
    scripted([[(0, 0, 50)], [(20, 0, 50)]])
    found, _ = run(
        track_faces, [Frame(np.zeros((90, 120, 3), np.uint8), t) for t in times], FaceOptions(detect_every=3)
    )
    assert [row.box[0] for row in found.rows] == pytest.approx([0, 1, 15, 20])


def test_a_gap_of_few_frames_but_long_time_stays_open(scripted):
    times = [0.0, 0.5, 0.9, 1.0, 1.9, 2.1]
    scripted([[(0, 0, 50)], [], [(0, 0, 50)], [(0, 0, 50)], [], [(0, 0, 50)]])
    found, _ = run(
        track_faces, [Frame(np.zeros((90, 120, 3), np.uint8), t) for t in times], FaceOptions(detect_every=1)
    )
    assert [row.frame for row in found.rows] == [0, 1, 2, 3, 5]  # 0.9 s filled, 1.1 s not


def test_the_largest_most_persistent_face_is_kept(scripted):
    """Two people; the smaller one is there all the time. 20 x 40 = 800 against 8 x 90 = 720, then 9 x 90 = 810."""
    for together, box in ((8, 40.0), (9, 90.0)):
        scripted([[(0, 0, 40)] + ([(60, 0, 90)] if t < together else []) for t in range(20)])
        found, _ = run(track_faces, moving_dot(20), FaceOptions(detect_every=1))
        assert {row.box[2] for row in found.rows} == {box}
        assert len(found.rows) == (20 if box == 40 else together)


def test_the_detector_gets_rgb_and_faces_are_bgr(scripted):
    detector = scripted([[(20, 10, 60)]])
    _, faces = run(track_faces, [Frame(np.full((90, 120, 3), (250, 0, 0), np.uint8), 0.0)], FaceOptions())
    assert detector.seen[0][5, 5].tolist() == [0, 0, 250]
    assert faces[0][50, 50].tolist() == [250, 0, 0]


def test_weak_detections_do_not_count(scripted):
    detector = scripted([])
    detector.detect_faces = lambda picture: [detector.face(0, 0, 50, 0.89), detector.face(60, 0, 30, 0.9)]
    (face,) = video_faces.detect(detector, np.zeros((90, 90, 3), np.uint8))
    assert face.box == (60.0, 0.0, 30.0, 30.0) and face.confidence == 0.9


def test_a_frame_that_the_detector_stumbles_over_is_tried_with_a_border(scripted):
    detector = scripted([ValueError("could not broadcast"), [(50, 60, 40)]])
    (face,) = video_faces.detect(detector, np.full((60, 100, 3), 7, np.uint8))
    assert detector.seen[1].shape == (160, 200, 3) and face.box == (0.0, 10.0, 40.0, 40.0)
    assert face.landmarks[0].tolist() == [0 + int(40 * 34.5 / 112) + 0.5, 10 + int(40 * 38 / 112) + 0.5]


@pytest.mark.parametrize(("width", "reduced"), [(3839, 1), (3840, 2), (5761, 3)])
def test_large_pictures_are_looked_at_in_a_reduced_copy(scripted, width, reduced):
    detector = scripted([[(50, 60, 40)]])
    (face,) = video_faces.find_faces(np.zeros((90, width, 3), np.uint8), 60)
    assert detector.seen[0].shape == (90 // reduced, width // reduced, 3)
    stretch = width / (width // reduced)
    assert face.box == pytest.approx((50 * stretch, 60 * reduced, 40 * stretch, 40 * reduced))
    points = (TEMPLATE / 112 * 40).astype(int) + [50.5, 60.5]  # pixel centres of the reduced copy
    np.testing.assert_allclose(face.landmarks, (points + 0.5) * [stretch, reduced] - 0.5)


def test_pictures_that_change_their_size(scripted):
    scripted([[(10, 10, 60)], [(10, 10, 60)], []])
    sizes = [(90, 120), (200, 300), (1, 1)]
    found, faces = run(
        track_faces,
        [Frame(np.full((*size, 3), 9, np.uint8), n / 25) for n, size in enumerate(sizes)],
        FaceOptions(detect_every=1),
    )
    assert [row.frame for row in found.rows] == [0, 1] and faces[1][56, 56].tolist() == [9, 9, 9]


def test_the_real_detector_finds_nothing_in_a_pixel():
    found, _ = run(track_faces, [Frame(np.zeros((1, 1, 3), np.uint8), 0.0)] * 2, FaceOptions())
    assert (found.rows, found.frames) == ([], 2)


# ---------------------------------------------------------------- images


def images(count):
    return [Frame(np.full((90, 120, 3), 10 * n, np.uint8), None, f"{n}.png") for n in range(count)]


def test_every_image_gives_one_face(scripted):
    script = [
        [(0, 0, 40), (60, 0, 50)],  # the left one is the main track: 3 x 40 > 50
        [(2, 0, 40)],
        [],  # no face: no picture, nothing is filled in
        [(3, 0, 40)],
        [(70, 40, 45)],  # alone in its image, somewhere else
        [(0, 60, 20), (80, 60, 30)],  # neither is the main track: the larger one
    ]
    scripted(script)
    found, faces = run(pick_faces, images(6), FaceOptions())
    assert [(row.frame, row.box[0], row.image) for row in found.rows] == [
        (0, 0.0, "0.png"),
        (1, 2.0, "1.png"),
        (3, 3.0, "3.png"),
        (4, 70.0, "4.png"),
        (5, 80.0, "5.png"),
    ]
    assert all(row.time is None and row.confidence == 0.95 for row in found.rows)
    assert found.frames == 6 and [face[56, 56, 0] for face in faces] == [0, 10, 30, 40, 50]


def test_no_face_in_any_image(scripted):
    scripted([[], []])
    found, faces = run(pick_faces, images(2), FaceOptions())
    assert (found.rows, found.positions, found.frames, faces) == ([], [], 2, [])
