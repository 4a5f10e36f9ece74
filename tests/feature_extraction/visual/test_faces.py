"""The face step on the demo clips, and on videos that are none."""

import csv
import errno
import itertools
import os
import shutil
import wave

import av
import cv2
import numpy as np
import pytest

from feature_extraction.contract import Sample
from feature_extraction.shards import Shard
from feature_extraction.visual import extract_openface, faces, video_faces
from feature_extraction.visual.face_alignment import TEMPLATE
from feature_extraction.visual.face_clips import image_folder_samples, video_samples
from feature_extraction.visual.face_files import csv_row, is_whole
from feature_extraction.visual.face_frames import VideoFrames
from feature_extraction.visual.face_preview import write_contact_sheets
from feature_extraction.visual.face_spool import FaceSpool
from feature_extraction.visual.faces import MtcnnBackend, extract_faces
from feature_extraction.visual.video_faces import FaceOptions, FaceRow, track_faces
from toolkit.globals import PATH_TO_REPOSITORY

DEMO = sorted((PATH_TO_REPOSITORY / "demo" / "mer2024-dataset" / "video-labeled").glob("*.mp4"))
ODD = """it's "a" $HOME clip.v2 %03d; x"""
MTCNN = MtcnnBackend()


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
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name[0] != "."]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


# ---------------------------------------------------------------- one video


def test_demo_clip_has_an_upright_centred_face_in_every_frame():
    with FaceSpool() as spool:
        found = track_faces(VideoFrames(DEMO[0]), FaceOptions(), spool)
        faces = [spool.read(position).copy() for position in found.positions]
    count = len(read_frames(DEMO[0]))
    assert found.frames == count > 20
    assert [row.frame for row in found.rows] == list(range(count))
    measured = [row.frame for row in found.rows if row.confidence is not None]
    assert measured == sorted({*range(0, count, 3), count - 1})
    # Found again by the detector inside the aligned picture, the landmarks lie on the template.
    for face in faces[:: count // 5]:
        (again,) = video_faces.detect(
            video_faces._detector(60), cv2.copyMakeBorder(face, 56, 56, 56, 56, cv2.BORDER_REPLICATE)
        )
        assert np.abs(again.landmarks - 56 - TEMPLATE).max() < 8
        assert np.abs((again.landmarks - 56 - TEMPLATE).mean(axis=0)).max() < 3


def test_csv_rows_by_hand():
    rows = [
        FaceRow(0, 0.0, 0.98765, (1, 2, 3, 4)),
        FaceRow(2, 0.08, None, (1.5, 2, 3, 4)),
        FaceRow(3, None, 0.5, (0, 0, 0, 0), "a b.png"),
    ]
    assert [csv_row(row) for row in rows] == [
        (0, "0.0000", "0.9877", "1.00", "2.00", "3.00", "4.00", ""),
        (2, "0.0800", "", "1.50", "2.00", "3.00", "4.00", ""),
        (3, "", "0.5000", "0.00", "0.00", "0.00", "0.00", "a b.png"),
    ]


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
    report = extract_faces(video_samples(root / "video"), root / "openface_face", MTCNN, progress=False)
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
    assert sorted(os.listdir(root / "openface_face")) == sorted([".manifest.lock", ODD, "b", "failures.csv"])
    faces = np.load(root / "openface_face" / ODD / f"{ODD}.npy")
    assert faces.shape == (len(read_frames(DEMO[0])), 112, 112, 3)
    with open(root / "openface_face" / ODD / f"{ODD}.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frame"]) for row in rows] == list(range(len(faces))) and rows[25]["time_s"] == "1.0000"
    assert list(rows[0]) == ["frame", "time_s", "confidence", "x", "y", "w", "h"]


def test_one_worker_gives_the_same_bytes_as_two(corpus, tmp_path):
    root, _ = corpus
    extract_faces(video_samples(root / "video"), tmp_path, MTCNN, num_workers=1, progress=False)
    assert contents(tmp_path) == contents(root / "openface_face")


def test_the_longest_clips_are_begun_first(tmp_path, monkeypatch):
    samples = []
    for name, size in (("a", 30), ("b", 10), ("c", 50), ("d", 10)):
        (tmp_path / name).write_bytes(bytes(size))
        samples.append(Sample(name, tmp_path / name))
    samples.append(Sample("gone", tmp_path / "gone"))
    begun = []

    def run_each(function, items, num_workers):
        begun.extend(item.name for item in items)
        yield from ((at, item.name) for at, item in reversed(list(enumerate(items))))

    monkeypatch.setattr(faces, "run_each", run_each)
    found = dict(MTCNN.run(samples, tmp_path, False, 2))
    assert begun == ["c", "a", "b", "d", "gone"]  # among equals as they come
    assert found == {0: "a", 1: "b", 2: "c", 3: "d", 4: "gone"}  # positions are those of the caller


