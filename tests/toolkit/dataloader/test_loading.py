"""Every corpus row and every cross-corpus pair on tiny written corpora: classes, folds, order, valences, noise."""

import itertools

import numpy as np
import pytest

from toolkit.data.labels import write_labels
from toolkit.dataloader.corpora import CORPORA, get_corpus
from toolkit.dataloader.cross import EMOTION_TESTS, SHARED_EMOTIONS, VALENCE_SCALES, pair_corpus
from toolkit.dataloader.loading import DataRequest, load_run_data
from toolkit.globals import CORPUS_LAYOUTS, EMOS_IEMOCAP_SIX, EMOS_MELD, EMOS_MER, corpus_paths
from toolkit.utils.errors import UserError

FEATURES = ("aud-UTT", "txt-UTT", "vis-UTT")


def _names(dataset, key, count):
    if dataset.startswith("IEMOCAP"):  # two clips of each session, sessions mixed
        return [f"Ses0{1 + number % 5}F_script_{number:03d}" for number in range(count)]
    return [f"{dataset} {key} {number}" for number in range(count)]


def _write(root, dataset, counts, suffix="UTT", emos=None, infix=""):
    """A corpus: labels cycle through the classes, valence k/4; feature = the sample's number + 100 per modality."""
    paths = corpus_paths(dataset, root)
    classes = {"IEMOCAPFour": 4, "IEMOCAPSix": 6, "MELD": 7}.get(dataset, 6)
    corpora, number = {}, 0
    for key, count in counts.items():
        corpora[key] = {}
        for position, name in enumerate(_names(dataset, key, count)):
            emo = position % classes if emos is None else emos[position % len(emos)]
            if dataset in ("MER2023", "MER2024"):
                emo = EMOS_MER[emo]
            corpora[key][name] = {"emo": emo, "val": (position - 3) / 4}
            for place, stem in enumerate(("aud", "txt", "vis")):
                folder = paths.features / f"{stem}{infix}-{suffix}"
                folder.mkdir(parents=True, exist_ok=True)
                row = np.full(2 + place, 100 * place + number + (0.5 if infix else 0), np.float32)
                np.save(folder / f"{name}.npy", row if suffix == "UTT" else np.stack([row] * (1 + number % 4)))
            number += 1
    paths.label.parent.mkdir(parents=True, exist_ok=True)
    write_labels(paths.label, corpora)
    return corpora


COUNTS = {
    "MER2024": {"train_corpus": 12, "test1_corpus": 3},
    "MER2023": {"train_corpus": 12, "test1_corpus": 7, "test2_corpus": 4, "test3_corpus": 2},
    "MER2023_UNLABEL": {"train_corpus": 12},
    "IEMOCAPFour": {"whole_corpus": 10},
    "IEMOCAPSix": {"whole_corpus": 12},
    **{name: {"train_corpus": 8, "val_corpus": 5, "test_corpus": 9} for name in (*VALENCE_SCALES, "MELD")},
}


def _load(root, **options):
    return load_run_data(DataRequest(**({"features": FEATURES, "feat_type": "utt", "data_root": root} | options)))


