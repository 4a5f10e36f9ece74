"""Every corpus and protocol, trained through main-release on tiny synthetic features."""

import json

import numpy as np
import pytest

from toolkit.data.labels import write_labels
from toolkit.dataloader.corpora import CORPORA
from toolkit.globals import corpus_paths
from toolkit.models import MODELS
from toolkit.train import leaderboard
from toolkit.train.arguments import parse
from toolkit.train.run import train

WIDTHS = {"aud": 5, "txt": 6, "vis": 7}
COUNTS = {"train": 30, "val": 9, "test": 8, "whole": 30}


def _names(dataset, key, count):
    if dataset.startswith("IEMOCAP"):
        return [f"Ses0{1 + n % 5}F_impro01_{key}{n:03d}" for n in range(count)]
    return [f"{key}_{n:03d}" for n in range(count)]


def make_corpus(root, dataset, suffix="UTT", infix="", stems=WIDTHS):
    """Label file and learnable features of `dataset` below `root`."""
    corpus, paths = CORPORA[dataset], corpus_paths(dataset, root)
    generator = np.random.default_rng(0)
    centres = {stem: generator.normal(size=(8, width)) for stem, width in stems.items()}
    labels = {}
    for key in dict.fromkeys([corpus.train, corpus.validation, *corpus.tests.values()]):
        if key is None:
            continue
        count = next(COUNTS[part] for part in COUNTS if key.startswith(part))
        labels[key] = {}
        for number, name in enumerate(_names(dataset, key.split("_")[0], count)):
            emo, val = number % max(1, len(corpus.emotions)), float(generator.normal())
            labels[key][name] = {"emo": corpus.emotions[emo] if corpus.emotion_is_text else emo, "val": val}
            for stem, width in stems.items():
                folder = paths.features / f"{stem}{infix}-{suffix}"
                folder.mkdir(parents=True, exist_ok=True)
                frames = 1 if suffix == "UTT" else int(generator.integers(2, 15))
                rows = centres[stem][emo] + np.sign(val) + 0.5 * generator.normal(size=(frames, width))
                np.save(folder / f"{name}.npy", (rows[0] if suffix == "UTT" else rows).astype(np.float32))
    write_labels(paths.label, labels)


def _release(root, tmp_path, **changes):
    flags = {
        "model": "attention",
        "feat_type": "utt",
        "audio_feature": "aud-UTT",
        "text_feature": "txt-UTT",
        "video_feature": "vis-UTT",
        "data_root": root,
        "save_root": tmp_path / "saved",
        "epochs": 2,
        "seed": 3,
        "gpu": -1,
    } | changes
    arguments = [part for flag, value in flags.items() if value is not None for part in (f"--{flag}", str(value))]
    return train(parse(arguments, None))


@pytest.mark.parametrize("dataset", [name for name in CORPORA if name != "MER2023_UNLABEL"])
@pytest.mark.parametrize("trainer", ["population", "loop"])
def test_every_corpus_trains(tmp_path, dataset, trainer):
    make_corpus(tmp_path / "data", dataset)
    assert _release(tmp_path / "data", tmp_path, dataset=dataset, trainer=trainer) == 0
    corpus = CORPORA[dataset]
    row = leaderboard.read_ok(tmp_path / "saved-trimodal")[0]
    files = json.loads(row["files"])
    folds = 5 if corpus.folds in ("random5", "session") else 1
    assert len(json.loads(row["fold_f1"])) == folds and bool(row["mse"]) == (corpus.outputs[1] > 0)
    assert {name for name in files if not name.endswith(("submission", "cv"))} == set(corpus.tests)
    for test in corpus.tests:
        assert ("_f1:" in files[test]) == (test not in corpus.hidden)
        assert (f"{test} submission" in files) == bool(corpus.emotions)
        with np.load(tmp_path / "saved-trimodal" / files[test]) as arrays:
            assert arrays["emo_probs"].shape == (COUNTS["test"], corpus.outputs[0])
            assert arrays["val_preds"].shape == (COUNTS["test"], corpus.outputs[1])
    with np.load(tmp_path / "saved-trimodal" / files["cv"]) as arrays:
        validated = np.isfinite(arrays["emo_probs"] if corpus.emotions else arrays["val_preds"]).all(axis=1)
        assert validated.sum() == (COUNTS["val"] if corpus.validation else len(validated))
    if corpus.outputs[1]:
        assert ("_val:" in files["cv"]) is True