def test_finished_clips_are_skipped_and_broken_ones_done_again(corpus, tmp_path):
    root, _ = corpus
    folder = tmp_path / "faces"
    shutil.copytree(root / "openface_face", folder)
    whole, broken = folder / "b" / "b.npy", folder / ODD / f"{ODD}.npy"
    stamp = whole.stat().st_mtime_ns
    broken.write_bytes(broken.read_bytes()[:-1])
    samples = [sample for sample in video_samples(root / "video") if sample.name in (ODD, "b")]
    report = extract_faces(samples, folder, MTCNN, progress=False)
    assert (report.done, report.skipped, report.failures) == (1, 1, [])
    assert whole.stat().st_mtime_ns == stamp
    assert contents(folder) == contents(root / "openface_face")  # failures of clips not tried now are still listed
    report = extract_faces(samples[:1], folder, MTCNN, overwrite=True, progress=False)
    assert (report.done, report.skipped) == (1, 0)


def test_allow_empty_writes_an_empty_array(corpus, tmp_path):
    root, _ = corpus
    samples = [sample for sample in video_samples(root / "video") if sample.name == "grey noise"]
    assert extract_faces(samples, tmp_path, MTCNN, allow_empty=True, progress=False).exit_status == 0
    path = tmp_path / "grey noise" / "grey noise.npy"
    assert np.load(path).shape == (0, 112, 112, 3) and is_whole(path)
    assert extract_faces(samples, tmp_path, MTCNN, progress=False).skipped == 1


def test_a_clip_that_fails_now_keeps_no_older_faces(corpus, tmp_path):
    root, _ = corpus
    samples = [sample for sample in video_samples(root / "video") if sample.name in ("b", "grey noise", "text")]
    for name in ("grey noise", "text", "b"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / f"{name}.npy", np.zeros((3, 112, 112, 3), np.uint8))
        (tmp_path / name / f"{name}.csv").write_text("old")
    (tmp_path / "text" / "mine.txt").write_text("the user's own")
    assert extract_faces(samples, tmp_path, MTCNN, progress=False).skipped == 3
    report = extract_faces(samples, tmp_path, MTCNN, overwrite=True, progress=False)
    assert (report.done, [name for name, _ in report.failures]) == (1, ["grey noise", "text"])
    assert sorted(os.listdir(tmp_path)) == [".manifest.lock", "b", "failures.csv", "text"]
    assert os.listdir(tmp_path / "text") == ["mine.txt"]
    assert len(np.load(tmp_path / "b" / "b.npy")) > 20


def test_faces_of_any_size_are_whole_other_arrays_are_not(tmp_path):
    path = tmp_path / "a.npy"
    for shape in ((2, 112, 112, 3), (0, 112, 112, 3), (1, 256, 256, 3)):  # OpenFace can be told another size
        np.save(path, np.zeros(shape, np.uint8))
        assert is_whole(path)
    path.write_bytes(path.read_bytes()[:-1])
    assert not is_whole(path)
    for array in (np.zeros((2, 112, 112, 3)), np.zeros((112, 112, 3), np.uint8), np.zeros((2, 9, 9, 4), np.uint8)):
        np.save(path, array)
        assert not is_whole(path)
    np.savez(tmp_path / "a.npz", array)
    (tmp_path / "a.npz").rename(path)
    assert not is_whole(path) and not is_whole(tmp_path / "missing.npy")
    path.write_bytes(path.read_bytes()[:40])  # an archive, cut off
    assert not is_whole(path)


def test_shards_are_the_whole_corpus(corpus, tmp_path):
    root, report = corpus
    samples = video_samples(root / "video")
    parts = [Shard(index, 2).select(samples) for index in (1, 2)]
    assert all(parts)
    for part in parts:
        extract_faces(part, tmp_path, MTCNN, num_workers=1, progress=False)
    assert contents(tmp_path) == contents(root / "openface_face")  # failures.csv too


