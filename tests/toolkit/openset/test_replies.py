"""Saved replies: the format, folders and zips, what is passed over and why."""

import io
import random
import zipfile

import numpy as np
import pytest

from toolkit.openset.replies import ReplyStore, default_root, read_reply
from toolkit.utils.errors import UserError


def _npy(value, allow_pickle=False):
    file = io.BytesIO()
    np.save(file, value, allow_pickle=allow_pickle)
    return file.getvalue()


def _zip(path, members):
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


@pytest.mark.parametrize("name", ["a", "a.b", "with blank", 'it\'s "$HOME"', "开心"])
def test_round_trip_in_the_baselines_format(tmp_path, name):
    store = ReplyStore.at(tmp_path / "replies")
    store.save(name, "[['开心', \"it's\"]]\n")
    saved = np.load(tmp_path / "replies" / f"{name}.npy")
    assert saved.shape == () and saved.dtype.kind == "U" and saved.item() == "[['开心', \"it's\"]]\n"
    assert store.load([name, "other"]).texts == {name: "[['开心', \"it's\"]]\n"}


def test_nothing_but_one_text_is_read():
    assert read_reply(_npy(np.array("x"))) == "x"
    assert read_reply(_npy(np.array(["x"]))) == "x"
    assert read_reply(_npy(np.array("é".encode()))) == "é"
    for bad in (np.array(1.5), np.array(["x", "y"]), np.zeros(0, "U3")):
        with pytest.raises(ValueError, match="not one text"):
            read_reply(_npy(bad))
    with pytest.raises(ValueError, match="not one text"):  # a pickle inside
        read_reply(_npy(np.array({"a": 1}, dtype=object), allow_pickle=True))
    for damaged in (b"", b"hello", _npy(np.array("hello"))[:-3]):
        with pytest.raises((ValueError, EOFError, OSError)):
            read_reply(damaged)


def test_a_header_that_claims_gigabytes_is_refused():
    data = _npy(np.array("abc"))
    huge = data.replace(b"'<U3'", b"'<U99999999'").replace(b" " * 7, b"", 1)  # the header keeps its length
    assert len(huge) == len(data)
    with pytest.raises(ValueError, match="not one text"):
        read_reply(huge)


def test_a_folder_with_foreign_and_damaged_files(tmp_path):
    (tmp_path / "a.npy").write_bytes(_npy(np.array("A")))
    (tmp_path / "b.npy").write_bytes(b"broken")
    (tmp_path / "other.npy").write_bytes(_npy(np.array("X")))
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".a.npy.1.part").write_text("x")
    (tmp_path / "c.npy").mkdir()
    found = ReplyStore.at(tmp_path).load(["a", "b", "c"])
    assert found.texts == {"a": "A"}
    assert any("b.npy passed over" in note for note in found.notes)
    assert any("3 other file(s) passed over" in note for note in found.notes)


def test_a_zip_with_path_tricks_and_foreign_files(tmp_path):
    good = _npy(np.array("good"))
    evil = _npy(np.array("evil"))
    path = _zip(
        tmp_path / "replies.zip",
        {
            "openset-synonym/a.npy": good,
            "openset-synonym/b.npy": good,
            "../c.npy": evil,
            "/d.npy": evil,
            "x/../../e.npy": evil,
            "C:/f.npy": evil,
            "..\\g.npy": evil,
            "backup/a.npy": evil,
            "__MACOSX/openset-synonym/a.npy": evil,
            "openset-synonym/.DS_Store": b"x",
            "openset-synonym/h.npy": b"0" * (5 << 20),
        },
    )
    found = ReplyStore.at(path).load(list("abcdefgh"))
    assert found.texts == {"a": "good", "b": "good"}
    assert sum("path leads out of the zip" in note and "5 file(s)" in note for note in found.notes) == 1
    assert sum("too large" in note for note in found.notes) == 1
    assert sum("in another folder, backup" in note for note in found.notes) == 1
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["replies.zip"]  # nothing is unpacked


def test_a_zip_of_bare_files_and_a_colon_in_a_name(tmp_path):
    path = _zip(tmp_path / "r.zip", {"a.npy": _npy(np.array("A")), "00:01.npy": _npy(np.array("B"))})
    assert ReplyStore.at(path).load(["a", "00:01"]).texts == {"a": "A", "00:01": "B"}