def test_a_corpus_without_labels_needs_a_model_with_its_own_loss(tmp_path):
    from toolkit.utils.errors import UserError

    make_corpus(tmp_path / "data", "MER2023_UNLABEL")
    with pytest.raises(UserError, match="nothing to learn: this corpus has no labels"):
        _release(tmp_path / "data", tmp_path, dataset="MER2023_UNLABEL")
    hyper = tmp_path / "h.yaml"
    hyper.write_text("recon_weight: 0.2\nhidden_dim: 64\n")
    assert _release(tmp_path / "data", tmp_path, dataset="MER2023_UNLABEL", model="misa", hyper_path=hyper) == 0
    row = leaderboard.read_ok(tmp_path / "saved-trimodal")[0]
    assert row["f1"] == "" and float(row["loss"]) > 0


PAIRS = [
    ("SIMS", "CMUMOSI"),
    ("CMUMOSEI", "SIMSv2"),
    ("MER2023", "MELD"),
    ("IEMOCAPSix", "MER2023"),
    ("MELD", "IEMOCAPFour"),
]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_cross_corpus_pairs_train(tmp_path, source, target):
    for dataset in (source, target):
        make_corpus(tmp_path / "data", dataset)
    assert _release(tmp_path / "data", tmp_path, train_dataset=source, test_dataset=target) == 0
    row = leaderboard.read_ok(tmp_path / "saved-cross-trimodal")[0]
    assert row["dataset"] == f"{source}->{target}"
    files = json.loads(row["files"])
    assert any(f"_train:{source}_test:{target}_" in path and "_f1:" in path for path in files.values())


def test_noisy_training_and_test_features(tmp_path, capsys):
    make_corpus(tmp_path / "data", "MER2023")
    for infix in ("-noisesnr5", "-noisesnrmix"):
        make_corpus(tmp_path / "data", "MER2023", infix=infix, stems={"aud": 5})
    assert _release(tmp_path / "data", tmp_path, dataset="MER2023", train_snr="noisesnrmix", test_snr="snr5") == 0
    out = capsys.readouterr().out
    assert "txt-UTT" in out  # says which clean features are used, as these have no noisy version
    row = leaderboard.read_ok(tmp_path / "saved-noise-trimodal")[0]
    assert "_trainsnr:noisesnrmix_testsnr:snr5_" in json.loads(row["files"])["cv"]


@pytest.mark.parametrize("model", [name for name, row in MODELS.items() if name != "attention_topn"])
def test_every_model_trains_with_every_feature_type(tmp_path, model):
    hyper = tmp_path / "h.yaml"
    small = {"mult": "layers: 2\nnum_heads: 2\nhidden_dim: 16\n", "ef_lstm": "hidden_dim: 16\nnum_layers: 2\n"}
    hyper.write_text(small.get(model, "hidden_dim: 16\n"))
    for feat_type in MODELS[model].feat_types:
        suffix = "UTT" if feat_type == "utt" else "FRA"
        make_corpus(tmp_path / suffix, "MER2023", suffix)
        names = {
            f"{flag}_feature": f"{stem}-{suffix}" for flag, stem in zip(("audio", "text", "video"), WIDTHS, strict=True)
        }
        changes = names | {"dataset": "MER2023", "feat_type": feat_type, "hyper_path": hyper, "epochs": 1}
        assert _release(tmp_path / suffix, tmp_path, model=model, **changes) == 0
    rows = leaderboard.read_ok(tmp_path / "saved-trimodal")
    assert [row["feat_type"] for row in rows] == list(MODELS[model].feat_types)
    assert all(np.isfinite(float(row["f1"])) for row in rows)


