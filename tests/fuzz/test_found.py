"""What the fuzz tests (and thinking about them) found, as fixed examples."""

from __future__ import annotations

import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from toolkit.data.cache import FeatureStore
from toolkit.data.corpus_file import CorpusFile, read_corpus_file, write_corpus_file
from toolkit.data.features import read_feature
from toolkit.data.labels import read_labels
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv


def _text(text):
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def _type(text):
    return b"cnumpy\ndtype\n(" + _text(text) + b"I00\nI01\ntR"


ADDRESS = b"C\x08AAAAAAAA"  # bytes that would be taken for the address of an object
# A type whose state says: one field of objects, and (the flags) no objects in it.
DECEIT = b"(I3\n" + _text("|") + b"N(" + _text("a") + b"t}" + _text("a") + b"(" + _type("O") + b"I0\ntsI8\nI1\nI0\ntb"
ARRAY = b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\nt" + b"C\x01btR"
CRASHES = {
    "an array made over raw bytes": b"cnumpy\nndarray\n((I1\nt" + _text("O") + ADDRESS + b"tR",
    "an array with a deceitful type": ARRAY + b"(I1\n(I1\nt" + _type("V8") + DECEIT + b"I00\n" + ADDRESS + b"tb",
    "a scalar with a deceitful type": b"cnumpy._core.multiarray\nscalar\n(" + _type("V8") + DECEIT + ADDRESS + b"tR",
    "a buffer with a deceitful type": b"cnumpy._core.numeric\n_frombuffer\n("
    + (ADDRESS + _type("V8") + DECEIT + b"(I1\nt" + _text("C") + b"tR"),
    "objects out of bytes": ARRAY + b"(I1\n(I1\nt" + _type("O") + b"I00\n" + ADDRESS + b"tb",
    "fewer objects than the shape says": ARRAY + b"(I1\n(I9\nt" + _type("O") + b"I00\n]tb",
    "a shape below zero": ARRAY + b"(I1\n(I-1\nI-8\nt" + _type("f8") + b"I00\n" + ADDRESS + b"tb",
}


@pytest.mark.parametrize("what", CRASHES)
def test_a_label_file_cannot_plant_addresses(what, tmp_path):
    """Four of these ended the interpreter with a segmentation fault: so it runs in a process of its own."""
    path = tmp_path / "label-6way.npz"
    header = "{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117) + "\n"
    member = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
    pickled = b"\x80\x03}" + _text("clip") + b"}" + _text("emo") + CRASHES[what] + b"ss."
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train_corpus.npy", member + pickled)
    code = "import sys\nfrom toolkit.data.labels import read_labels\nprint(repr(read_labels(sys.argv[1])))"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert done.returncode == 1, done.returncode
    assert "UserError" in done.stderr.splitlines()[-1] and str(path) in done.stderr.splitlines()[-1]


def test_an_ordered_dict_cannot_replace_its_methods(tmp_path):
    """``items`` of the file's own choice was called, and was no function."""
    path = tmp_path / "label-6way.npz"
    header = "{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117) + "\n"
    member = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
    pickled = b"\x80\x03ccollections\nOrderedDict\n)R}" + _text("items") + b"I1\nsb."
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train_corpus.npy", member + pickled)
    with pytest.raises(UserError, match="train_corpus cannot be read"):
        read_labels(path)


BAD_HEADERS = {
    "a bracket that is never closed": b"\x93NUMPY\x01\x00\x02\x00({",
    "brackets without end": b"\x93NUMPY\x01\x00\xe8\x03" + b"(" * 1000,
    "the head of a zip": b"PK\x03\x04",
    "more numbers than there is memory": b"\x93NUMPY\x01\x00\x76\x00"
    + b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999, 2), }".ljust(117)
    + b"\n",
}


@pytest.mark.parametrize("what", BAD_HEADERS)
def test_a_bad_feature_file_is_named(what, tmp_path):
    (tmp_path / "clip.npy").write_bytes(BAD_HEADERS[what])
    with pytest.raises(UserError, match=r"clip\.npy: not a readable \.npy array"):
        read_feature(tmp_path, "clip")


@pytest.mark.parametrize("what", BAD_HEADERS)
def test_a_bad_feature_file_stops_nobody_who_does_not_ask_for_it(what, tmp_path):
    """A header that numpy cannot tokenise ended the packing of the whole folder."""
    folder = tmp_path / "features" / "a-UTT"
    folder.mkdir(parents=True)
    np.save(folder / "good.npy", np.array([1, 2], np.float32))
    (folder / "clip.npy").write_bytes(BAD_HEADERS[what])
    (reader,) = FeatureStore().readers([folder], ["good"])
    assert reader.rows("good").tolist() == [[1, 2]]
    with pytest.raises(UserError, match=r"clip\.npy"):
        reader.rows("clip")


def test_line_ends_inside_a_cell_stay_as_they_are(tmp_path):
    (tmp_path / "a.csv").write_bytes(b'name,text\r\n1,"a\r\nb"\r\n2,"a\rb"\r\n')
    assert [row["text"] for row in read_csv(tmp_path / "a.csv")] == ["a\r\nb", "a\rb"]


@pytest.mark.parametrize("value", ["2024-02-31", "!!float .", "!!bool x", "!!timestamp x", "9" * 5000])
def test_a_value_that_yaml_cannot_make_is_an_error_with_the_file(value, tmp_path):
    path = tmp_path / "My-dataset-process" / "corpus.yaml"
    path.parent.mkdir()
    path.write_text(f"name: {value}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"corpus\.yaml: not a readable yaml file"):
        read_corpus_file(path)


@pytest.mark.parametrize("outputs", ["[2.0, 0]", "[2, false]"])
def test_outputs_are_integers(outputs, tmp_path):
    path = tmp_path / "My-dataset-process" / "corpus.yaml"
    path.parent.mkdir()
    write_corpus_file(path, CorpusFile("My", ("a", "b"), (2, 0), "emo", "random5", "train_corpus"))
    text = path.read_text(encoding="utf-8")
    assert "outputs: [2, 0]" in text
    path.write_text(text.replace("outputs: [2, 0]", f"outputs: {outputs}"), encoding="utf-8")
    assert [type(number) for number in read_corpus_file(path).outputs] == [int, int]
