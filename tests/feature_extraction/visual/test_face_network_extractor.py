"""Batches of faces over clips, on a tiny network."""

import functools
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from feature_extraction.contract import SampleError
from feature_extraction.save_loop import run_extraction
from feature_extraction.visual import prepared_faces
from feature_extraction.visual.checkpoint_place import CheckpointPlace
from feature_extraction.visual.face_network_extractor import FaceNetworkExtractor
from feature_extraction.visual.face_networks import FaceNetwork, ferplus_network
from feature_extraction.visual.picture_transforms import FaceView
from feature_extraction.visual.prepared_faces import FaceLoad, in_chunks

CPU = torch.device("cpu")
VIEW = FaceView(16, short_side=20, mean=(0.1, 0.2, 0.3))
CHUNK = 4


class Corners(nn.Module):
    """Red, green and blue of the first pixel, and of the last."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def forward(self, pictures):
        self.sizes.append(len(pictures))
        return torch.cat([pictures[:, :, 0, 0], pictures[:, :, -1, -1]], dim=1)


def load_corners(path):
    return Corners()


NETWORK = FaceNetwork("corners", 6, CheckpointPlace("x", "y", "z"), VIEW, "two pixels", load_corners)


@pytest.fixture
def extractor(tmp_path):
    weights = tmp_path / "weights.pth"
    weights.touch()
    extractor = FaceNetworkExtractor(NETWORK, weights, CPU, chunk=CHUNK)
    extractor.prepare()
    return extractor


def test_clips_share_chunks_and_keep_their_rows(extractor, write_faces, random_faces, tmp_path):
    counts = [3, 0, CHUNK + 5, 1, CHUNK, 0]
    clips = [extractor.load(write_faces(tmp_path, f"c{i}", random_faces(n, i))) for i, n in enumerate(counts)]
    together = [rows for (rows,) in extractor.extract(clips)]
    assert extractor.model.sizes == [4, 4, 4, 4, 1]
    assert [rows.shape for rows in together] == [(n, 6) for n in counts]
    for i, (clip, rows) in enumerate(zip(clips, together, strict=True)):
        np.testing.assert_array_equal(extractor.extract([clip])[0][0], rows)
        seen = np.array([VIEW.picture(face) for face in random_faces(counts[i], i)]).reshape(-1, 16, 16, 3)
        expected = np.concatenate([seen[:, 0, 0], seen[:, -1, -1]], axis=1) / 255 - np.tile([0.1, 0.2, 0.3], 2)
        np.testing.assert_allclose(rows, expected, atol=1e-6)
    assert [rows.shape for (rows,) in extractor.extract([clips[1]])] == [(0, 6)]


def test_a_long_clip_is_read_piece_by_piece(extractor, write_faces, random_faces, tmp_path, monkeypatch):
    sample = write_faces(tmp_path, "long", random_faces(11, 3))
    whole = extractor.load(sample)
    monkeypatch.setattr(prepared_faces, "PREPARED_BYTES", 10 * 16 * 16 * 3)
    long = extractor.load(sample)
    assert whole.prepared.shape == (11, 16, 16, 3) and long.prepared is None and long.count == 11
    assert [len(pictures) for pictures in in_chunks([long], 4)] == [4, 4, 3]
    np.testing.assert_array_equal(extractor.extract([long, whole])[0][0], extractor.extract([whole])[0][0])
    np.testing.assert_array_equal(np.concatenate(list(in_chunks([long], 4))), whole.prepared)
    narrow = write_faces(tmp_path, "narrow", random_faces(11, 3, height=1, width=33))
    with pytest.raises(SampleError, match=r"\w+.npy: a picture of \d+ x \d+ pixels is no face"):
        extractor.load(narrow)


MEASURE = """
import resource, sys
from pathlib import Path
import torch
from torch import nn
from feature_extraction.contract import Sample
from feature_extraction.visual.face_network_extractor import FaceNetworkExtractor
from feature_extraction.visual.face_networks import MSCELEB

path = Path(sys.argv[1])
extractor = FaceNetworkExtractor(MSCELEB, path, torch.device("cpu"))
extractor.model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 512))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
((rows,),) = extractor.extract([extractor.load(Sample("long", path))])
assert rows.shape == (2000, 512)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ru_maxrss is in KiB on Linux only")
def test_memory_does_not_grow_with_the_length_of_a_clip(write_faces, random_faces, tmp_path):
    sample = write_faces(tmp_path, "long", random_faces(2000, 0, height=8, width=8))
    command = [sys.executable, "-c", MEASURE, str(sample.path)]
    grown = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert grown < 100  # MiB; the pictures have 287 as uint8 and 1,148 as float32, the rows 4


def names(batches):
    return [[sample.name for sample in batch] for batch in batches]