def test_topn_from_measured_ranks(tmp_path):
    stems = {"a1": 4, "a2": 5, "t1": 6, "t2": 4, "v1": 5, "v2": 6}
    make_corpus(tmp_path / "data", "MER2023", stems=stems)
    for stem in stems:
        names = {f"{flag}_feature": f"{stem}-UTT" for flag in ("audio", "text", "video")}
        _release(tmp_path / "data", tmp_path, dataset="MER2023", **names)
    modality = ",".join(f"{stem}={stem[0].upper()}" for stem in stems)
    none = dict.fromkeys(("audio_feature", "text_feature", "video_feature"))
    for topn, fusion, inputs in ((1, "AVT", 3), (2, "AVT", 6), (2, "AT", 6)):
        ranked = {"rank_from": tmp_path / "saved-unimodal", "feature_modality": modality} | none
        chosen = {"model": "attention_topn", "fusion_topn": topn, "fusion_modality": fusion}
        assert _release(tmp_path / "data", tmp_path, dataset="MER2023", **chosen, **ranked) == 0
        row = leaderboard.read_ok(tmp_path / "saved-multitop-others")[-1]
        features = json.loads(row["features"])
        assert len(features) == inputs and f"_fusiontopn:{topn}_modality:{fusion}_" in json.loads(row["files"])["cv"]
        assert [name[0] for name in features] == list(
            {"AVT": "a" * topn + "t" * topn + "v" * topn, "AT": "aatttt"}[fusion]
        )


def test_a_class_absent_from_folds_still_scores(tmp_path):
    make_corpus(tmp_path / "data", "MER2023")
    path = corpus_paths("MER2023", tmp_path / "data").label
    from toolkit.data.labels import read_labels

    labels = read_labels(path)
    for number, label in enumerate(labels["train_corpus"].values()):
        label["emo"] = "surprise" if number == 0 else "happy" if number % 2 else "sad"
    write_labels(path, labels)
    assert _release(tmp_path / "data", tmp_path, dataset="MER2023") == 0
    assert 0 <= float(leaderboard.read_ok(tmp_path / "saved-trimodal")[0]["f1"]) <= 1


def test_another_split_of_the_same_samples_is_another_run(tmp_path):
    from toolkit.data.labels import read_labels

    make_corpus(tmp_path / "data", "CMUMOSI")
    _release(tmp_path / "data", tmp_path, dataset="CMUMOSI")
    path = corpus_paths("CMUMOSI", tmp_path / "data").label
    labels = read_labels(path)
    train, val = list(labels["train_corpus"].items()), list(labels["val_corpus"].items())
    moved = {"train_corpus": dict(train[:-5]), "val_corpus": dict(train[-5:] + val)}
    write_labels(path, labels | moved)
    _release(tmp_path / "data", tmp_path, dataset="CMUMOSI")
    ids = [row["run_id"] for row in leaderboard.read_ok(tmp_path / "saved-trimodal")]
    assert ids[0] != ids[1]


def test_summary_keeps_experiments_apart_and_copes_with_missing_scores(tmp_path, capsys):
    from toolkit.train.summary import best_of_each, collect, summarise

    make_corpus(tmp_path / "data", "MER2023")
    make_corpus(tmp_path / "data", "MER2023_UNLABEL")
    _release(tmp_path / "data", tmp_path, dataset="MER2023", repeat_best=2, trials=2)
    _release(tmp_path / "data", tmp_path, dataset="MER2023", epochs=1)
    hyper = tmp_path / "h.yaml"
    hyper.write_text("recon_weight: 0.2\nhidden_dim: 64\n")
    _release(tmp_path / "data", tmp_path, dataset="MER2023_UNLABEL", model="misa", hyper_path=hyper)
    best = best_of_each(collect(str(tmp_path / "saved")))
    assert sorted((row["dataset"], row["trials"]) for row in best) == [
        ("MER2023", 1), ("MER2023", 2), ("MER2023_UNLABEL", 1),
    ]  # fmt: skip
    summarise(str(tmp_path / "saved"), tmp_path / "out")
    assert "misa" in capsys.readouterr().out


def test_ranks_come_from_the_runs_of_the_same_corpus(tmp_path):
    from toolkit.train.inputs import feature_ranks

    for number, (dataset, feature, f1) in enumerate(
        [("MER2023", "a1-UTT", "0.5"), ("MER2023", "a2-UTT", "0.4"), ("CMUMOSI", "a2-UTT", "0.8")]
    ):
        row = {"run_id": number, "status": "ok", "phase": "search", "dataset": dataset, "feat_type": "utt", "f1": f1}
        row |= {"audio": feature, "text": feature, "video": feature, "args": {"debug": False}, "files": {}}
        leaderboard.append(tmp_path, row)
    args = parse(["--model", "attention_topn", "--feat_type", "utt", "--dataset", "MER2023", "--fusion_topn", "1",
                  "--rank_from", str(tmp_path), "--feature_modality", "a1=A,a2=A"], None)  # fmt: skip
    assert feature_ranks(args).audio == ("a2", "a1")
