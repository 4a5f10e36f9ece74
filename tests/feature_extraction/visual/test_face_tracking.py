import numpy as np
import pytest

from feature_extraction.visual.face_tracking import Face, FaceLinker, overlap

SHAPE = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])


def face(x, y, size, confidence=0.99):
    return Face((x, y, size, size), SHAPE * size + [x, y], confidence)


def run(detections, max_gap=12):
    """`detections`: frame -> faces; returns the linker and all steps of each track."""
    linker = FaceLinker(max_gap)
    steps = {}
    for frame in sorted(detections):
        for track in linker.update(frame, detections[frame]):
            steps.setdefault(track, []).extend(linker.tracks[track].steps)
    return linker, steps


def test_overlap_by_hand():
    assert overlap((0, 0, 10, 10), (5, 0, 10, 10)) == pytest.approx(50 / 150)
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert overlap((0, 0, 10, 10), (10, 0, 10, 10)) == 0
    assert overlap((0, 0, 0, 0), (0, 0, 0, 0)) == 0


def test_landmarks_and_box_are_interpolated_linearly():
    _, steps = run({0: [face(0, 0, 100)], 4: [face(8, 4, 104)]})
    assert [frame for frame, _ in steps[0]] == [0, 1, 2, 3, 4]
    first_quarter = steps[0][1][1]
    assert first_quarter.confidence is None and steps[0][4][1].confidence == 0.99
    assert first_quarter.box == (2.0, 1.0, 101.0, 101.0)
    np.testing.assert_allclose(first_quarter.landmarks, 0.75 * SHAPE * 100 + 0.25 * (SHAPE * 104 + [8, 4]))


@pytest.mark.parametrize(("gap", "filled"), [(5, True), (6, False)])
def test_a_gap_is_filled_up_to_its_limit_and_the_person_stays_the_same(gap, filled):
    _, steps = run({3: [face(0, 0, 100)], 4 + gap: [face(0, 0, 100)]}, max_gap=5)
    expected = list(range(3, 5 + gap)) if filled else [3, 4 + gap]
    assert [frame for frame, _ in steps[0]] == expected
    assert list(steps) == [0]


def test_no_face_at_all():
    linker, steps = run({0: [], 1: []})
    assert linker.main() is None and steps == {}


def test_two_people_keep_their_tracks_when_the_order_of_detections_changes():
    left, right = face(0, 0, 100), face(200, 0, 100)
    linker, steps = run({0: [left, right], 1: [right, left], 2: [left], 3: [right, left]})
    assert len(linker.tracks) == 2
    assert [frame for frame, _ in steps[0]] == [0, 1, 2, 3] and {f.box[0] for _, f in steps[0]} == {0}
    assert {f.box[0] for _, f in steps[1]} == {200}


def test_the_best_overlap_takes_the_track():
    linker, steps = run({0: [face(0, 0, 100)], 1: [face(30, 0, 100), face(5, 0, 100)]})
    assert len(linker.tracks) == 2
    assert steps[0][-1][1].box[0] == 5 and steps[1][0][1].box[0] == 30


def test_a_jump_starts_a_new_track():
    linker, _ = run({0: [face(0, 0, 100)], 1: [face(60, 0, 100)]})  # overlap 40 / 160 = 0.25
    assert len(linker.tracks) == 2
    linker, _ = run({0: [face(0, 0, 100)], 1: [face(50, 0, 100)]})  # overlap 50 / 150 = 0.33
    assert len(linker.tracks) == 1


def test_the_larger_of_two_equally_long_tracks_is_the_main_one():
    linker, _ = run({t: [face(0, 0, 80), face(200, 0, 90)] for t in range(10)})
    assert linker.main() == 1


def test_persistence_beats_size_when_it_outweighs_it():
    small, large = face(0, 0, 60), face(200, 0, 120)
    for frames_of_large, main in ((9, 0), (11, 1)):  # 20 x 60 = 1200 against 9 x 120 and 11 x 120
        linker, _ = run({t: [small] + ([large] if t < frames_of_large else []) for t in range(20)})
        assert linker.main() == main


def test_filled_frames_count_for_persistence():
    often = {t: [face(0, 0, 80)] for t in range(0, 9)}
    linker, _ = run(often | {0: [face(0, 0, 80), face(200, 0, 79)], 9: [face(200, 0, 79)]})  # 9 x 80 against 10 x 79
    assert linker.main() == 1


def test_among_equals_the_earlier_then_the_left_one():
    linker, _ = run({0: [face(300, 0, 80), face(0, 0, 80)]})
    assert linker.main() == 1  # both in frame 0: the left one
    linker, _ = run({0: [face(300, 0, 80)], 1: [face(0, 0, 80)]})
    assert linker.main() == 0  # the earlier one
