"""The population trainer is the same training as the plain loop."""

import functools

import numpy as np
import pytest
import torch

from toolkit.data.dataset import FusionDataset
from toolkit.dataloader.corpora import Corpus
from toolkit.dataloader.splits import random_folds
from toolkit.models import MODELS
from toolkit.models.post_norm_transformer import TransformerEncoder
from toolkit.train.crossval import TrainingData, cross_validate
from toolkit.train.settings import Optimisation, Trial
from toolkit.train.trainer import run_group

CPU = torch.device("cpu")
STACKED = [name for name, row in MODELS.items() if "utt" in row.feat_types]
HYPER = {
    "hidden_dim": 12,
    "rank": 3,
    "cpc_layers": 2,
    "alpha": 0.1,
    "beta": 0.2,
    "sim_weight": 0.1,
    "diff_weight": 0.2,
    "recon_weight": 0.1,
}


def _dtype():
    return np.float64 if torch.get_default_dtype() == torch.float64 else np.float32


def _samples(total, keys, seed, outputs):
    generator = np.random.default_rng(seed)
    emos = generator.integers(max(1, outputs[0]), size=total).astype(np.int64)
    inputs = tuple(
        (generator.normal(size=(6, 4 + n))[emos % 6] + generator.normal(size=(total, 4 + n))).astype(_dtype())
        for n in range(len(keys))
    )
    names = tuple(f"s{number}" for number in range(total))
    return FusionDataset(names, keys, inputs, emos, generator.normal(size=total).astype(_dtype()))


def training_data(model, outputs=(6, 1), metric="emoval", train=43, test=9):
    """43 samples: folds of 8 and 11, so the members of one trial do not all have the same number of steps."""
    keys = tuple(f"feat{n}" for n in range(6)) if model == "attention_topn" else ("audios", "texts", "videos")
    corpus = Corpus(
        name="X", folds="random5", train="t", tests={"test": "x"}, emotions=tuple("abcdef"[: outputs[0]]),
        outputs=outputs, metric=metric,
    )  # fmt: skip
    train_set, test_set = _samples(train, keys, 0, outputs), _samples(test, keys, 1, outputs)
    return TrainingData(
        corpus, train_set, {"test": test_set}, train_set.to_device(CPU), {"test": test_set.to_device(CPU)},
        lambda seed: random_folds(train_set.names, seed), "utt",
    )  # fmt: skip


def _optimisation(trial):
    return Optimisation(trial.hyper["lr"], 1e-3, trial.hyper["grad_clip"], batch_size=8, epochs=3)


def _trials(model, dropout, count=3):
    rates, clips = (1e-3, 1e-2, 1e-3), (-1, 0.01, 0.05)
    return [
        Trial(model, HYPER | {"dropout": dropout, "lr": rates[n % 3], "grad_clip": clips[n % 3]}, seed=n, number=n)
        for n in range(count)
    ]


def _close(found, expected, tolerance=1e-5):
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * max(np.abs(expected).max(), 1e-3)


@pytest.fixture
def no_dropout_anywhere(monkeypatch):
    """MISA's transformer has a dropout of its own, whatever the hyper-parameter says."""
    without = functools.partial(TransformerEncoder, dropout=0.0)
    monkeypatch.setattr("toolkit.models.misa.TransformerEncoder", without)


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("model", STACKED)
def test_population_equals_the_loop_without_dropout(model, no_dropout_anywhere, double):
    """In float64: float32 rounding, amplified by Adam where gradients vanish, must not decide this test."""
    _compare(training_data(model), model, 1e-6)


@pytest.mark.parametrize("model", ["attention", "attention_topn"])
def test_population_equals_the_loop_in_float32(model):
    _compare(training_data(model), model, 1e-5)


