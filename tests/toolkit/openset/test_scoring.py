"""Set metrics against hand-worked cases and a slow version of the definition."""

import random

import pytest

from toolkit.openset.scoring import mean_score, merge_map, score_sample


def test_a_hand_worked_sample():
    merged = merge_map([["happy", "joyful"], ["calm"], ["sad", "down"]])
    score = score_sample("x", ["joyful", "calm", "angry"], ["happy", "down"], merged)
    assert (score.hits, score.accuracy, score.recall) == (("happy",), 1 / 2, 1 / 3)


def test_merged_labels_count_once_on_each_side():
    merged = merge_map([["a", "b", "c"]])
    score = score_sample("x", ["a", "b"], ["b", "c", "d"], merged)
    assert (score.accuracy, score.recall) == (1 / 2, 1.0)


def test_an_empty_prediction_scores_zero():
    assert score_sample("x", ["a"], [], {}).accuracy == score_sample("x", ["a"], [], {}).recall == 0.0


def test_an_empty_truth_has_no_score():
    with pytest.raises(ValueError, match="x: no true label"):
        score_sample("x", [], ["a"], {})


def test_of_repeated_labels_the_later_group_wins():
    assert merge_map([["a", "b"], ["c", "b"]]) == {"a": "a", "b": "c", "c": "c"}


def test_labels_of_no_group_match_exactly():
    assert score_sample("x", ["new", "old"], ["new"], merge_map([["old", "aged"]])).accuracy == 1.0


def _slow(samples, groups):
    """The definition, label by label."""
    accuracy = recall = 0.0
    for name in sorted(samples):
        truth, guess = [], []
        for labels, out in zip(samples[name], (truth, guess), strict=True):
            for label in labels:
                first = label
                for group in groups[name]:
                    if label in group:
                        first = group[0]
                if first not in out:
                    out.append(first)
        hits = sum(label in truth for label in guess)
        accuracy += hits / len(guess) if guess else 0.0
        recall += hits / len(truth) if guess else 0.0
    return accuracy / len(samples), recall / len(samples)


def test_many_samples_against_the_slow_version_in_any_order():
    chance = random.Random(0)
    words = [f"w{number}" for number in range(12)]
    samples, groups = {}, {}
    for number in range(2000):
        name = f"s{number}"
        samples[name] = (chance.sample(words, chance.randint(1, 5)), chance.sample(words, chance.randint(0, 5)))
        shuffled = chance.sample(words, 10)
        groups[name] = [shuffled[:4], shuffled[4:6], shuffled[6:] + shuffled[:1]]
    scores = [score_sample(name, *both, merge_map(groups[name])) for name, both in samples.items()]
    found = mean_score(scores)
    accuracy, recall = _slow(samples, groups)
    assert found.accuracy == pytest.approx(accuracy, abs=1e-12)
    assert found.recall == pytest.approx(recall, abs=1e-12)
    assert found.average == (found.accuracy + found.recall) / 2
    chance.shuffle(scores)
    assert mean_score(scores) == found  # to the last digit


def test_100_000_samples():
    scores = (score_sample(f"{n:06d}", ["a", "b"], ["b", "c", "d"][: n % 4], {"c": "a"}) for n in range(100_000))
    found = mean_score(scores)  # n % 4: no label, b, b and a, b and a and d
    assert found.accuracy == pytest.approx((0 + 1 + 1 + 2 / 3) / 4, abs=1e-9)
    assert found.recall == pytest.approx((0 + 1 / 2 + 1 + 1) / 4, abs=1e-9)


def test_no_sample():
    with pytest.raises(ValueError, match="no sample"):
        mean_score([])
