"""--extra_train: pseudo-labelled samples are learned from in every fold and validated in none."""

import json

import numpy as np
import pytest

from toolkit.data.labels import read_labels, write_labels
from toolkit.dataloader.loading import DataRequest, load_run_data
from toolkit.globals import EMOS_MER, corpus_paths
from toolkit.train import leaderboard, saved_model
from toolkit.train.arguments import parse
from toolkit.train.run import train
from toolkit.utils.errors import UserError

FEATURES = ("aud-UTT", "txt-UTT", "vis-UTT")
EXTRA = ("sample_00000040", "sample_00000043", "sample_00000046")  # of the seven test samples


def _csv(path, rows, header="name,discrete,confidence"):
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def _load(root, csv, **options):
    request = {"features": FEATURES, "feat_type": "utt", "dataset": "MER2024", "data_root": root, "extra_train": csv}
    return load_run_data(DataRequest(**(request | options)))


def _run(arguments):
    return train(parse(arguments, None))


def _files(save_root, kind="trimodal"):
    folder = save_root.with_name(f"{save_root.name}-{kind}")
    row = leaderboard.read(folder)[-1]
    contents = {}
    for name, path in json.loads(row["files"]).items():
        if path.endswith(".npz"):
            with np.load(folder / path) as arrays:
                contents |= {f"{name} {key}": arrays[key] for key in arrays.files if key != "args"}
    return row, contents


def test_every_fold_trains_on_them_and_none_validates_them(tiny_root, tmp_path):
    csv = _csv(tmp_path / "extra.csv", [f"{name},happy,0.9" for name in EXTRA])
    plain, data = _load(tiny_root, None), _load(tiny_root, csv)
    assert (len(plain.train), plain.extra, len(data.train), data.extra) == (40, 0, 43, 3)
    assert data.train.names == plain.train.names + EXTRA
    assert data.train.emos[40:].tolist() == [EMOS_MER.index("happy")] * 3
    folder = corpus_paths("MER2024", tiny_root).features / "txt-UTT"
    np.testing.assert_array_equal(data.train.inputs[1][41], np.load(folder / f"{EXTRA[1]}.npy"))
    for seed in (0, 7):
        for (old_train, old_validation), (training, validation) in zip(
            plain.folds(seed), data.folds(seed), strict=True
        ):
            np.testing.assert_array_equal(validation, old_validation)
            np.testing.assert_array_equal(training, [*old_train, 40, 41, 42])
    assert "3 pseudo-labelled samples join the training part of every fold" in " ".join(data.notes)
    assert "test1: 3 of its 7 samples are trained on with pseudo-labels" in " ".join(data.notes)


@pytest.mark.parametrize("trainer", ["loop", "population"])
def test_an_empty_csv_changes_nothing(release_args, tmp_path, trainer):
    csv = _csv(tmp_path / "extra.csv", [])
    options = {"trainer": trainer, "epochs": 2, "jobs": 1}
    assert _run(release_args(save_root=tmp_path / "without", **options)) == 0
    assert _run(release_args(save_root=tmp_path / "with", extra_train=csv, **options)) == 0
    (row, expected), (other, found) = _files(tmp_path / "without"), _files(tmp_path / "with")
    assert row["run_id"] == other["run_id"] and row["fold_f1"] == other["fold_f1"]
    assert expected.keys() == found.keys()
    for key, array in expected.items():
        assert array.tobytes() == found[key].tobytes(), key


@pytest.mark.parametrize("trainer", ["loop", "population"])
def test_both_trainers_learn_from_them(release_args, tmp_path, trainer):
    csv = _csv(tmp_path / "extra.csv", [f"{name},surprise,0.9" for name in EXTRA])
    options = {"trainer": trainer, "epochs": 2, "jobs": 1, "savemodel": True}
    _run(release_args(save_root=tmp_path / "without", **options))
    _run(release_args(save_root=tmp_path / "with", extra_train=csv, **options))
    (row, expected), (other, found) = _files(tmp_path / "without"), _files(tmp_path / "with")
    assert row["run_id"] != other["run_id"]
    for key in ("cv names", "cv folds", "cv emo_labels"):  # the labelled samples and their folds, nothing else
        np.testing.assert_array_equal(expected[key], found[key])
    assert found["cv emo_probs"].shape == (40, 6) and np.isfinite(found["cv emo_probs"]).all()
    assert not np.array_equal(expected["test1 emo_probs"], found["test1 emo_probs"])
    args = json.loads(other["args"])
    assert args["extra_train"] == str(csv) and args["extra_samples"] == 3
    assert json.loads(row["args"])["extra_samples"] == 0
    model = next((tmp_path / "with-trimodal" / "model").iterdir())
    assert saved_model.load(model).description["train_names"][40:] == list(EXTRA)


