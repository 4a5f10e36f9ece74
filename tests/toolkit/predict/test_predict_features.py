"""main-predict.py --features: the ensemble, the files, what is missing or damaged, pseudo-labels."""

import csv
import json
import os
import runpy
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from toolkit.globals import PATH_TO_REPOSITORY
from toolkit.predict.arguments import parse
from toolkit.predict.files import weight_columns
from toolkit.predict.run_folder import find_model
from toolkit.train import saved_model
from toolkit.utils.errors import UserError

SCRIPT = PATH_TO_REPOSITORY / "main-predict.py"


@pytest.fixture
def predict(tmp_path):
    """Runs main-predict.py in this process with --features; the exit status."""
    main = runpy.run_path(str(SCRIPT))["main"]

    def run(model, features, *flags):
        place = ["--model", str(model), "--features", str(features), "--output", str(tmp_path / "out"), "--gpu", "-1"]
        return main([*place, *flags])

    return run


def _csv(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _clips(tmp_path):
    return {clip["name"]: clip for clip in json.loads((tmp_path / "out/predictions.json").read_text())["clips"]}


def _by_hand(folder, features, name, suffix="UTT", frames=None):
    """Logits, valence and weights: every fold's model on this clip alone, then the mean."""
    batch = {}
    for key, stem in zip(("audios", "texts", "videos"), ("aud", "txt", "vis"), strict=True):
        rows = np.load(features / f"{stem}-{suffix}" / f"{name}.npy")
        if frames is not None:
            rows = np.concatenate([np.zeros((frames - len(rows), rows.shape[1]), np.float32), rows])
        batch[key] = torch.from_numpy(rows)[None]
    outputs = [model(batch) for model in saved_model.load(folder).models]
    return [
        sum(getattr(output, key).detach().numpy()[0].astype(float) for output in outputs) / len(outputs)
        for key in ("emos", "vals", "attention")
    ]


def test_the_prediction_is_the_softmax_of_the_mean_of_the_folds_logits(
    write_model, features, predict, tmp_path, capsys
):
    model = write_model(tmp_path / "model")
    assert predict(model, features, "--explain") == 0
    rows = _csv(tmp_path / "out/predictions.csv")
    assert [row["name"] for row in rows] == ["a", "b", "c", "d", "e f"]
    assert list(rows[0]) == [
        *("name", "discrete", "calm", "angry at", "glad", "valence", "weight_audio", "weight_text", "weight_video")
    ]
    clips = _clips(tmp_path)
    for row in rows:
        logits, valence, weights = _by_hand(model, features, row["name"])
        probabilities = np.exp(logits) / np.exp(logits).sum()
        clip = clips[row["name"]]
        np.testing.assert_allclose(list(clip["logits"].values()), logits, atol=1e-6)
        np.testing.assert_allclose(list(clip["probabilities"].values()), probabilities, atol=1e-6)
        np.testing.assert_allclose([float(row[key]) for key in ("calm", "angry at", "glad")], probabilities, atol=2e-6)
        assert row["discrete"] == clip["discrete"] == ("calm", "angry at", "glad")[logits.argmax()]
        assert float(row["valence"]) == pytest.approx(valence[0], abs=2e-6)
        np.testing.assert_allclose(list(clip["weights"].values()), weights, atol=1e-6)
        assert list(clip["weights"]) == ["audio", "text", "video"]
    out = capsys.readouterr().out
    assert "5 predicted (2 attention models, mean of the folds' logits, then softmax), 0 failed" in out
    assert out.splitlines()[0].split() == (
        "NAME EMOTION calm angry at glad VALENCE weight audio weight text weight video".split()
    )
    assert not (tmp_path / "out/failures.csv").exists()


def test_the_saved_models_of_a_training_run_give_its_test_predictions(features, predict, tmp_path):
    from toolkit.data.labels import write_labels
    from toolkit.globals import corpus_paths
    from toolkit.train.arguments import parse
    from toolkit.train.run import train

    paths = corpus_paths("MER2024", tmp_path / "data")
    generator = np.random.default_rng(1)
    names = [f"clip {number}" for number in range(12)]
    for stem in ("aud", "txt", "vis"):
        (paths.features / f"{stem}-UTT").mkdir(parents=True)
        for name in names:
            np.save(paths.features / f"{stem}-UTT" / f"{name}.npy", generator.normal(size=4).astype(np.float32))
    emotions = ("neutral", "angry", "happy", "sad")
    labels = {name: {"emo": emotions[number % 4], "val": -10} for number, name in enumerate(names)}
    tests = {name: labels[name] | {"emo": "neutral"} for name in names[10:]}
    write_labels(paths.label, {"train_corpus": {name: labels[name] for name in names[:10]}, "test1_corpus": tests})
    flags = {"dataset": "MER2024", "data_root": tmp_path / "data", "model": "attention", "feat_type": "utt"}
    flags |= {"audio_feature": "aud-UTT", "text_feature": "txt-UTT", "video_feature": "vis-UTT"}
    flags |= {"save_root": tmp_path / "saved", "epochs": 2, "seed": 1, "gpu": -1}
    train(parse([*(part for flag, value in flags.items() for part in (f"--{flag}", str(value))), "--savemodel"], None))

    assert predict(tmp_path / "saved", paths.features, "--top_k", "5") == 0
    clips = _clips(tmp_path)
    with np.load(next((tmp_path / "saved-trimodal/result").glob("test1_*.npz"))) as test:
        assert test["names"].tolist() == names[10:]
        mine = [list(clips[name]["logits"].values()) for name in names[10:]]
        np.testing.assert_allclose(mine, test["emo_probs"], atol=1e-6)
        np.testing.assert_allclose(
            [list(clips[name]["probabilities"].values()) for name in names[10:]], test["emo_softmax"], atol=1e-6
        )
    labelled = {row["name"] for row in _csv(tmp_path / "out/pseudo-labels.csv")}
    assert labelled == set(names[10:])  # the ten training samples are left out


def test_what_is_missing_or_damaged_is_listed_and_the_rest_predicted(write_model, features, predict, tmp_path, capsys):
    model = write_model(tmp_path / "model")
    (features / "txt-UTT" / "b.npy").unlink()
    np.save(features / "vis-UTT" / "c.npy", np.full(7, np.nan, np.float32))
    (features / "aud-UTT" / "d.npy").write_bytes(b"nothing")
    assert predict(model, features) == 1
    assert [row["name"] for row in _csv(tmp_path / "out/predictions.csv")] == ["a", "e f"]
    failures = {row["name"]: row["reason"] for row in _csv(tmp_path / "out/failures.csv")}
    assert list(failures) == ["b", "c", "d"]
    assert failures["b"] == f"no feature in txt-UTT of {features}"
    assert "c.npy: contains NaN or infinity" in failures["c"] and "d.npy: not a readable .npy" in failures["d"]
    logits, *_ = _by_hand(model, features, "e f")
    np.testing.assert_allclose(list(_clips(tmp_path)["e f"]["logits"].values()), logits, atol=1e-6)
    assert "2 predicted" in (out := capsys.readouterr().out) and "failed: b: no feature in txt-UTT" in out


def test_a_name_that_is_not_utf8_costs_no_other(write_model, features, predict, tmp_path):
    for stem in ("aud", "txt", "vis"):
        shutil.copy(features / f"{stem}-UTT" / "a.npy", os.fsencode(features / f"{stem}-UTT") + b"/caf\xe9.npy")
    assert predict(write_model(tmp_path / "model"), features) == 1
    assert [row["name"] for row in _csv(tmp_path / "out/predictions.csv")] == ["a", "b", "c", "d", "e f"]
    (failure,) = _csv(tmp_path / "out/failures.csv")
    assert failure["name"] == r"caf\udce9" and "is not UTF-8; rename it" in failure["reason"]


def test_names_choose_samples_and_their_order(write_model, features, predict, tmp_path):
    names = tmp_path / "names.csv"
    names.write_text("name\nd\na\nnobody\n")
    assert predict(write_model(tmp_path / "model"), features, "--names", str(names)) == 1
    assert [row["name"] for row in _csv(tmp_path / "out/predictions.csv")] == ["d", "a"]
    assert [row["name"] for row in _csv(tmp_path / "out/failures.csv")] == ["nobody"]


@pytest.mark.parametrize("cache", [True, False])
def test_blocks_give_what_one_at_a_time_gives(write_model, features, predict, tmp_path, monkeypatch, cache):
    monkeypatch.setattr("toolkit.predict.reading.UTTERANCE_BLOCK", 2)
    if not cache:
        monkeypatch.setenv("MER_CACHE", "none")
    model = write_model(tmp_path / "model")
    assert predict(model, features) == 0
    assert (features / ".packed").exists() == cache
    clips = _clips(tmp_path)
    assert list(clips) == ["a", "b", "c", "d", "e f"]
    for name, clip in clips.items():
        np.testing.assert_allclose(list(clip["logits"].values()), _by_hand(model, features, name)[0], atol=1e-6)


def test_frames_are_padded_to_the_training_length_whatever_stands_beside_them(write_model, features, predict, tmp_path):
    """Training saw 9 frames at most: shorter clips get zeros in front up to 9, the clip of 30 keeps its own length."""
    model = write_model(tmp_path / "model", feat_type="frm_unalign", lengths=[9, 9, 9])
    assert predict(model, features) == 0
    clips = _clips(tmp_path)
    for name, frames in {"a": 9, "b": 9, "c": 9, "d": 9, "e f": 30}.items():
        logits, *_ = _by_hand(model, features, name, "FRA", frames)
        np.testing.assert_allclose(list(clips[name]["logits"].values()), logits, atol=1e-6)
    unpadded, *_ = _by_hand(model, features, "a", "FRA", 1)
    assert np.abs(unpadded - list(clips["a"]["logits"].values())).max() > 1e-4  # the padding is seen


def test_a_clip_with_one_long_input_does_not_stretch_the_others(write_model, features, predict, tmp_path):
    """Training saw up to 9 frames of sound and 30 of the rest: "e f" has 30 of all, so only its sound is too long."""
    model = write_model(tmp_path / "model", feat_type="frm_unalign", lengths=[9, 30, 30])
    assert predict(model, features) == 0
    clips = _clips(tmp_path)
    for name in ("a", "b", "c", "d", "e f"):
        batch = {}
        for key, stem, length in zip(("audios", "texts", "videos"), ("aud", "txt", "vis"), (9, 30, 30), strict=True):
            rows = np.load(features / f"{stem}-FRA" / f"{name}.npy")
            padding = np.zeros((max(length - len(rows), 0), rows.shape[1]), np.float32)
            batch[key] = torch.from_numpy(np.concatenate([padding, rows]))[None]
        expected = saved_model.load(model).logits(batch)[0]
        np.testing.assert_allclose(list(clips[name]["logits"].values()), expected, atol=1e-6)


def test_valence_alone(write_model, features, predict, tmp_path, capsys):
    model = write_model(tmp_path / "model", outputs=[0, 1], emotions=[])
    assert predict(model, features) == 0
    rows = _csv(tmp_path / "out/predictions.csv")
    assert list(rows[0]) == ["name", "valence"]
    assert float(rows[1]["valence"]) == pytest.approx(_by_hand(model, features, "b")[1][0], abs=2e-6)
    with pytest.raises(UserError, match="--top_k: this model predicts valence only"):
        predict(model, features, "--top_k", "3")


# ---------------------------------------------------------------- pseudo-labels


@pytest.fixture
def confident(monkeypatch):
    """Predictions with these probabilities of (calm, angry at, glad), whatever the features say."""
    from toolkit.predict.ensemble import Predicted
    from toolkit.train.loop import Predictions

    def install(probabilities, valences=1):
        emos = np.log(np.array(list(probabilities.values()), np.float32))
        outputs = Predictions(emos, np.full((len(emos), valences), 0.25, np.float32))
        predicted = Predicted(list(probabilities), outputs, {})
        monkeypatch.setattr("toolkit.predict.run.predict_samples", lambda *arguments: predicted)

    return install


PROBABILITIES = {
    "a": (0.7, 0.2, 0.1),
    "b": (0.6, 0.3, 0.1),
    "c": (0.1, 0.8, 0.1),
    "d": (0.7, 0.1, 0.2),  # as sure as a: the name decides
    "e f": (0.2, 0.3, 0.5),
}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--top_k", "2"), [("c", "angry at", "0.800000"), ("a", "calm", "0.700000")]),
        (
            ("--top_k", "1", "--per_class"),
            [("c", "angry at", "0.800000"), ("a", "calm", "0.700000"), ("e f", "glad", "0.500000")],
        ),
        (
            ("--top_k", "9"),
            [
                ("c", "angry at", "0.800000"),
                ("a", "calm", "0.700000"),
                ("d", "calm", "0.700000"),
                ("b", "calm", "0.600000"),
                ("e f", "glad", "0.500000"),
            ],
        ),
    ],
)
def test_the_most_confident_first_ties_by_name(write_model, features, predict, tmp_path, confident, flags, expected):
    confident(PROBABILITIES, valences=0)
    model = write_model(tmp_path / "model", outputs=[3, 0])
    assert predict(model, features, *flags) == 0
    rows = _csv(tmp_path / "out/pseudo-labels.csv")
    assert list(rows[0]) == ["name", "discrete", "confidence"]
    assert [tuple(row.values()) for row in rows] == expected