def _random_sizes(total):
    return [total // 5] * 4 + [total - 4 * (total // 5)]


# corpus, outputs, metric, validation sizes, tests
TABLE = [
    ("MER2024", (6, 0), "emo", _random_sizes(12), {"test1": 3}),
    ("MER2023", (6, 1), "emoval", _random_sizes(12), {"test1": 7, "test2": 4, "test3": 2}),
    ("MER2023_UNLABEL", (0, 0), "loss", _random_sizes(12)[:1], {}),
    ("IEMOCAPFour", (4, 0), "emo", [2] * 5, {}),
    ("IEMOCAPSix", (6, 0), "emo", [3, 3, 2, 2, 2], {}),
    ("CMUMOSI", (0, 1), "emo", [5], {"test1": 9}),
    ("CMUMOSEI", (0, 1), "emo", [5], {"test1": 9}),
    ("SIMS", (0, 1), "emo", [5], {"test1": 9}),
    ("SIMSv2", (0, 1), "emo", [5], {"test1": 9}),
    ("MELD", (7, 0), "emo", [5], {"test1": 9}),
]


def test_the_table_covers_every_corpus():
    assert set(CORPORA) == set(CORPUS_LAYOUTS) == {row[0] for row in TABLE}
    assert {name for name, corpus in CORPORA.items() if corpus.hidden} == {"MER2024"}


@pytest.mark.parametrize(("dataset", "outputs", "metric", "sizes", "tests"), TABLE, ids=[row[0] for row in TABLE])
def test_a_row(tmp_path, dataset, outputs, metric, sizes, tests):
    labels = _write(tmp_path, dataset, COUNTS[dataset])
    data = _load(tmp_path, dataset=dataset)
    assert (data.corpus.outputs, data.corpus.metric) == (outputs, metric) and data.notes == []
    assert data.features == FEATURES and data.train.widths == (2, 3, 4)
    samples = {key: dict(rows) for key, rows in labels.items() if not key.startswith("test")}
    expected = [(name, label) for rows in samples.values() for name, label in rows.items()]
    assert data.train.names == tuple(name for name, _ in expected)
    assert data.train.inputs[1][:, 2].tolist() == [100 + number for number in range(len(expected))]
    assert data.train.vals.tolist() == [label["val"] for _, label in expected]
    texts = dataset in ("MER2023", "MER2024")
    indices = [EMOS_MER.index(label["emo"]) if texts else label["emo"] for _, label in expected]
    assert data.train.emos.tolist() == (indices if outputs[0] else [0] * len(expected))
    assert {name: len(test) for name, test in data.tests.items()} == tests
    folds = data.folds(seed=3)
    assert [len(validation) for _, validation in folds] == sizes
    for training, validation in folds:
        assert sorted([*training, *validation]) == list(range(len(expected)))


def test_given_folds_are_train_then_validation(tmp_path):
    labels = _write(tmp_path, "MELD", COUNTS["MELD"])
    data = _load(tmp_path, dataset="MELD")
    ((training, validation),) = data.folds(0)
    assert data.validation == 5
    assert [data.train.names[row] for row in training] == list(labels["train_corpus"])
    assert [data.train.names[row] for row in validation] == list(labels["val_corpus"])


def test_one_session_is_left_out_per_fold(tmp_path):
    _write(tmp_path, "IEMOCAPSix", COUNTS["IEMOCAPSix"])
    data = _load(tmp_path, dataset="IEMOCAPSix")
    for session, (training, validation) in zip("12345", data.folds(0), strict=True):
        assert {data.train.names[row][4] for row in validation} == {session}
        assert session not in {data.train.names[row][4] for row in training}


def test_a_limit_takes_the_first_of_each_split_and_keeps_sessions(tmp_path):
    labels = _write(tmp_path, "MELD", COUNTS["MELD"])
    data = _load(tmp_path, dataset="MELD", limit=3)
    assert data.train.names == (*list(labels["train_corpus"])[:3], *list(labels["val_corpus"])[:3])
    assert data.tests["test1"].names == tuple(labels["test_corpus"])[:3] and data.validation == 3
    paths = corpus_paths("IEMOCAPFour", tmp_path)
    _write(tmp_path, "IEMOCAPFour", {"whole_corpus": 20})
    names = sorted(_names("IEMOCAPFour", "", 20))  # session by session, as real files are
    write_labels(paths.label, {"whole_corpus": {name: {"emo": 0, "val": 0.0} for name in names}})
    data = _load(tmp_path, dataset="IEMOCAPFour", limit=10)
    assert [len(validation) for _, validation in data.folds(0)] == [2] * 5


# ---------------------------------------------------------------- labels


@pytest.mark.parametrize("emo", [4, -1, 1.5, None, "cheerful"])
def test_an_index_outside_the_classes_is_named(emo):
    with pytest.raises(UserError, match="'clip' has the unknown emotion .*known: 0 happy, 1 sad, 2 neutral, 3 angry"):
        get_corpus("IEMOCAPFour").class_indices({"clip": {"emo": emo}}, "label_4way.npz")


def test_numbers_are_no_labels_where_texts_are_expected():
    with pytest.raises(UserError, match="unknown emotion 1; known: neutral, angry"):
        get_corpus("MER2023").class_indices({"clip": {"emo": 1}}, "label-6way.npz")


def test_numpy_indices_are_indices():
    labels = {"a": {"emo": np.int64(6)}, "b": {"emo": np.float64(2.0)}, "c": {"emo": np.array(3)}}
    assert get_corpus("MELD").class_indices(labels, "").tolist() == [6, 2, 3]


def test_valence_is_needed_where_it_is_learned(tmp_path):
    labels = _write(tmp_path, "SIMS", COUNTS["SIMS"])
    labels["test_corpus"]["SIMS test_corpus 2"]["val"] = -10
    write_labels(corpus_paths("SIMS", tmp_path).label, labels)
    assert _load(tmp_path, dataset="SIMS").notes == ["test1: 1 of 9 samples have no valence to be scored on"]
    labels["val_corpus"]["SIMS val_corpus 1"]["val"] = -10
    write_labels(corpus_paths("SIMS", tmp_path).label, labels)
    with pytest.raises(UserError, match="1 training samples have no valence .*'SIMS val_corpus 1'"):
        _load(tmp_path, dataset="SIMS")
    labels["val_corpus"]["SIMS val_corpus 1"]["val"] = float("nan")
    write_labels(corpus_paths("SIMS", tmp_path).label, labels)
    with pytest.raises(UserError, match="label.npz, val_corpus: 'SIMS val_corpus 1' has the valence nan"):
        _load(tmp_path, dataset="SIMS")


# ---------------------------------------------------------------- cross-corpus pairs


@pytest.mark.parametrize(("train", "test"), list(itertools.permutations(VALENCE_SCALES, 2)))
def test_a_valence_pair(tmp_path, train, test):
    labels = {name: _write(tmp_path, name, COUNTS[name]) for name in (train, test)}
    data = _load(tmp_path, train_dataset=train, test_dataset=test)
    assert (data.corpus.outputs, data.corpus.metric, data.corpus.name) == ((0, 1), "emo", f"{train}->{test}")
    for dataset, samples, keys in (
        (train, data.train, ("train_corpus", "val_corpus")),
        (test, data.tests["test1"], ("test_corpus",)),
    ):
        scale = 3 if dataset.startswith("SIMS") else 1
        rows = {name: label for key in keys for name, label in labels[dataset][key].items()}
        assert samples.names == tuple(rows)
        assert samples.vals.tolist() == [scale * label["val"] for label in rows.values()]
    ((training, validation),) = data.folds(0)
    assert (len(training), len(validation)) == (8, 5)


OWN = {"IEMOCAPFour": SHARED_EMOTIONS, "IEMOCAPSix": EMOS_IEMOCAP_SIX, "MER2023": EMOS_MER, "MELD": EMOS_MELD}
SHARED_OF = {"joy": "happy", "sadness": "sad", "anger": "angry", "happy": "happy", "sad": "sad", "neutral": "neutral"}
SHARED_OF |= {"angry": "angry"}
TEST_KEY = {
    "IEMOCAPFour": "whole_corpus",
    "IEMOCAPSix": "whole_corpus",
    "MER2023": "test1_corpus",
    "MELD": "test_corpus",
}


def _shared(dataset, rows):
    """(name, index) of the samples with a shared emotion, worked out from the words."""
    words = {n: v["emo"] if isinstance(v["emo"], str) else OWN[dataset][v["emo"]] for n, v in rows.items()}
    order = ("happy", "sad", "neutral", "angry")
    return [(name, order.index(SHARED_OF[word])) for name, word in words.items() if word in SHARED_OF]


@pytest.mark.parametrize(("train", "test"), list(itertools.permutations(EMOTION_TESTS, 2)))
def test_an_emotion_pair(tmp_path, train, test):
    if train.startswith("IEMOCAP") and test.startswith("IEMOCAP"):
        # one root: both label files need the same clips
        counts = {train: {"whole_corpus": 12}, test: {"whole_corpus": 12}}
    else:
        counts = {train: COUNTS[train] | {"whole_corpus": 15}, test: COUNTS[test]}
    labels = {name: _write(tmp_path, name, counts[name]) for name in (train, test)}
    data = _load(tmp_path, train_dataset=train, test_dataset=test)
    assert (data.corpus.outputs, data.corpus.metric) == ((4, 0), "emo")
    assert data.corpus.emotions == ("happy", "sad", "neutral", "angry")
    keys = {"MER2023": ["train_corpus"], "MELD": ["train_corpus", "val_corpus"]}.get(train, ["whole_corpus"])
    expected = [pair for key in keys for pair in _shared(train, labels[train][key])]
    assert list(zip(data.train.names, data.train.emos.tolist(), strict=True)) == expected
    tested = data.tests["test1"]
    assert list(zip(tested.names, tested.emos.tolist(), strict=True)) == _shared(test, labels[test][TEST_KEY[test]])
    assert len(data.folds(0)) == {"MELD": 1}.get(train, 5)
    assert bool(data.notes) == (train.startswith("IEMOCAP") and test.startswith("IEMOCAP"))


def test_meld_classes_by_hand(tmp_path):
    _write(tmp_path, "MELD", COUNTS["MELD"] | {"train_corpus": 7, "val_corpus": 7})
    _write(tmp_path, "MER2023", COUNTS["MER2023"])
    data = _load(tmp_path, train_dataset="MELD", test_dataset="MER2023")
    # anger, joy, sadness, neutral stay; disgust, fear, surprise go
    assert data.train.emos.tolist() == [3, 0, 1, 2] * 2 and data.validation == 4
    # neutral, angry, happy, sad, (worried, surprise,) neutral
    assert data.tests["test1"].emos.tolist() == [2, 3, 0, 1, 2]
    assert data.train.inputs[0][:, 0].tolist() == [0, 1, 2, 3, 7, 8, 9, 10]  # features of the samples that stay


@pytest.mark.parametrize(
    ("train", "test"),
    [("MELD", "SIMS"), ("MELD", "MELD"), ("MER2024", "MELD"), ("SIMS", None), (None, "MELD"), ("x", "y")],
)
def test_pairs_that_do_not_fit(train, test):
    with pytest.raises(UserError, match="no such cross-corpus pair; .*CMUMOSI, CMUMOSEI, SIMS, SIMSv2 .*MER2023, MELD"):
        pair_corpus(train, test)


def test_no_shared_emotion_at_all(tmp_path):
    _write(tmp_path, "MELD", COUNTS["MELD"], emos=[4, 5, 6])
    _write(tmp_path, "MER2023", COUNTS["MER2023"])
    with pytest.raises(UserError, match="train_corpus holds no samples of the shared emotions"):
        _load(tmp_path, train_dataset="MELD", test_dataset="MER2023")


# ---------------------------------------------------------------- folders: missing ones, noise


def test_all_missing_folders_are_named_at_once(tmp_path):
    for dataset in ("SIMS", "CMUMOSI"):
        _write(tmp_path, dataset, COUNTS[dataset])
    with pytest.raises(
        UserError, match="no feature folders x-UTT, y_UTT in .*sims.*folders there: aud-UTT, txt-UTT, vis"
    ) as e:
        _load(tmp_path, train_dataset="SIMS", test_dataset="CMUMOSI", features=("x-UTT", "y_UTT", "vis-UTT"))
    assert "cmumosi" in str(e.value)


def _firsts(data):
    return [rows[0, 0] for rows in data.train.inputs], [rows[0, 0] for rows in data.tests["test1"].inputs]


def test_noise_on_both_sides(tmp_path):
    _write(tmp_path, "MER2024", COUNTS["MER2024"], infix="-noisesnr5")
    _write(tmp_path, "MER2024", COUNTS["MER2024"])
    assert _firsts(_load(tmp_path, dataset="MER2024")) == ([0, 100, 200], [12, 112, 212])
    both = _load(tmp_path, dataset="MER2024", train_snr="noisesnr5", test_snr="snr5")  # the bare form too
    assert _firsts(both) == ([0.5, 100.5, 200.5], [12.5, 112.5, 212.5]) and both.notes == []
    assert both.features == both.test_features == ("aud-noisesnr5-UTT", "txt-noisesnr5-UTT", "vis-noisesnr5-UTT")
    test = _load(tmp_path, dataset="MER2024", test_snr="noisesnr5", snr_modalities="A")
    assert _firsts(test) == ([0, 100, 200], [12.5, 112, 212]) and test.notes == []
    train = _load(tmp_path, dataset="MER2024", train_snr="noisesnr5", snr_modalities="TV")
    assert _firsts(train) == ([0, 100.5, 200.5], [12, 112, 212])


@pytest.mark.parametrize("name", ["aud-clip_UTT", "aud_clip_UTT", "aud-clip-UTT", "aud_clip-UTT"])
def test_every_spelling_of_a_noisy_folder(tmp_path, name):
    _write(tmp_path, "MER2024", COUNTS["MER2024"])
    features = corpus_paths("MER2024", tmp_path).features
    (features / "aud-UTT").rename(features / name)
    _write(tmp_path, "MER2024", COUNTS["MER2024"])
    assert _load(tmp_path, dataset="MER2024", train_snr="clip").features[0] == name


def test_absent_noise_is_said_or_refused(tmp_path):
    _write(tmp_path, "MER2024", COUNTS["MER2024"])
    with pytest.raises(
        UserError, match="--test_snr snr5: .* has no version snr5 of aud-UTT; folders there: aud-UTT, txt"
    ):
        _load(tmp_path, dataset="MER2024", test_snr="snr5")
    with pytest.raises(UserError, match="has no version snr5 of aud-UTT, txt-UTT, vis-UTT"):
        _load(tmp_path, dataset="MER2024", train_snr="snr5", snr_modalities="TV")  # a run that would be clean
    features = corpus_paths("MER2024", tmp_path).features
    (features / "aud-UTT").rename(features / "aud-noisesnr5-UTT")
    _write(tmp_path, "MER2024", COUNTS["MER2024"])
    assert _load(tmp_path, dataset="MER2024", test_snr="snr5").notes == [
        f"test features: {name} has no version snr5; the clean one is used" for name in ("txt-UTT", "vis-UTT")
    ]


def test_a_unimodal_run_is_noisy_in_all_its_inputs(tmp_path):
    _write(tmp_path, "MER2024", COUNTS["MER2024"], infix="-noisesnr5")
    _write(tmp_path, "MER2024", COUNTS["MER2024"])
    data = _load(tmp_path, dataset="MER2024", features=("aud-UTT",) * 3, test_snr="snr5", snr_modalities="A")
    assert data.test_features == ("aud-noisesnr5-UTT",) * 3
    assert data.train.inputs[0] is data.train.inputs[2]


def test_a_known_text_feature_in_the_audio_place_is_text(tmp_path):
    _write(tmp_path, "MER2024", COUNTS["MER2024"])
    features = corpus_paths("MER2024", tmp_path).features
    (features / "txt-UTT").rename(features / "bert-base-chinese-UTT")
    (features / "vis-UTT").rename(features / "emonet-snr5-UTT")
    _write(tmp_path, "MER2024", COUNTS["MER2024"])
    (features / "vis-UTT").rename(features / "emonet_UTT")
    names = ("bert-base-chinese-UTT", "bert-base-chinese-UTT", "emonet_UTT")
    data = _load(tmp_path, dataset="MER2024", features=names, train_snr="snr5")
    assert data.features == ("bert-base-chinese-UTT", "bert-base-chinese-UTT", "emonet-snr5-UTT")


@pytest.mark.parametrize("feat_type", ["frm_align", "frm_unalign"])
def test_frames_of_given_splits(tmp_path, feat_type):
    _write(tmp_path, "SIMS", COUNTS["SIMS"], suffix="FRA")
    names = tuple(name.replace("UTT", "FRA") for name in FEATURES)
    data = _load(tmp_path, dataset="SIMS", features=names, feat_type=feat_type)
    assert [rows[0, 0] for rows in data.train.inputs[0]] == list(range(13))
    assert [len(rows) for rows in data.tests["test1"].inputs[2]] == [1 + number % 4 for number in range(13, 22)]


def test_widths_of_tests_must_agree(tmp_path):
    for dataset in ("SIMS", "CMUMOSI"):
        labels = _write(tmp_path, dataset, COUNTS[dataset])
    for name in labels["test_corpus"]:
        np.save(corpus_paths("CMUMOSI", tmp_path).features / "txt-UTT" / f"{name}.npy", np.zeros(9, np.float32))
    for key in ("train_corpus", "val_corpus"):  # the width of the folder is that of most samples
        for name in labels[key]:
            (corpus_paths("CMUMOSI", tmp_path).features / "txt-UTT" / f"{name}.npy").unlink()
    with pytest.raises(UserError, match=r"test1 has features of widths \(2, 9, 4\), training has \(2, 3, 4\)"):
        _load(tmp_path, train_dataset="SIMS", test_dataset="CMUMOSI")
