"""The packed cache: the same bytes as reading file by file, renewed by any change, silent about nobody's bad files."""

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from toolkit.data import cache
from toolkit.data.cache import FeatureStore, PackedFolder, PlainFolder, cache_path
from toolkit.data.dataset import FusionDataset, read_dataset
from toolkit.data.listing import scan_folder, settled_listing
from toolkit.data.packing import HEADER_BYTES, write_packed
from toolkit.utils.errors import UserError

TYPES = [("utt", 1), ("frm_align", 2), ("frm_unalign", 3), ("frm_unalign", 1)]


@pytest.fixture
def root(tmp_path):
    return tmp_path / "features"


def _fill(folder, total=12, width=3, seed=0, frames=9):
    """`total` samples in all accepted forms: (D,), (1, D), (T, D), other types, column order, folders of frames."""
    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"clip {number}.x" for number in range(total)]
    for number, name in enumerate(names):
        rows = generator.normal(size=(1 + (number * 5) % frames, width)).astype(np.float32)
        rows[0, 0] = -0.0
        form = number % 6
        if form == 5:
            (folder / name).mkdir(exist_ok=True)
            for step, row in enumerate(rows):
                np.save(folder / name / f"{step:03d}.npy", row)
            continue
        array = [
            rows[0],
            rows[:1],
            rows,
            np.asfortranarray(rows),
            rows.astype([np.float16, np.float64, np.int32][number % 3]),
        ]
        np.save(folder / f"{name}.npy", array[form])
    return names


def _read(folders, names, feat_type="utt", scale=1, **options):
    zeros = np.zeros(len(names))
    return read_dataset(folders, names, zeros, zeros, feat_type, scale, **options)


def _bytes(dataset):
    return [[rows.tobytes() for rows in column] for column in dataset.inputs]


def _plain(folders, names, feat_type="utt", scale=1):
    return _read(folders, names, feat_type, scale, store=FeatureStore(packed=False))


@pytest.mark.parametrize(("feat_type", "scale"), TYPES)
def test_cached_equals_uncached_byte_for_byte(root, feat_type, scale):
    folders = [root / "a-FRA", root / "t-FRA", root / "v-FRA"]
    for number, folder in enumerate(folders):
        names = _fill(folder, width=3 + number, seed=number)
    wanted = names[::-1]
    expected = _plain(folders, wanted, feat_type, scale)
    assert not (root / ".packed").exists()
    for _ in range(2):  # cold, then warm
        found = _read(folders, wanted, feat_type, scale)
        assert _bytes(found) == _bytes(expected)
        assert all(rows.dtype == np.float32 for column in found.inputs for rows in column)
        assert [rows.shape for c in found.inputs for rows in c] == [rows.shape for c in expected.inputs for rows in c]
    assert sorted(path.name for path in (root / ".packed").iterdir()) == ["a-FRA.npy", "t-FRA.npy", "v-FRA.npy"]


def test_values_by_hand(root):
    (root / "a-UTT").mkdir(parents=True)
    np.save(root / "a-UTT" / "one.npy", np.array([1, 2], np.float32))
    np.save(root / "a-UTT" / "two.npy", np.array([[1, 2], [3, 6]], np.float32))
    found = _read([root / "a-UTT"], ["two", "one", "two"], keys=("audios",))
    assert found.inputs[0].tolist() == [[2, 4], [1, 2], [2, 4]]


def test_the_packed_file_is_an_array_for_numpy(root):
    names = _fill(root / "a-UTT", total=4, width=2)
    _read([root / "a-UTT"], names, keys=("audios",))
    packed = np.load(root / ".packed" / "a-UTT.npy")
    rows = [np.atleast_2d(np.load(root / "a-UTT" / f"{name}.npy")) for name in names]
    assert sorted(packed.tolist()) == sorted(np.concatenate(rows).astype(np.float32).tolist())


def test_the_second_run_reads_no_sample_file(root, monkeypatch):
    names = _fill(root / "a-UTT")
    first = _read([root / "a-UTT"], names, keys=("audios",))
    for function in ("toolkit.data.cache.read_feature", "toolkit.data.packing.read_feature", "numpy.load"):
        monkeypatch.setattr(function, lambda *args, **options: pytest.fail("a sample file was read"))
    assert _bytes(_read([root / "a-UTT"], names, keys=("audios",))) == _bytes(first)


