"""Label files and raw tables, whose pickles must never run code, crash the interpreter, or be half believed."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from toolkit.data.labels import read_labels, write_labels
from toolkit.preprocess.raw_pickle import RawPickle, read_pickle

LABELS = {"train_corpus": {"a": {"emo": "happy", "val": -10}, "b": {"emo": "sad", "val": np.float64(0.5)}}}


def put(text: str) -> bytes:
    """Pickle's opcode for a text."""
    data = text.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def canary(folder: Path) -> bytes:
    """Opcodes that would make the folder `ran` if anything called what they name."""
    return b"cos\nmkdir\n(" + put(str(folder / "ran")) + b"tR"


GLOBALS = [b"cos\nmkdir\n", b"cbuiltins\neval\n", b"cbuiltins\ngetattr\n", b"cnumpy\ndtype\n", b"cnumpy\nndarray\n"]
GLOBALS += [b"ccollections\nOrderedDict\n", b"cbuiltins\nset\n", b"cbuiltins\ncomplex\n", b"c_codecs\nencode\n"]
GLOBALS += [b"cnumpy.core.multiarray\n_reconstruct\n", b"cnumpy._core.multiarray\nscalar\n", b"cnumpy\nload\n"]
GLOBALS += [b"cnumpy._core.numeric\n_frombuffer\n", b"cbuiltins\nset.__class__\n", b"ctoolkit.data.labels\nnp.load\n"]
VALUES = [
    b"N",
    b"K\x01",
    b"I-1\n",
    b"\x88",
    b"F1e400\n",
    put("f8"),
    put("O"),
    put("V8"),
    put("S3"),
    put("<"),
    put("latin1"),
]
VALUES += [
    b"C\x08AAAAAAAA",
    put("emo"),
    put("a"),
    b"]",
    b"}",
    b")",
    b"(",
    b"\x8f",
    b"J\xff\xff\xff\x7f",
    put("eval('1')"),
]
ACTIONS = [
    b"R",
    b"b",
    b"t",
    b"\x85",
    b"\x86",
    b"\x87",
    b"a",
    b"s",
    b"u",
    b"e",
    b"0",
    b"1",
    b"2",
    b"\x81",
    b"\x92",
    b"\x93",
]
ACTIONS += [
    b"o",
    b"l",
    b"d",
    b"\x90",
    b"\x91",
    b"q\x00",
    b"h\x00",
    b"Q",
    b"Px\n",
    b"\x82\x01",
    b"\x97",
    b"\x98",
    b"\x94",
]
PROGRAMS = st.lists(st.sampled_from(GLOBALS) | st.sampled_from(VALUES) | st.sampled_from(ACTIONS), max_size=25)
# Well-formed enough to get far: a call of something with some values, whose result is given a state.
CALLS = st.builds(
    lambda name, given, state: name + b"(" + b"".join(given) + b"tR(" + b"".join(state) + b"tb",
    st.sampled_from(GLOBALS),
    st.lists(st.sampled_from([*VALUES[:15], *GLOBALS]), max_size=4),
    st.lists(st.sampled_from(VALUES[:15]), max_size=9),
)
PICKLES = (PROGRAMS.map(b"".join) | st.lists(CALLS, min_size=1, max_size=3).map(b"".join)).map(
    lambda program: b"\x80\x04" + program + b"."
)
HEADER = "{'descr': '|O', 'fortran_order': False, 'shape': (), }"


def label_file(path: Path, data: bytes) -> None:
    """An npz with one object array whose pickle is `data`."""
    header = HEADER.ljust(118 - 1) + "\n"
    member = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train_corpus.npy", member)


def check(found: object) -> None:
    """Labels are what they must be."""
    if not isinstance(found, Exception):
        for labels in found.values():
            assert type(labels) is dict and all(isinstance(name, str) and "emo" in row for name, row in labels.items())


@given(PICKLES)
def test_any_pickle_is_labels_or_an_error(tmp_path, outcome, data):
    path = tmp_path / "label-6way.npz"
    label_file(path, data)
    check(outcome(read_labels, path))


