"""Feature files, saved replies and packed caches: ``.npy`` files with any header and any content."""

from __future__ import annotations

import io
import shutil
import struct

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from toolkit.data.cache import FeatureStore, cache_path
from toolkit.data.features import read_feature
from toolkit.openset.replies import ReplyStore

DESCRS = ["'<f4'", "'>f8'", "'|O'", "'<U3'", "'|S2'", "[('a', '<f4')]", "[('a', '|O')]", "'<M8[s]'", "'|b1'", "'<f2'"]
DESCRS += ["'<c8'", "'|V4'", "'x'", "1", "None", "('<f4', (2,))", "__import__('os').system('true')", "'<i8'", "'<f16'"]
SHAPES = [
    "()",
    "(2,)",
    "(1, 2)",
    "(2, 0)",
    "(-1,)",
    "(2**70,)",
    "(1000000000000, 2)",
    "(2, 3, 1)",
    "[2]",
    "2",
    "('a',)",
    "None",
]
KEYS = ["'descr'", "'fortran_order'", "'shape'", "'other'", "b'descr'", "0"]
HEADERS = st.builds(
    lambda descr, order, shape, last: f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, {last}}}\n",
    st.sampled_from(DESCRS),
    st.sampled_from(["False", "True", "0", "'no'"]),
    st.sampled_from(SHAPES),
    st.sampled_from(["", "", "", "'x': 1"]),
)
LOOSE = st.lists(st.sampled_from([*DESCRS, *SHAPES, *KEYS, *"{}()[]:,'\\\n #", "-" * 50, "(" * 300]), max_size=8).map(
    "".join
)


def npy(header: str, version: tuple[int, int], length: int | None, data: bytes) -> bytes:
    """An ``.npy`` file, its header's length as stated or as it is."""
    text = header.encode("utf-8")
    stated = len(text) if length is None else length
    size = struct.pack("<H" if version == (1, 0) else "<I", stated % (1 << 16))
    return b"\x93NUMPY" + bytes(version) + size + text + data


FILES = st.builds(
    npy,
    HEADERS | LOOSE,
    st.sampled_from([(1, 0), (2, 0), (3, 0), (9, 9)]),
    st.none() | st.integers(0, 70_000),
    st.binary(max_size=24),
)


@given(FILES | st.binary(max_size=80))
@example(b"")
@example(b"PK\x03\x04")
@example(b"\x80\x04N.")
def test_any_feature_file_is_rows_or_an_error(tmp_path, outcome, data):
    (tmp_path / "a-UTT").mkdir(exist_ok=True)
    path = tmp_path / "a-UTT" / "the clip.npy"
    path.write_bytes(data)
    rows = outcome(lambda _: read_feature(path.parent, "the clip"), path)
    if not isinstance(rows, Exception):
        assert rows.dtype == np.float32 and rows.ndim == 2 and rows.size and np.isfinite(rows).all()


@given(FILES | st.binary(max_size=80))
def test_any_reply_file_is_a_text_or_a_note(tmp_path, outcome, data):
    folder = tmp_path / "openset-synonym"
    folder.mkdir(exist_ok=True)
    path = folder / "clip.npy"
    path.write_bytes(data)
    found = outcome(lambda _: ReplyStore.at(folder).load(["clip"]), path)
    assert len(found.texts) + len(found.notes) == 1
    assert all(isinstance(text, str) and text.encode("utf-8") is not None for text in found.texts.values())
    assert all(str(path) in note for note in found.notes)


@given(FILES, st.integers(0, 2))
def test_one_bad_file_spoils_no_packed_folder(tmp_path, outcome, data, number):
    folder = tmp_path / "features" / "a-UTT"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for index in range(3):
        np.save(folder / f"clip{index}.npy", np.full(2, index, np.float32))
    path = folder / f"clip{number}.npy"
    path.write_bytes(data)
    good = [f"clip{index}" for index in range(3) if index != number]

    def read(_):
        (reader,) = FeatureStore().readers([folder], good)
        return reader.rows(f"clip{number}"), reader.utterances(good)

    found = outcome(read, path)
    if not isinstance(found, Exception):
        assert found[1][:, 0].tolist() == [int(name[-1]) for name in good]


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=3), st.integers(0, 400))
def test_a_damaged_cache_is_made_again(tmp_path, outcome, changes, cut):
    """Its header, index and trailer are guarded (by a checksum), the rows between them are not."""
    folder = tmp_path / "features" / "a-UTT"
    names = ["a", "b"]
    if not folder.exists():
        folder.mkdir(parents=True)
        for index, name in enumerate(names):
            np.save(folder / f"{name}.npy", np.full((2, 3), index, np.float32))
    (reader,) = FeatureStore().readers([folder], names)
    expected = reader.utterances(names)
    path = cache_path(folder)
    whole = bytearray(path.read_bytes())
    rows = range(128, 128 + 4 * 3 * 4)
    places = [place for place in range(len(whole)) if place not in rows]
    for place, value in changes:
        whole[places[place % len(places)]] = value
    path.write_bytes(bytes(whole[: len(whole) - cut] if cut % 2 else whole))

    def read(_):
        (again,) = FeatureStore().readers([folder], names)
        return again.utterances(names)

    assert np.array_equal(outcome(read, path), expected)


def test_a_reply_of_any_header_is_no_pickle(tmp_path):
    """An object array would be unpickled by a careless reader."""
    stream = io.BytesIO()
    np.save(stream, np.array([print], dtype=object), allow_pickle=True)
    (tmp_path / "clip.npy").write_bytes(stream.getvalue())
    found = ReplyStore.at(tmp_path).load(["clip"])
    assert found.texts == {} and "holds object of shape (1,)" in found.notes[0]