@pytest.mark.parametrize("replaced", [False, True], ids=["in place", "replaced"])
@pytest.mark.parametrize("again", range(3))
def test_a_changed_file_gives_its_new_values_at_once(root, replaced, again):
    """Same name, same size, as soon after the build as can be."""
    names = _fill(root / "a-UTT", total=2)
    _read([root / "a-UTT"], names, keys=("audios",))
    target = root / "a-UTT" / f"{names[0]}.npy"
    np.save(root / "new.npy" if replaced else target, np.array([7, 8, 9], np.float32))
    if replaced:
        os.replace(root / "new.npy", target)
    assert _read([root / "a-UTT"], names, keys=("audios",)).inputs[0][0].tolist() == [7, 8, 9]


def test_a_listing_waits_until_later_changes_show(root, monkeypatch):
    """Clocks of file systems tick every few milliseconds: a file changed in this very tick is listed after it."""
    _fill(root / "a-UTT", total=2)
    slept = []
    monkeypatch.setattr("toolkit.data.listing.time.sleep", slept.append)
    for age, waits in ((3600, []), (0, [0.02])):
        for path in (root / "a-UTT").iterdir():
            os.utime(path)
        now = time.time() + age
        monkeypatch.setattr("toolkit.data.listing.time.time", lambda now=now: now)
        assert settled_listing(root / "a-UTT").lines == scan_folder(root / "a-UTT").lines and slept == waits
        monkeypatch.undo()
        monkeypatch.setattr("toolkit.data.listing.time.sleep", slept.append)


def test_a_copy_that_brings_its_old_time_along_is_noticed(root):
    """Same name, size and time of change (`cp -p`, `rsync -t`): the inode's own time tells."""
    names = _fill(root / "a-UTT", total=2)
    _read([root / "a-UTT"], names, keys=("audios",))
    target = root / "a-UTT" / f"{names[0]}.npy"
    before = target.stat()
    np.save(target, np.array([7, 8, 9], np.float32))
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert _read([root / "a-UTT"], names, keys=("audios",)).inputs[0][0].tolist() == [7, 8, 9]


def test_a_changed_frame_in_a_folder_of_frames(root):
    names = _fill(root / "a-FRA", total=6)
    _read([root / "a-FRA"], names, "frm_unalign", keys=("audios",))
    np.save(root / "a-FRA" / names[5] / "000.npy", np.array([7, 8, 9], np.float32))
    assert _read([root / "a-FRA"], names, "frm_unalign", keys=("audios",)).inputs[0][5][0].tolist() == [7, 8, 9]


def test_a_new_sample_is_found_and_a_deleted_one_named(root):
    names = _fill(root / "a-UTT", total=3)
    _read([root / "a-UTT"], names, keys=("audios",))
    np.save(root / "a-UTT" / "new.npy", np.ones(3, np.float32))
    assert _read([root / "a-UTT"], ["new"], keys=("audios",)).inputs[0].tolist() == [[1, 1, 1]]
    (root / "a-UTT" / f"{names[1]}.npy").unlink()
    with pytest.raises(UserError, match="sample 'clip 1.x' has no feature: neither .*a-UTT"):
        _read([root / "a-UTT"], names, keys=("audios",))


def _damage(path, how):
    data = path.read_bytes()
    if how == "cut":
        path.write_bytes(data[:-40])
    elif how == "nearly empty":
        path.write_bytes(data[:10])
    elif how == "rows missing":
        path.write_bytes(data[:HEADER_BYTES] + data[HEADER_BYTES + 12 :])
    elif how == "index":
        assert data.count(b'"clip 1.x"') == 1
        path.write_bytes(data.replace(b'"clip 1.x"', b'"clip 1.y"'))  # every size stays right
    else:
        path.write_bytes(b"x" * HEADER_BYTES + data[HEADER_BYTES:])