def test_more_samples_are_more_steps(release_args, tmp_path, monkeypatch):
    """The loop sees the added samples: 32 of 40 are trained on in a fold, 35 with three more."""
    sizes = []
    monkeypatch.setattr(
        "toolkit.train.loop.epoch_order", lambda train, shuffle: sizes.append(len(train)) or np.asarray(train)
    )
    csv = _csv(tmp_path / "extra.csv", [f"{name},surprise,0.9" for name in EXTRA])
    _run(release_args(trainer="loop", epochs=1, jobs=1, extra_train=csv))
    assert sizes == [35] * 5


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            ["sample_00000040,happy,1", "sample_00000001,sad,1"],
            "line 3: name 'sample_00000001' is a training sample of",
        ),
        (
            ["sample_00000040,joyful,1"],
            "line 2: name 'sample_00000040' has the unknown emotion 'joyful'; known: neutral",
        ),
        (["nobody,happy,1"], "line 2: name 'nobody' has no feature in .*aud-UTT; extract it, or remove the row"),
        (["a/b,happy,1"], "line 2: name 'a/b' is not a usable sample name"),
        (["x1,happy,1", "", "x2,happy,1"], r"line 2: name 'x1' .*\(2 of the 2 rows cannot be used\)"),
        (
            ["sample_00000040,happy,1", "sample_00000040,sad,1"],
            "line 3: name 'sample_00000040' stands already in line 2",
        ),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tiny_root, tmp_path, rows, message):
    csv = _csv(tmp_path / "extra.csv", rows)
    with pytest.raises(UserError, match=rf"extra.csv, {message}"):
        _load(tiny_root, csv)


def test_a_file_that_is_no_such_csv(tiny_root, tmp_path):
    with pytest.raises(UserError, match="nowhere.csv does not exist"):
        _load(tiny_root, tmp_path / "nowhere.csv")
    with pytest.raises(UserError, match="column discrete is missing"):
        _load(tiny_root, _csv(tmp_path / "extra.csv", ["sample_00000040,happy"], "name,emotion"))


def test_a_debug_run_knows_all_labelled_names(tiny_root, tmp_path):
    csv = _csv(tmp_path / "extra.csv", ["sample_00000039,happy,1"])  # labelled, but not among the first 12
    with pytest.raises(UserError, match="is a training sample"):
        _load(tiny_root, csv, limit=12)


@pytest.fixture
def given_root(tiny_root, tmp_path):
    """A copy of the tiny data as MELD: 25 training, 15 validation, 4 test samples; three are in no set."""
    paths, old = corpus_paths("MELD", tmp_path / "meld"), corpus_paths("MER2024", tiny_root)
    paths.root.mkdir(parents=True)
    paths.features.symlink_to(old.features)
    names = list(read_labels(old.label)["train_corpus"])
    labels = {name: {"emo": number % 7, "val": -10} for number, name in enumerate([*names, *EXTRA])}
    write_labels(
        paths.label,
        {
            "train_corpus": {name: labels[name] for name in names[:25]},
            "val_corpus": {name: labels[name] for name in names[25:]},
            "test_corpus": {f"sample_0000004{number}": {"emo": 0, "val": -10} for number in (1, 2, 4, 5)},
        },
    )
    return tmp_path / "meld"


def test_a_given_validation_set_stays(given_root, tmp_path):
    csv = _csv(tmp_path / "extra.csv", [f"{name},joy,0.9" for name in EXTRA])
    data = _load(given_root, csv, dataset="MELD")
    ((training, validation),) = data.folds(0)
    np.testing.assert_array_equal(validation, np.arange(25, 40))
    np.testing.assert_array_equal(training, [*range(25), 40, 41, 42])
    with pytest.raises(UserError, match="is a validation sample of the corpus already"):
        _load(given_root, _csv(tmp_path / "extra.csv", ["sample_00000030,joy,1"]), dataset="MELD")


def test_a_corpus_with_valence_needs_a_valence(tiny_root, tmp_path):
    paths, old = corpus_paths("MER2023", tmp_path / "data"), corpus_paths("MER2024", tiny_root)
    paths.root.mkdir(parents=True)
    paths.features.symlink_to(old.features)
    train_set = {
        name: {"emo": label["emo"], "val": 0.5} for name, label in read_labels(old.label)["train_corpus"].items()
    }
    write_labels(paths.label, {"train_corpus": train_set, "test1_corpus": {}, "test2_corpus": {}, "test3_corpus": {}})
    with pytest.raises(UserError, match="column valence is missing"):
        _load(tmp_path / "data", _csv(tmp_path / "a.csv", ["sample_00000040,sad,1"]), dataset="MER2023")
    header = "name,discrete,confidence,valence"
    with pytest.raises(UserError, match="line 2: .*has the valence 'nan', not a number"):
        _load(tmp_path / "data", _csv(tmp_path / "a.csv", ["sample_00000040,sad,1,nan"], header), dataset="MER2023")
    data = _load(tmp_path / "data", _csv(tmp_path / "a.csv", ["sample_00000040,sad,1,-1.5"], header), dataset="MER2023")
    assert data.train.vals[40] == -1.5 and data.train.emos[40] == 3