def test_batches_are_bounded_by_frames(extractor, write_faces, random_faces, tmp_path):
    samples = [write_faces(tmp_path, name, random_faces(n, 0)) for name, n in (("a", 100), ("b", 300), ("c", 90))]
    assert extractor.cost(samples[1]) == pytest.approx(300, rel=1e-3)
    assert names(extractor.plan(samples, 64, 512)) == [["b"], ["a", "c"]]
    extractor.device = torch.device("cuda")
    assert names(extractor.plan(samples, 64)) == [["b"], ["a", "c"]]
    assert names(extractor.plan(samples, 1)) == [["b"], ["a"], ["c"]]


def test_processes_on_a_cpu_share_the_clips_evenly(extractor, write_faces, random_faces, tmp_path):
    """Twelve clips: of two workers, each taking the next batch when it is free, the busier has half of the frames."""
    counts = [20, 57, 31, 44, 40, 22, 51, 36, 28, 49, 33, 41]
    samples = [
        write_faces(tmp_path, f"{i}", random_faces(count, 0, height=1, width=1)) for i, count in enumerate(counts)
    ]
    extractor.cost = lambda sample: float(counts[int(sample.name)])
    batches = extractor.plan(samples, 64)
    assert names(batches)[:3] == [["1"], ["6"], ["9"]] and len(batches) == 12  # the longest first, one clip each
    busy = [0, 0]
    for batch in batches:
        busy[busy.index(min(busy))] += sum(counts[int(sample.name)] for sample in batch)
    assert sum(busy) == 452 and max(busy) == 227  # of 226 at best
    assert max(map(len, extractor.plan(samples, 64, 512))) == 8  # what one batch would hold on a GPU
    counts[:] = [2] * 12
    assert [len(batch) for batch in extractor.plan(samples, 64)] == [8, 4]  # short clips share a batch of 16 frames


@pytest.mark.parametrize(("threads", "chunk"), [(1, 4), (2, 8), (64, 32)])
def test_faces_that_go_through_together_on_a_cpu(threads, chunk, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    asked, free = FaceNetworkExtractor(NETWORK, tmp_path, CPU, chunk=5), FaceNetworkExtractor(NETWORK, tmp_path, CPU)
    asked.prepare()
    free.prepare()
    assert (asked.chunk, free.chunk) == (5, chunk)
    copy = free.replica()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    copy.prepare()
    assert copy.chunk == 4  # by the threads of the process that it is in


def test_levels_a_clip_without_faces_and_a_bad_one(extractor, write_faces, random_faces, tmp_path):
    samples = [
        write_faces(tmp_path, "clip $1 'x'", random_faces(4, 7)),
        write_faces(tmp_path, "none", random_faces(0, 7)),
        write_faces(tmp_path, "pixel", random_faces(2, 7, height=1, width=1)),
        write_faces(tmp_path, "bad", np.zeros(3)),
    ]
    for level in ("FRAME", "UTTERANCE"):
        report = run_extraction(extractor, samples, tmp_path, level, progress=False)
        assert report.done == 3 and [name for name, _ in report.failures] == ["bad"]
    frames = np.load(tmp_path / "corners-FRA" / "clip $1 'x'.npy")
    assert frames.shape == (4, 6)
    np.testing.assert_allclose(np.load(tmp_path / "corners-UTT" / "clip $1 'x'.npy"), frames.mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(np.load(tmp_path / "corners-UTT" / "none.npy"), np.zeros(6))
    np.testing.assert_array_equal(np.load(tmp_path / "corners-FRA" / "none.npy"), np.zeros((1, 6)))
    pixel = np.load(tmp_path / "corners-FRA" / "pixel.npy")
    np.testing.assert_array_equal(pixel[:, :3], pixel[:, 3:])  # one colour everywhere


def test_what_travels_to_worker_processes():
    network = ferplus_network("senet50_ferplus_dag", "pool5_7x7_s1")
    copy = pickle.loads(pickle.dumps(functools.partial(FaceNetworkExtractor, network, "path", CPU)))()
    assert copy.outputs[0].stem == "senet50face" and copy.outputs[0].width == 2048
    assert "pool5_7x7_s1" in copy.formula and isinstance(pickle.loads(pickle.dumps(copy.load)), FaceLoad)


def test_reduced_precision_is_close_and_float32_comes_out(tmp_path, write_faces, random_faces):
    found = {}
    for dtype in ("float32", "bfloat16"):
        network = FaceNetwork("conv", 4, NETWORK.place, FaceView(16), "", load_conv)
        extractor = FaceNetworkExtractor(network, tmp_path, CPU, dtype, chunk=2)
        extractor.prepare()
        clip = extractor.load(write_faces(tmp_path / dtype, "c", random_faces(3, 1)))
        ((found[dtype],),) = extractor.extract([clip])
        assert found[dtype].dtype == np.float32
    difference = np.abs(found["bfloat16"] - found["float32"]).max() / np.abs(found["float32"]).max()
    assert 1e-5 < difference < 2e-2


def load_conv(path):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 16), nn.Flatten()).eval()