def _compare(data, model, tolerance):
    trials = _trials(model, dropout=0.0)
    for outcome in run_group(trials, data, _optimisation, "population"):
        found, expected = outcome.result, cross_validate(outcome.trial, data, _optimisation(outcome.trial))
        assert np.array_equal(found.fold_of, expected.fold_of)
        for fold, plain in zip(found.folds, expected.folds, strict=True):
            assert fold.best_epoch == plain.best_epoch
            assert len(fold.history) == 3
            for scores, wanted in zip(fold.history, plain.history, strict=True):
                assert scores.keys() == wanted.keys()
                assert scores == pytest.approx(wanted, rel=1e-4, abs=1e-5)
            for name, weight in plain.weights.items():
                if name.endswith("self_attn.in_proj_bias"):
                    # A key's bias moves all scores of a row alike, so its gradient is 0 but for rounding, which Adam
                    # then scales up: nothing can be compared there.
                    size = len(weight) // 3
                    keep = torch.cat([torch.arange(size), torch.arange(2 * size, 3 * size)])
                    fold.weights[name], weight = fold.weights[name][keep], weight[keep]
                _close(fold.weights[name].numpy(), weight.numpy(), tolerance)
        _close(found.validation.emos, expected.validation.emos, tolerance)
        _close(found.tests["test"].emos, expected.tests["test"].emos, tolerance)
        _close(found.tests["test"].vals, expected.tests["test"].vals, tolerance)
        assert found.scores == pytest.approx(expected.scores, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("outputs", [(6, 0), (0, 1)], ids=["emotions only", "valence only"])
def test_corpora_with_one_kind_of_output(outputs):
    data = training_data("attention", outputs, metric="emo")
    trials = _trials("attention", dropout=0.0, count=2)
    for outcome in run_group(trials, data, _optimisation, "population"):
        expected = cross_validate(outcome.trial, data, _optimisation(outcome.trial))
        assert outcome.result.scores == pytest.approx(expected.scores, rel=1e-4, abs=1e-5)


def test_a_member_does_not_depend_on_the_others_of_its_stack():
    """With dropout: the random streams are the member's own, so alone and in a crowd it comes to the same."""
    data = training_data("attention")
    trials = _trials("attention", dropout=0.4)
    crowd = {outcome.trial.number: outcome.result for outcome in run_group(trials, data, _optimisation, "population")}
    for trial in trials:
        alone = next(iter(run_group([trial], data, _optimisation, "population"))).result
        _close(crowd[trial.number].tests["test"].emos, alone.tests["test"].emos)
        assert crowd[trial.number].scores == pytest.approx(alone.scores, rel=1e-4, abs=1e-5)


def test_dropout_masks_have_the_right_rate_scale_and_shapes():
    from toolkit.models import ModelConfig, build_model
    from toolkit.train.stack import ModelStack, StackedMasks

    rates = (0.2, 0.5)
    models = [
        build_model("attention", ModelConfig((40, 50, 60), 6, 0, "utt", {"hidden_dim": 16, "dropout": p}))
        for p in rates
    ]
    stack = ModelStack(models, CPU)
    masks = StackedMasks(models, [3, 4], CPU)
    batch = {
        key: torch.ones(2, 500, width) for key, width in zip(("audios", "texts", "videos"), (40, 50, 60), strict=True)
    }
    drawn, again = masks.draw(stack, batch), masks.draw(stack, batch)
    assert {name: tuple(mask.shape) for name, mask in drawn.items()} == {
        "audio_encoder.drop.mask": (2, 500, 40),
        "text_encoder.drop.mask": (2, 500, 50),
        "video_encoder.drop.mask": (2, 500, 60),
        "attention_mlp.drop.mask": (2, 500, 48),
    }
    for name, mask in drawn.items():
        for member, rate in enumerate(rates):
            values = mask[member].unique()
            assert values.tolist() == pytest.approx([0, 1 / (1 - rate)])
            share = float((mask[member] == 0).float().mean())  # 20,000 to 30,000 draws: standard deviation below 0.0036
            assert abs(share - rate) < 0.015
        assert not torch.equal(mask, again[name])
    assert torch.equal(
        StackedMasks(models, [3, 4], CPU).draw(stack, batch)["audio_encoder.drop.mask"],
        drawn["audio_encoder.drop.mask"],
    )


def test_score_distributions_agree_with_dropout():
    """Two-sample Kolmogorov-Smirnov test on the cv f1 of 40 + 40 runs that differ in the masks only."""
    from scipy.stats import ks_2samp

    data = training_data("attention", (6, 0), "emo", train=60)
    trials = [
        Trial("attention", HYPER | {"dropout": 0.5, "lr": 3e-3, "grad_clip": -1}, seed=n, number=n) for n in range(40)
    ]
    stacked = [outcome.result.scores["f1"] for outcome in run_group(trials, data, _optimisation, "population")]
    plain = [cross_validate(trial, data, _optimisation(trial)).scores["f1"] for trial in trials]
    assert len(set(stacked)) > 20
    assert ks_2samp(stacked, plain).pvalue > 0.01
    # the same seeds have the same folds and initial weights: the paired difference is small, too
    difference = np.array(stacked) - np.array(plain)
    assert abs(difference.mean()) < 3 * difference.std() / np.sqrt(len(difference)) + 1e-3


def test_a_diverging_trial_fails_alone():
    data = training_data("attention")
    good, bad = _trials("attention", dropout=0.0, count=2)
    bad = Trial("attention", dict(bad.hyper) | {"lr": 1e30, "grad_clip": -1}, seed=5, number=1)
    for trainer in ("population", "loop"):
        groups = [[good, bad]] if trainer == "population" else [[good], [bad]]
        outcomes = [outcome for group in groups for outcome in run_group(group, data, _optimisation, trainer)]
        assert outcomes[0].failure == "" and np.isfinite(outcomes[0].result.scores["f1"])
        assert outcomes[1].result is None
        assert "the training loss became" in outcomes[1].failure and "in epoch" in outcomes[1].failure