@pytest.mark.parametrize("how", ["cut", "nearly empty", "rows missing", "index", "header"])
def test_a_damaged_cache_is_made_again_and_said(root, how):
    names = _fill(root / "a-UTT")
    expected = _read([root / "a-UTT"], names, keys=("audios",))
    path = cache_path(root / "a-UTT")
    whole = path.read_bytes()
    _damage(path, how)
    store = FeatureStore()
    assert _bytes(_read([root / "a-UTT"], names, keys=("audios",), store=store)) == _bytes(expected)
    assert len(store.notes) == 1 and "unusable cache" in store.notes[0] and str(path) in store.notes[0]
    assert path.read_bytes() == whole


BAD = [
    (np.zeros((0, 3), np.float32), "empty"),
    (np.array([1, np.nan, 0], np.float32), "NaN or infinity"),
    (np.array([1e300, 0, 0]), "NaN or infinity"),
    (np.zeros(5, np.float32), "width 5, but the other samples of a-UTT have 3"),
    (np.array(["a", "b"]), "not an array of numbers"),
    (np.zeros((2, 2, 2), np.float32), "shape"),
    (b"\x93NUMPY\x01\x00\x10", "not a readable"),
]


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize(("content", "message"), BAD, ids=[message[:9] for _, message in BAD])
@pytest.mark.parametrize("name", ["aaa", "zzz"])
def test_a_bad_file_stops_only_who_asks_for_it(root, content, message, name):
    names = _fill(root / "a-UTT")
    path = root / "a-UTT" / f"{name}.npy"
    path.write_bytes(content) if isinstance(content, bytes) else np.save(path, content)
    for _ in range(2):
        found = _read([root / "a-UTT"], names, keys=("audios",))
        assert isinstance(next(FeatureStore().readers([root / "a-UTT"], names)), PackedFolder)
        assert _bytes(found) == _bytes(_plain([root / "a-UTT"], names))
        for feat_type in ("utt", "frm_unalign"):
            with pytest.raises(UserError, match=rf"a-UTT.{name}\.npy: .*{message}"):
                _read([root / "a-UTT"], [name, *names], feat_type, keys=("audios",))


def test_a_folder_of_bad_files_only(root):
    (root / "a-UTT").mkdir(parents=True)
    np.save(root / "a-UTT" / "clip.npy", np.full(3, np.inf, np.float32))
    with pytest.raises(UserError, match=r"clip\.npy: contains NaN"):
        _read([root / "a-UTT"], ["clip"], keys=("audios",))


def test_a_place_that_cannot_be_written_is_said_once(root):
    folders = [root / "a-UTT", root / "t-UTT", root / "v-UTT"]
    for folder in folders:
        names = _fill(folder)
    (root / ".packed").write_text("in the way")
    store = FeatureStore(num_workers=2)
    found = [_read(folders, names, store=store) for _ in range(2)]
    assert _bytes(found[0]) == _bytes(_plain(folders, names)) == _bytes(found[1])
    assert len(store.notes) == 1 and "cannot be packed there" in store.notes[0]


def test_a_full_disk_leaves_nothing_behind(root, monkeypatch):
    names = _fill(root / "a-UTT")
    usage = cache.shutil.disk_usage(root)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda place: usage._replace(free=100))
    store = FeatureStore()
    assert _bytes(_read([root / "a-UTT"], names, keys=("audios",), store=store)) == _bytes(
        _plain([root / "a-UTT"], names)
    )
    assert "GB are free" in store.notes[0]
    assert list((root / ".packed").iterdir()) == []


def test_the_place_can_be_chosen_or_the_cache_left_out(root, tmp_path, monkeypatch):
    names = _fill(root / "a-UTT")
    monkeypatch.setenv("MER_CACHE", "none")
    assert isinstance(next(FeatureStore().readers([root / "a-UTT"], names)), PlainFolder)
    monkeypatch.setenv("MER_CACHE", str(tmp_path / "fast disk"))
    assert isinstance(next(FeatureStore().readers([root / "a-UTT"], names)), PackedFolder)
    assert cache_path(root / "a-UTT").exists() and not (root / ".packed").exists()
    assert cache_path(root / "a-UTT") != cache_path(tmp_path / "other" / "features" / "a-UTT")