@given(PROGRAMS.map(b"".join), st.integers(0, 3))
def test_a_pickle_never_runs_what_it_names(tmp_path, outcome, data, place):
    path = tmp_path / "label-6way.npz"
    parts = [data, b"("] * 2
    parts.insert(place, canary(tmp_path))
    label_file(path, b"\x80\x04" + b"".join(parts) + b".")
    found = outcome(read_labels, path)
    assert isinstance(found, Exception)
    assert not (tmp_path / "ran").exists()
    label_file(path, b"\x80\x04" + canary(tmp_path) + b".")
    assert "refers to os.mkdir" in str(outcome(read_labels, path))
    assert not (tmp_path / "ran").exists()


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4), st.integers(0, 600))
def test_a_damaged_pickle_is_labels_or_an_error(tmp_path, outcome, changes, cut):
    content = np.array({"a": {"emo": "happy", "val": np.float64(1)}, "b": {"emo": 1, "val": np.array([1.5, 2])}})
    data = bytearray(pickle.dumps(content, protocol=3))
    for place, value in changes:
        data[place % len(data)] = value
    path = tmp_path / "label-6way.npz"
    label_file(path, bytes(data[:cut] if cut % 2 else data))
    check(outcome(read_labels, path))


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4), st.integers(0, 600))
def test_a_damaged_zip_is_labels_or_an_error(tmp_path, outcome, changes, cut):
    path = tmp_path / "label-6way.npz"
    write_labels(path, LABELS)
    assert read_labels(path) == LABELS
    data = bytearray(path.read_bytes())
    for place, value in changes:
        data[place % len(data)] = value
    path.write_bytes(bytes(data[:cut] if cut % 2 else data))
    found = outcome(read_labels, path)
    check(found)
    if not isinstance(found, Exception) and "train_corpus" in found:  # zip's own checksum guards the content
        assert found["train_corpus"] == LABELS["train_corpus"]


@given(PICKLES | st.binary(max_size=40))
def test_any_raw_table_is_clips_or_an_error(tmp_path, outcome, data):
    path = tmp_path / "CMUMOSI_features_raw_2way.pkl"
    path.write_bytes(data)
    assert isinstance(outcome(lambda place: read_pickle(place, 3), path), (RawPickle, Exception))


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=3), st.sampled_from([0, 2, 4])
)
def test_a_damaged_raw_table_is_clips_or_an_error(tmp_path, outcome, changes, protocol):
    table = ({"v": ["v_1"]}, {"v": np.array([1.5])}, {"v": ["s"]}, {"v": ["text"]}, {"v"}, set(), set())
    data = bytearray(pickle.dumps(table, protocol=protocol))
    assume(len(changes) <= len(data))
    for place, value in changes:
        data[place % len(data)] = value
    path = tmp_path / "CMUMOSI_features_raw_2way.pkl"
    path.write_bytes(bytes(data))
    found = outcome(lambda place: read_pickle(place, 3), path)
    if isinstance(found, RawPickle):
        assert all(np.isfinite(label) for clips in found.clips.values() for _, label, _ in clips)


def test_an_array_of_labels_survives_a_worker_process(tmp_path):
    write_labels(tmp_path / "label.npz", {"train_corpus": {"a": {"emo": np.array([1, 2]), "val": 0.5}}})
    labels = pickle.loads(pickle.dumps(read_labels(tmp_path / "label.npz")))  # as between processes of our own
    assert type(labels["train_corpus"]["a"]["emo"]) is np.ndarray
    assert labels["train_corpus"]["a"]["emo"].tolist() == [1, 2]


def test_numpy_itself_would_run_such_a_file(tmp_path):
    """The canary of these tests sings where nothing guards it."""
    pickle.load(io.BytesIO(b"\x80\x04" + canary(tmp_path) + b"."))
    assert (tmp_path / "ran").is_dir()