def test_pseudo_labels_of_a_valence_model_hold_it_and_training_samples_are_left_out(
    write_model, features, predict, tmp_path, confident, capsys
):
    confident(PROBABILITIES)
    model = write_model(tmp_path / "model", train_names=["c", "zz"])
    assert predict(model, features, "--top_k", "1") == 0
    assert (tmp_path / "out/pseudo-labels.csv").read_text() == (
        "name,discrete,confidence,valence\na,calm,0.700000,0.250000\n"
    )
    out = capsys.readouterr().out
    assert "1 of 5 are names of the model's own training samples" in out
    assert "1 pseudo-labels; 1 training samples left out" in out


@pytest.mark.parametrize("feat_type", ["utt", "frm_unalign"])
def test_samples_without_a_modality_give_no_pseudo_labels(write_model, features, predict, tmp_path, capsys, feat_type):
    suffix = "UTT" if feat_type == "utt" else "FRA"
    model = write_model(tmp_path / "model", feat_type=feat_type, lengths=[9, 9, 9], train_names=["a"])
    for stem, name in (("vis", "c"), ("txt", "d"), ("aud", "a")):
        path = features / f"{stem}-{suffix}" / f"{name}.npy"
        np.save(path, np.zeros_like(np.load(path)))
    half = np.load(features / f"vis-{suffix}" / "b.npy")
    half[..., 1:] = 0  # not all of it
    np.save(features / f"vis-{suffix}" / "b.npy", half)
    assert predict(model, features, "--top_k", "9") == 0
    assert sorted(row["name"] for row in _csv(tmp_path / "out/pseudo-labels.csv")) == ["b", "e f"]
    assert [row["name"] for row in _csv(tmp_path / "out/predictions.csv")] == ["a", "b", "c", "d", "e f"]
    expected = "2 pseudo-labels; 1 training samples left out; 2 without a face, words or sound (zeros) left out"
    assert expected in capsys.readouterr().out