def test_a_damaged_member_is_passed_over(tmp_path):
    path = _zip(tmp_path / "r.zip", {"a.npy": _npy(np.array("A")), "b.npy": _npy(np.array("BBBBBBBB"))})
    data = path.read_bytes()
    where = data.index(np.array("BBBBBBBB").tobytes())
    path.write_bytes(data[:where] + b"Z" + data[where + 1 :])
    found = ReplyStore.at(path).load(["a", "b"])
    assert found.texts == {"a": "A"}
    assert any("b.npy passed over (Bad CRC" in note for note in found.notes)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_zip(tmp_path, content):
    (tmp_path / "r.zip").write_bytes(content)
    with pytest.raises(UserError, match=r"r\.zip: not a readable zip"):
        ReplyStore.at(tmp_path / "r.zip").load(["a"])


def test_the_folder_wins_over_the_zip_and_takes_new_replies(tmp_path):
    path = _zip(tmp_path / "r.zip", {"r/a.npy": _npy(np.array("zip")), "r/b.npy": _npy(np.array("zip"))})
    store = ReplyStore.at(path)
    store.save("a", "folder")
    assert store.load(["a", "b"]).texts == {"a": "folder", "b": "zip"}
    assert (tmp_path / "r" / "a.npy").exists()


def test_places(tmp_path):
    assert default_root(tmp_path / "gt.csv") == tmp_path / "openset-synonym"
    _zip(tmp_path / "openset-synonym.zip", {})
    assert ReplyStore.at(tmp_path / "openset-synonym").archive == tmp_path / "openset-synonym.zip"
    (tmp_path / "openset-synonym").mkdir()
    assert ReplyStore.at(tmp_path / "openset-synonym").archive == tmp_path / "openset-synonym.zip"
    assert ReplyStore.at(tmp_path / "openset-synonym").of_pass(3).folder == tmp_path / "openset-synonym.pass3"
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="neither a folder nor a .zip"):
        ReplyStore.at(tmp_path / "file")
    with pytest.raises(UserError, match="no such zip"):
        ReplyStore.at(tmp_path / "none.zip")


def test_a_zip_and_the_folder_beside_it_are_one_store(tmp_path):
    """However it is named, and also when the folder appears later."""
    path = _zip(tmp_path / "r.zip", {name: _npy(np.array("[['zip']]")) for name in ("a.npy", "b.npy")})
    before = ReplyStore.at(tmp_path / "r")
    before.save("b", "folder")
    before.save("c", "folder")
    for root in (tmp_path / "r", path):
        assert ReplyStore.at(root).load("abc").texts == {"a": "[['zip']]", "b": "folder", "c": "folder"}
        assert str(ReplyStore.at(root)) == f"{tmp_path / 'r'} and {path}"
    assert before.load("abc").texts == ReplyStore.at(path).load("abc").texts


def test_a_link_to_itself_is_passed_over(tmp_path):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "a.npy").symlink_to("a.npy")
    found = ReplyStore.at(tmp_path / "r").load(["a"])
    assert found.texts == {} and any("a.npy passed over: Too many levels" in note for note in found.notes)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UserError, match="loop: neither a folder"):
        ReplyStore.at(tmp_path / "loop")


def test_damaged_files_and_zips_never_end_in_a_traceback(tmp_path):
    chance = random.Random(0)
    good = _npy(np.array("[['happy', 'joyful'], ['sad']]"))
    with zipfile.ZipFile(tmp_path / "r.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for name in "abcdef":
            file.writestr(f"openset-synonym/{name}.npy", good)
    whole = (tmp_path / "r.zip").read_bytes()
    read = broken = 0
    for _ in range(600):
        data = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(130)] = chance.choice(b"()[]{}'\"\\\n,:0 \x00\xff9U<S")
        try:
            read_reply(bytes(data))
        except ValueError as error:
            assert str(error) and "\n" not in str(error)
        data = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        (tmp_path / "r.zip").write_bytes(data)
        try:
            read += len(ReplyStore.at(tmp_path / "r.zip").load("abcdef").texts)
        except UserError as error:
            assert "not a readable zip (" in str(error)
            broken += 1
    assert read > 600 and broken > 5


def test_a_compression_that_is_not_known(tmp_path):
    path = _zip(tmp_path / "r.zip", {"a.npy": _npy(np.array("A"))})
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(mark) + offset] = 99
    path.write_bytes(data)
    found = ReplyStore.at(path).load(["a"])
    assert found.texts == {} and any("a.npy passed over (That compression" in note for note in found.notes)