def test_few_samples_of_a_large_folder_are_not_worth_packing(root, monkeypatch):
    names = _fill(root / "a-UTT", total=12)
    monkeypatch.setattr(cache, "WORTH_PACKING", 5)
    assert isinstance(next(FeatureStore().readers([root / "a-UTT"], names[:2])), PlainFolder)
    assert isinstance(next(FeatureStore().readers([root / "a-UTT"], names[:3])), PackedFolder)
    assert isinstance(next(FeatureStore().readers([root / "a-UTT"], names[:2])), PackedFolder)  # it is there already


def test_two_builders_at_once(root):
    names = _fill(root / "a-UTT", total=60)
    expected = _bytes(_plain([root / "a-UTT"], names))
    found, start = [], threading.Barrier(2)

    def read():
        start.wait()
        path = Path(f"{cache_path(root / 'a-UTT')}")
        path.parent.mkdir(exist_ok=True)
        listing = scan_folder(root / "a-UTT")
        other = path.with_name(f"{threading.get_ident()}")  # part names are per process: replace by hand
        write_packed(other, root / "a-UTT", listing)
        os.replace(other, path)
        reader = PackedFolder(path, root / "a-UTT", listing.fingerprint)
        found.append([row.tobytes() for row in reader.utterances(names)])

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected * 2


def test_an_open_cache_survives_its_replacement(root):
    names = _fill(root / "a-UTT")
    expected = _bytes(_plain([root / "a-UTT"], names))[0]
    store = FeatureStore()
    reader = next(store.readers([root / "a-UTT"], names))
    _fill(root / "a-UTT", seed=5)
    _read([root / "a-UTT"], names, keys=("audios",))  # another run renews it
    assert [row.tobytes() for row in reader.utterances(names)] == expected


def test_a_sample_in_both_forms_is_the_file(root):
    names = _fill(root / "a-UTT", total=6)
    np.save(root / "a-UTT" / f"{names[5]}.npy", np.array([4, 5, 6], np.float32))
    assert _read([root / "a-UTT"], names, keys=("audios",)).inputs[0][5].tolist() == [4, 5, 6]


# ---------------------------------------------------------------- shared arrays


@pytest.mark.parametrize(("feat_type", "scale"), TYPES)
def test_one_feature_in_three_inputs_is_held_and_gathered_once(root, feat_type, scale):
    names = _fill(root / "a-FRA")
    _fill(root / "t-FRA", width=4)
    data = _read([root / "a-FRA"] * 3, names, feat_type, scale)
    assert data.inputs[0] is data.inputs[1] is data.inputs[2] and data.widths == (3, 3, 3)
    resident = data.to_device(torch.device("cpu"))
    assert len(resident.arrays) == 1 and resident.array_of == (0, 0, 0)
    batch = resident.batch(np.array([2, 0]))
    assert batch["audios"] is batch["texts"] is batch["videos"]
    two = _read([root / "a-FRA", root / "t-FRA", root / "a-FRA"], names, feat_type, scale)
    assert two.to_device(torch.device("cpu")).array_of == (0, 1, 0)
    assert two.inputs[0] is two.inputs[2]


def test_batches_of_frames_by_hand():
    column = [
        np.array([[1.0], [2.0]], np.float32),
        np.array([[3.0]], np.float32),
        np.array([[4.0], [5.0], [6.0]], np.float32),
    ]
    data = FusionDataset(("a", "b", "c"), ("audios",), (column,), np.array([0, 1, 2]), np.zeros(3, np.float32))
    batch = data.to_device(torch.device("cpu")).batch(np.array([1, 2, 0, 1]))
    assert batch["audios"][:, :, 0].tolist() == [[0, 0, 3], [4, 5, 6], [0, 1, 2], [0, 0, 3]]
    assert batch["emos"].tolist() == [1, 2, 0, 1]


def test_workers_change_nothing(root):
    folders = [root / "a-FRA", root / "t-FRA"]
    for number, folder in enumerate(folders):
        names = _fill(folder, width=3 + number, total=30)
    for packed in (False, True):
        for feat_type, scale in TYPES:
            alone, together = (
                _read(folders, names, feat_type, scale, keys=("audios", "texts"), num_workers=workers, store=store)
                for workers, store in ((0, FeatureStore(0, packed)), (4, FeatureStore(4, packed)))
            )
            assert _bytes(alone) == _bytes(together)