def test_pseudo_labels_of_an_earlier_call_do_not_stay(write_model, features, predict, tmp_path):
    model = write_model(tmp_path / "model")
    assert predict(model, features, "--top_k", "1") == 0
    assert (tmp_path / "out/pseudo-labels.csv").exists()
    assert predict(model, features) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["predictions.csv", "predictions.json"]


# ---------------------------------------------------------------- which model, wrong flags


def test_the_model_may_be_named_by_a_folder_above_it(write_model, tmp_path):
    only = write_model(tmp_path / "saved-trimodal/model/features:x")
    for given in (only, tmp_path / "saved-trimodal/model", tmp_path / "saved-trimodal", tmp_path, tmp_path / "saved"):
        assert find_model(str(given)) == only
    other = write_model(tmp_path / "saved-unimodal/model/features:y")
    assert find_model(str(tmp_path / "saved-unimodal")) == other
    with pytest.raises(UserError, match=r"2 saved models below it; choose one:\n  .*features:x\n  .*features:y$"):
        find_model(str(tmp_path / "saved"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: holds no saved model .*--savemodel"):
        find_model(str(tmp_path / "empty"))
    with pytest.raises(UserError, match="nowhere: does not exist"):
        find_model(str(tmp_path / "nowhere"))


def test_weights_are_named_by_modality_or_by_feature():
    def columns(keys, features):
        return weight_columns({"keys": keys, "features": features})

    assert columns(["audios", "texts", "videos"], ["a", "a", "a"]) == ["weight_audio", "weight_text", "weight_video"]
    assert columns(["feat0", "feat1"], ["a-UTT", "b-UTT"]) == ["weight_a-UTT", "weight_b-UTT"]
    twice = columns(["feat0", "feat1", "feat2"], ["a-UTT", "b-UTT", "b-UTT"])
    assert twice == ["weight_a-UTT_feat0", "weight_b-UTT_feat1", "weight_b-UTT_feat2"]


def test_what_the_model_cannot_do_is_refused(write_model, features, predict, tmp_path):
    tfn = {"hidden_dim": 8, "dropout": 0.3, "grad_clip": -1.0, "lr": 1e-3}
    model = write_model(tmp_path / "tfn", model="tfn", hyper=tfn)
    with pytest.raises(
        UserError, match="--explain: tfn has no weights per modality, only attention and attention_topn"
    ):
        predict(model, features, "--explain")
    assert predict(model, features) == 0
    assert list(_csv(tmp_path / "out/predictions.csv")[0])[-1] == "valence"
    wide = write_model(tmp_path / "wide", feat_dims=[5, 9, 7])
    with pytest.raises(UserError, match="txt-UTT holds features of 6 values, the model was trained on 9"):
        predict(wide, features)
    other = write_model(tmp_path / "other", features=["aud-UTT", "no-UTT", "vis-UTT"])
    with pytest.raises(UserError, match=r"no feature folder .*no-UTT; folders there: aud-FRA, aud-UTT"):
        predict(other, features)
    columns = write_model(tmp_path / "columns", emotions=["calm", "name", "weight_audio"])
    with pytest.raises(
        UserError, match="'name': tables .* a column name .*; 'weight_audio': tables .* and train again"
    ):
        predict(columns, features)
    old = write_model(tmp_path / "old", feat_type="frm_unalign", lengths=[])
    with pytest.raises(UserError, match="without the length of its sequences; train again"):
        predict(old, features)


def test_flags_of_clips_that_are_not_given_have_their_defaults():
    args = parse(["--model", "m", "--video", "a.mp4"], "")
    assert (args.asr_backend, args.face_backend, args.keep_work, args.gpu) == ("whisper", "auto", None, 0)
    args = parse(["--model", "m", "--video", "a.mp4", "--face_backend", "mtcnn", "--asr_backend", "funasr"], "")
    assert (args.asr_backend, args.face_backend) == ("funasr", "mtcnn")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "give either --video"),
        (["--video", "a.mp4", "--features", "f"], "give either --video"),
        (
            ["--features", "f", "--transcript", "t.csv", "--keep_work", "w"],
            "--keep_work, --transcript: for --video only",
        ),
        (
            ["--features", "f", "--asr_backend", "whisper", "--face_backend", "auto"],
            "--asr_backend, --face_backend: for --video only",
        ),
        (
            ["--video", "a.mp4", "--transcript", "t.csv", "--asr_backend", "whisper"],
            "--transcript needs no speech recognition; leave --asr_backend out",
        ),
        (["--video", "a.mp4", "--names", "n.csv"], "--names goes with --features"),
        (["--features", "f", "--top_k", "0"], "--top_k 0: must be at least 1"),
        (["--features", "f", "--per_class"], "--per_class goes with --top_k"),
        (["--video", "a.mp4", "--transcript", "t.csv", "--language", "en"], "--transcript needs no speech recognition"),
        (["--video", "a.mp4", "--gpu", "-2"], "--gpu -2: the index of a GPU"),
    ],
)
def test_wrong_flags_are_refused_before_any_work(flags, message):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--model", "m", *flags], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and f"error: {message}" in done.stderr
