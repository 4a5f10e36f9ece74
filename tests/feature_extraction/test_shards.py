"""Static shards: every clip in exactly one, whatever else is in the corpus."""

from __future__ import annotations

import argparse

import pytest

from feature_extraction.contract import Sample
from feature_extraction.shards import Shard, shard


def test_parts_are_disjoint_complete_even_and_in_order():
    samples = [Sample(f"sample_{number:08d}") for number in range(8000)]
    parts = [Shard(index, 8).select(samples) for index in range(1, 9)]
    assert sorted((s for part in parts for s in part), key=lambda s: s.name) == samples
    assert all(850 < len(part) < 1150 for part in parts)
    assert all(part == sorted(part, key=lambda s: s.name) for part in parts)


def test_the_cut_is_fixed_forever():
    # blake2b with 8 bytes: a change here would make running job arrays overlap
    assert [index for index in (1, 2, 3, 4) if Shard(index, 4).holds("sample_00000001")] == [1]
    assert [index for index in (1, 2, 3) if Shard(index, 3).holds('中文 "x" $y')] == [2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0/4", "count from 1, so give 1/4 to 4/4"),
        ("5/4", "count from 1"),
        ("1/0", "there must be at least 1 part"),
        ("3", "not of the form i/n"),
        ("a/b", "not of the form i/n"),
    ],
)
def test_bad_shards_are_named(text, words):
    with pytest.raises(argparse.ArgumentTypeError, match=words):
        shard(text)


def test_a_good_one():
    assert shard("3/8") == Shard(3, 8) and shard("1/1").select([Sample("a")]) == [Sample("a")]
