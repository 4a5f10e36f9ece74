from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import pytest

from toolkit.preprocess.raw_pickle import find_pickle, read_pickle
from toolkit.utils.errors import UserError

NAMES = {"v1": ["v1_1", "v1_2"], "v2": ["v2_1"]}
LABELS = {"v1": [1.5, -0.5], "v2": [0.0]}
SPEAKERS = {"v1": ["M", "F"], "v2": [""]}
SENTENCES = {"v1": ["one", "two"], "v2": ["three"]}


def table(**changes):
    parts = {"names": NAMES, "labels": LABELS, "speakers": SPEAKERS, "sentences": SENTENCES}
    parts |= {"train": {"v2", "v1"}, "test": set()}
    return tuple((parts | changes).values())


def put(path, value, protocol=2):
    path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol(tmp_path, protocol):
    found = read_pickle(put(tmp_path / "t.pkl", table(), protocol), splits=2)
    assert found.clips == {"v1": [("v1_1", 1.5, "one"), ("v1_2", -0.5, "two")], "v2": [("v2_1", 0.0, "three")]}
    assert found.splits == (["v1", "v2"], [])  # a set has no order: sorted
    assert found.of_videos(["v2", "v1"]) == [("v2_1", 0.0, "three"), ("v1_1", 1.5, "one"), ("v1_2", -0.5, "two")]


def test_plain_containers_and_numpy(tmp_path):
    named = defaultdict(list, NAMES)
    labels = OrderedDict(v1=np.array([[1.5], [-0.5]]), v2=[np.float32(0.0)])
    value = list(table(names=named, labels=labels, train=["v2", "v1"], test=np.array(["v1"])))
    found = read_pickle(put(tmp_path / "t.pkl", value), splits=2)
    assert [label for _, label, _ in found.of_videos(["v1", "v2"])] == [1.5, -0.5, 0.0]
    assert found.splits == (["v2", "v1"], ["v1"])  # a list keeps its order


def test_a_file_of_python_2(tmp_path):
    # protocol 2 as Python 2 writes it: byte strings, __builtin__.set, a numpy scalar of its old module
    head = b"\x80\x02(}U\x01v]U\x03v_1as}U\x01v]cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\x02f8K\x00K\x01\x87R"
    head += b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tbU\x08" + np.float64(2.5).tobytes() + b"\x86Ras"
    tail = (
        b"}U\x01v]U\x01Fas}U\x01v]U\x05caf\xe9!as" + b"c__builtin__\nset\n]U\x01va\x85R" + b"c__builtin__\nset\n]\x85R"
    )
    found = read_pickle(put(tmp_path / "t.pkl", head + tail + b"t."), splits=2)
    assert found.clips == {"v": [("v_1", 2.5, "café!")]}
    assert found.splits == (["v"], [])


# ---------------------------------------------------------------- nothing runs


class Runs:
    """Pickles to a call of os.mkdir: what a hostile file would do."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (os.mkdir, (str(self.target),))


@pytest.mark.parametrize("where", ["speakers", "sentences", "train"])
def test_a_hostile_file_does_not_run(tmp_path, where):
    target = tmp_path / "made by the pickle"
    put(tmp_path / "t.pkl", table(**{where: {"v1": Runs(target)}}))
    with pytest.raises(UserError, match=r"t\.pkl: refers to (posix|nt)\.mkdir"):
        read_pickle(tmp_path / "t.pkl", splits=2)
    assert not target.exists()
    pickle.loads((tmp_path / "t.pkl").read_bytes())  # the file does what it says when it is let
    assert target.exists()


@pytest.mark.parametrize(
    "call", ["builtins.eval", "__builtin__.eval", "builtins.getattr", "os.system", "collections.Counter", "numpy.load"]
)
def test_named_functions_are_refused(tmp_path, call):
    module, _, name = call.rpartition(".")
    put(tmp_path / "t.pkl", f"c{module}\n{name}\n.".encode())
    with pytest.raises(UserError, match="refers to .*: such a file must hold plain data only"):
        read_pickle(tmp_path / "t.pkl", splits=2)


# ---------------------------------------------------------------- wrong content


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"", "cannot be read (EOFError"),
        (b"not a pickle", "cannot be read (UnpicklingError"),
        (pickle.dumps(table())[:-20], "cannot be read ("),
        ({"a": 1}, "holds a dict, not the 6 parts"),
        (table()[:5], "holds 5 parts, not the 6 parts"),
        (table(labels=[1]), "names, labels and sentences are not dicts"),
        (
            table(labels={"v1": [1.0, 2.0]}),
            "video 'v2' has not as many names as labels and sentences (-1: none): [1, -1",
        ),
        (table(sentences={"v1": ["x"], "v2": ["y"]}), "video 'v1' has not as many names"),
        (table(labels={"v1": [1.0, "x"], "v2": [0]}), "the label of 'v1_2' is 'x', not a number"),
        (table(labels={"v1": [1.0, float("nan")], "v2": [0]}), "the label of 'v1_2' is nan, not a number"),
        (table(labels={"v1": [1.0, [1, 2]], "v2": [0]}), "the label of 'v1_2' is [1, 2], not a number"),
        (table(names={"v1": ["v1_1", "../x"], "v2": ["v2_1"]}), "clip 2 of video 'v1' is named '../x', which no file"),
        (table(names={"v1": ["v1_1", ""], "v2": ["v2_1"]}), "clip 2 of video 'v1' is named '', which no file"),
        (table(names={"v1": ["v1_1"] * 2, "v2": ["v2_1"]}), "clip 'v1_1' of video 'v1' has two labels: 1.5 and -0.5"),
        (table(train={"v3"}), "a split names the video 'v3', which has no clips"),
        (table(test=7), "a split is a int, not a set of videos"),
    ],
)
def test_wrong_content_is_named(tmp_path, value, message):
    path = put(tmp_path / "t.pkl", value)
    with pytest.raises(UserError) as caught:
        read_pickle(path, splits=2)
    assert str(caught.value).startswith(str(path)) and message in str(caught.value)


def test_the_first_folder_that_has_the_file(tmp_path):
    for folder in "ab":
        (tmp_path / folder).mkdir()
    assert find_pickle("t.pkl", (tmp_path / "a", tmp_path / "b")) is None
    put(tmp_path / "b" / "t.pkl", table())
    assert find_pickle("t.pkl", (tmp_path / "a", tmp_path / "b")) == tmp_path / "b" / "t.pkl"
    put(tmp_path / "a" / "t.pkl", table())
    assert find_pickle("t.pkl", (tmp_path / "a", tmp_path / "b")) == tmp_path / "a" / "t.pkl"


def test_a_set_of_videos_has_one_order_whatever_the_hash_seed(tmp_path):
    """Twenty names: the chance that a set of them comes sorted by itself is one in 2.4e18."""
    videos = [f"video{number:02d}" for number in range(20)]
    parts = [{video: [value] for video in videos} for value in ("", 0.0, "", "x")]
    parts[0] = {video: [f"{video}_1"] for video in videos}
    put(tmp_path / "t.pkl", (*parts, set(videos), frozenset(videos[5:])))
    code = (
        "import sys; from pathlib import Path; from toolkit.preprocess.raw_pickle import read_pickle\n"
        "for split in read_pickle(Path(sys.argv[1]), 2).splits: print(*split)\n"
    )
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "t.pkl")],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).resolve().parents[3],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines() == [" ".join(videos), " ".join(videos[5:])]
