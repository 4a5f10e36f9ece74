"""How many copies of a model a run uses, and how batches are composed."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from feature_extraction import policy
from feature_extraction.contract import Extractor, Output, Sample, batches_of


class Priced(Extractor):
    modality = "text"
    outputs = (Output("x", 1),)

    def __init__(self, weights: Path | None = None) -> None:
        self.weights = weights
        self.replica = functools.partial(Priced, weights)
        self.replica_pays = 10.0

    def extract(self, batch):
        raise NotImplementedError


def samples(*lengths: int) -> list[Sample]:
    return [Sample(f"{index}", text="x" * length) for index, length in enumerate(lengths)]


@pytest.fixture
def eight_cores(monkeypatch):
    monkeypatch.setattr(policy, "cores", lambda: 8)
    monkeypatch.setattr(policy, "_memory", lambda: 16 << 30)


def test_one_copy_per_core_when_it_pays(eight_cores):
    assert policy.model_copies(Priced(), samples(5, 5), None) == 8
    assert policy.model_copies(Priced(), samples(5, 4), None) == 1
    assert policy.model_copies(Priced(), samples(1), 3) == 3  # the user's word
    assert [policy.threads_per_copy(copies) for copies in (1, 2, 3, 8, 16)] == [8, 4, 2, 1, 1]


def test_an_extractor_that_cannot_be_copied_stays_one(eight_cores):
    extractor = Priced()
    extractor.replica = None
    assert policy.model_copies(extractor, samples(50), 4) == 1


def test_memory_limits_the_copies(eight_cores, tmp_path):
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.truncate(2 << 30)
    with (tmp_path / "pytorch_model.bin").open("wb") as file:
        file.truncate(1 << 30)
    assert policy.weight_bytes(tmp_path) == 2 << 30  # the larger of two forms of the same weights
    assert policy.model_copies(Priced(tmp_path), samples(50), None) == 3  # 16 / (2 * 2 + 1)


def test_batches_by_hand():
    five = samples(4, 9, 2, 9, 3)
    names = lambda batches: ["".join(sample.name for sample in batch) for batch in batches]  # noqa: E731
    cost = Priced().cost
    assert names(batches_of(five, cost, 2)) == ["13", "04", "2"]  # costs 9 9, 4 3, 2
    assert names(batches_of(five, cost, 5, budget=12)) == ["1", "3", "042"]  # 9, 9, three times 4
    assert names(batches_of(five, cost, 5, budget=5)) == ["1", "3", "0", "4", "2"]  # larger ones go alone
    assert names(batches_of(samples(0, 0, 0), cost, 2, budget=1)) == ["01", "2"]
    assert batches_of([], cost, 2) == []
