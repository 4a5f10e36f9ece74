"""Label files: the reference's format in both directions, and nothing in them ever runs."""

import os
import pickle

import numpy as np
import pytest

from toolkit.data.labels import read_labels, write_labels
from toolkit.dataloader.corpora import CORPORA
from toolkit.utils.errors import UserError

TRAIN = {"b clip": {"emo": "happy", "val": 1.5}, "a.clip": {"emo": "sad", "val": -10}}


def test_round_trip_keeps_order_and_values(tmp_path):
    path = tmp_path / "label-6way.npz"
    write_labels(path, {"train_corpus": TRAIN, "test1_corpus": {}})
    found = read_labels(path)
    assert list(found) == ["train_corpus", "test1_corpus"]
    assert list(found["train_corpus"].items()) == list(TRAIN.items())


def test_the_written_file_is_the_reference_format(tmp_path):
    path = tmp_path / "label-6way.npz"
    write_labels(path, {"train_corpus": TRAIN})
    array = np.load(path, allow_pickle=True)["train_corpus"]
    assert array.shape == () and array.dtype == object
    assert array.tolist() == TRAIN


@pytest.mark.parametrize("value", [np.float64(0.5), np.int64(3), np.str_("x"), np.array([1.0, 2.0]), 2, None])
def test_files_of_the_reference_load(tmp_path, value):
    path = tmp_path / "label.npz"
    np.savez_compressed(path, train_corpus={"clip": {"emo": value, "val": np.float32(-10)}})
    found = read_labels(path)["train_corpus"]["clip"]
    assert found["val"] == -10
    assert np.array_equal(found["emo"], value)


@pytest.mark.parametrize("protocol", range(5))
def test_every_pickle_protocol_loads(tmp_path, protocol):
    content = {"clip": {"emo": np.int64(4), "val": np.float64(0.25)}}
    _write_pickle(tmp_path / "label.npz", pickle.dumps(content, protocol=protocol))
    assert read_labels(tmp_path / "label.npz")["train_corpus"] == content


def _write_pickle(path, data):
    """An .npz whose train_corpus is a 0-d object array with the pickle `data`."""
    import io
    import zipfile

    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"shape": (), "fortran_order": False, "descr": "|O"})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train_corpus.npy", header.getvalue() + data)


class _Runs:
    """Pickles to a call of os.mkdir: what a hostile file would do."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (os.mkdir, (str(self.target),))


def test_executable_content_is_refused_and_does_not_run(tmp_path):
    target = tmp_path / "made by the pickle"
    np.savez(tmp_path / "label.npz", train_corpus={"clip": {"emo": _Runs(target), "val": 0}})
    with pytest.raises(UserError, match=r"label\.npz: train_corpus: refers to (posix|nt)\.mkdir"):
        read_labels(tmp_path / "label.npz")
    assert not target.exists()


@pytest.mark.parametrize("call", ["builtins.eval", "builtins.getattr", "os.system", "numpy.load", "functools.partial"])
def test_named_functions_are_refused(tmp_path, call):
    module, _, name = call.rpartition(".")
    _write_pickle(tmp_path / "label.npz", f"c{module}\n{name}\n.".encode())
    with pytest.raises(UserError, match=f"refers to {module}.{name}"):
        read_labels(tmp_path / "label.npz")


def test_an_object_scalar_is_refused(tmp_path):
    hostile = pickle.dumps(np.dtype(object), protocol=2)[:-1] + b"Cxxxx"  # a dtype, then nothing valid
    _write_pickle(tmp_path / "label.npz", hostile)
    with pytest.raises(UserError, match="train_corpus cannot be read"):
        read_labels(tmp_path / "label.npz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"clip": "happy"}, "the label of 'clip' is 'happy'"),
        ({"../clip": {"emo": 1, "val": 0}}, "not a usable sample name"),
        ({3: {"emo": 1, "val": 0}}, "3 is not a usable sample name"),
        (["clip"], "holds a list"),
    ],
)
def test_wrong_content_is_named(tmp_path, content, message):
    np.savez(tmp_path / "label.npz", train_corpus=np.array(None, dtype=object))
    _write_pickle(tmp_path / "label.npz", pickle.dumps(content))
    with pytest.raises(UserError, match=message):
        read_labels(tmp_path / "label.npz")


def test_a_plain_array_is_no_label_file(tmp_path):
    np.savez(tmp_path / "label.npz", train_corpus=np.zeros(3))
    with pytest.raises(UserError, match=r"train_corpus is an array \(3,\) of float64"):
        read_labels(tmp_path / "label.npz")


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_labels(tmp_path / "label.npz")
    (tmp_path / "label.npz").write_bytes(b"half a file")
    with pytest.raises(UserError, match=r"label\.npz: not an \.npz label file"):
        read_labels(tmp_path / "label.npz")


def test_an_unknown_emotion_names_sample_and_choices():
    with pytest.raises(UserError, match="'clip' has the unknown emotion 'hapy'; known: neutral, angry, happy"):
        CORPORA["MER2024"].class_indices({"clip": {"emo": "hapy"}}, "label-6way.npz")
    assert CORPORA["MER2024"].class_indices({"a": {"emo": "neutral"}, "b": {"emo": "surprise"}}, "").tolist() == [0, 5]