def test_a_folder_of_images_gives_the_faces_of_the_frames(tmp_path):
    """The frames of a video as lossless images: with detection on every frame the arrays are the same."""
    name = "it's a.clip $1"
    frames = read_frames(DEMO[1])[:12]
    (tmp_path / "images" / name).mkdir(parents=True)
    for number, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / "images" / name / f"f{number}.png"), frame)
    (tmp_path / "images" / name / "f99.png").write_bytes(b"damaged")
    (tmp_path / "images" / "empty").mkdir()
    report = extract_faces(image_folder_samples(tmp_path / "images"), tmp_path / "faces", MTCNN, progress=False)
    assert (report.done, [name for name, _ in report.failures]) == (1, ["empty"])
    assert report.examples == {"images that could not be read were left out": [name]}
    with FaceSpool() as spool:
        found = track_faces(itertools.islice(VideoFrames(DEMO[1]), 12), FaceOptions(detect_every=1), spool)
        expected = np.stack([spool.read(position) for position in found.positions])
    np.testing.assert_array_equal(np.load(tmp_path / "faces" / name / f"{name}.npy"), expected)
    with open(tmp_path / "faces" / name / f"{name}.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == [f"f{n}.png" for n in range(12)] and rows[3]["time_s"] == ""


def test_a_cut_off_clip_is_done_and_remarked(tmp_path):
    with (
        av.open(str(DEMO[0])) as source,
        av.open(str(tmp_path / "v.mp4"), "w", options={"movflags": "faststart"}) as sink,
    ):
        stream = sink.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                sink.mux(packet)
    data = (tmp_path / "v.mp4").read_bytes()
    (tmp_path / "v.mp4").write_bytes(data[: int(len(data) * 0.7)])
    samples = [Sample("v", tmp_path / "v.mp4")]
    report = extract_faces(samples, tmp_path / "faces", MTCNN, num_workers=1, progress=False)
    assert report.done == 1 and sum(report.notes.values()) >= 1
    assert 10 < len(np.load(tmp_path / "faces" / "v" / "v.npy")) < len(read_frames(DEMO[0]))


def test_a_full_disk_ends_the_run_and_keeps_older_faces(tmp_path):
    class FullDisk(MtcnnBackend):
        def run(self, samples, folder, allow_empty, num_workers):
            yield 0, OSError(errno.ENOSPC, "no space left on the disk", "a.npy")

    (tmp_path / "a").mkdir()
    np.save(tmp_path / "a" / "a.npy", np.zeros((1, 112, 112, 3), np.uint8))
    with pytest.raises(OSError, match="no space left"):
        extract_faces([Sample("a", tmp_path / "a.mp4")], tmp_path, FullDisk(), overwrite=True, progress=False)
    assert is_whole(tmp_path / "a" / "a.npy")


def test_script_and_preview(corpus, tmp_path, capsys):
    root, _ = corpus
    arguments = ["--dataset", "MER2024", "--type", "videoOne", "--backend", "mtcnn", "--data_root", str(root.parent)]
    arguments += ["--name_npy"]  # alone: all clips
    assert extract_openface.main([*arguments, "--preview", "5"]) == 1  # the bad clips are tried again
    out = capsys.readouterr().out
    assert "0 done, 2 already there, 3 failed" in out and "failed: text:" in out
    sheet = cv2.imread(str(root / "openface_preview" / "sheet_01.jpg"))
    assert sheet.shape == (2 * 128, 8 * 112, 3)
    names = sorted([ODD, "b"])
    faces = np.load(root / "openface_face" / names[1] / f"{names[1]}.npy")
    assert np.abs(sheet[128 + 16 :, -112:].astype(int) - faces[-1]).mean() < 6  # the last face of the second clip
    (tmp_path / "names.txt").write_text("b\nnobody\n")
    assert extract_openface.main([*arguments, str(tmp_path / "names.txt")]) == 1
    out = capsys.readouterr().out
    assert "0 done, 1 already there, 1 failed" in out and "failed: nobody: stands in" in out


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


def test_sheets_of_shards_and_of_other_sizes(tmp_path):
    np.save(tmp_path / "a.npy", np.full((2, 224, 224, 3), (10, 200, 90), np.uint8))
    for shard in ("sheet_", "sheet_1_of_2_", "sheet_2_of_2_", "sheet_1_of_2_"):
        (sheet,) = write_contact_sheets([("a", tmp_path / "a.npy")], tmp_path / "sheets", shard)
    names = ["sheet_01.jpg", "sheet_1_of_2_01.jpg", "sheet_2_of_2_01.jpg"]
    assert sorted(os.listdir(tmp_path / "sheets")) == names
    assert np.abs(cv2.imread(str(sheet))[17:, :110].astype(int) - (10, 200, 90)).max() < 8
