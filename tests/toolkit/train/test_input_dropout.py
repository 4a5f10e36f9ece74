"""Inputs gathered and dropped in one pass: the masks' law, and that only inputs with one way in are treated so."""

import numpy as np
import pytest
import torch
from torch import nn

from toolkit.data.dataset import FusionDataset
from toolkit.models import FusionOutput, ModelConfig, build_model
from toolkit.models.dropout import Dropout
from toolkit.train.input_dropout import DroppedInputs, only_sites

KEYS = ("audios", "texts", "videos")
HYPER = {"hidden_dim": 8, "rank": 3, "cpc_layers": 2, "alpha": 0.1, "beta": 0.2}
HYPER |= {"sim_weight": 0.1, "diff_weight": 0.2, "recon_weight": 0.1}


def _data(widths=(6, 9, 7), total=50):
    generator = np.random.default_rng(0)
    inputs = tuple(generator.normal(size=(total, width)).astype(np.float32) for width in widths)
    emos = generator.integers(6, size=total).astype(np.int64)
    names = tuple(map(str, range(total)))
    return FusionDataset(names, KEYS, inputs, emos, np.zeros(total, np.float32)).to_device(torch.device("cpu"))


def _models(rates, widths=(6, 9, 7), model="attention"):
    return [build_model(model, ModelConfig(widths, 6, 1, "utt", HYPER | {"dropout": rate})) for rate in rates]


def _slow_hash(counter):
    """splitmix64's output function in Python integers."""
    word = 2**64
    z = counter * 0x9E3779B97F4A7C15 % word
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % word
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % word
    return z ^ (z >> 31)


def _slow(data, index, seed, rate, step, number):
    """One member's dropped input, element by element in plain Python."""
    rows = data.arrays[number].numpy()
    width = rows.shape[1]
    quarter = -(-width // 4)
    key = (seed * 0x94D049BB133111EB + (step * len(KEYS) + number) * 2**40) % 2**64
    out = np.zeros((len(index), width), np.float32)
    for row, source in enumerate(index):
        for column in range(width):
            lane, position = divmod(column, quarter)
            bits = (_slow_hash((key + row * quarter + position) % 2**64) >> (16 * lane)) & 0xFFFF
            if bits >= round(rate * 65536):
                out[row, column] = rows[source, column] * np.float32(1 / (1 - rate))
    return out


def test_equals_a_slow_version():
    data, rates, seeds = _data(), (0.0, 0.3, 0.5), (5, 2**63 - 9, 7)
    inputs = DroppedInputs(_models(rates), data, seeds)
    index = torch.from_numpy(np.random.default_rng(1).integers(50, size=(3, 4)))
    for step in range(2):
        batch = inputs.batch(index)
        for number, key in enumerate(KEYS):
            for member, (rate, seed) in enumerate(zip(rates, seeds, strict=True)):
                expected = _slow(data, index[member].numpy(), seed, rate, step, number)
                np.testing.assert_array_equal(batch[key][member].numpy(), expected)
        assert torch.equal(batch["emos"], data.emos[index])


def test_rate_and_scale():
    widths, rates = (400, 500, 300), (0.2, 0.5)
    data = _data(widths, total=60)
    for rows in data.arrays:
        rows.fill_(1.0)
    batch = DroppedInputs(_models(rates, widths), data, (1, 2)).batch(torch.arange(60).repeat(2, 1))
    for key in KEYS:
        for member, rate in enumerate(rates):
            values = batch[key][member]
            assert values.unique().tolist() == pytest.approx([0, 1 / (1 - rate)])
            share = float((values == 0).float().mean())  # at least 18,000 draws: standard deviation below 0.004
            assert abs(share - rate) < 0.016
            columns = (values == 0).float().mean(dim=0)
            assert columns.min() > 0 or rate < 0.3  # no column is always kept


def test_a_member_does_not_depend_on_the_others():
    data = _data()
    index = torch.arange(8).repeat(3, 1)
    together = DroppedInputs(_models((0.3, 0.4, 0.5)), data, (1, 2, 3)).batch(index)
    alone = DroppedInputs(_models((0.4,)), data, (2,)).batch(index[1:2])
    assert all(torch.equal(together[key][1], alone[key][0]) for key in KEYS)


@pytest.mark.parametrize(
    ("model", "sites"),
    [
        ("attention", ["audio_encoder.drop", "text_encoder.drop", "video_encoder.drop"]),
        ("lf_dnn", ["audio_encoder.drop", "text_encoder.drop", "video_encoder.drop"]),
        ("lmf", ["audio_encoder.drop", "text_encoder.drop", "video_encoder.drop"]),
        ("tfn", ["audio_encoder.drop", "text_encoder.drop", "video_encoder.drop"]),
    ],
)
def test_eligible_inputs(model, sites):
    assert only_sites(_models((0.3,), model=model)[0], _data()) == dict(zip(KEYS, sites, strict=True))


class _Two(nn.Module):
    """Uses its audio input twice: behind a dropout, and beside it."""

    def __init__(self):
        super().__init__()
        self.drop = Dropout(0.5)
        self.text = Dropout(0.5)
        self.layer = nn.Linear(6 + 9, 6)

    def forward(self, batch):
        features = self.layer(torch.cat([self.drop(batch["audios"]), self.text(batch["texts"])], dim=1))
        beside = features + batch["audios"]
        return FusionOutput(features, beside, features[:, :1], features.new_zeros(()))


def test_an_input_with_a_second_way_in_is_left_alone():
    assert only_sites(_Two(), _data()) == {"texts": "text"}
