"""How well the embedded emotion lexicon stands in for a chat model: coverage, scores and correlation, by half.

  python benchmarks/lexicon.py --gt_csv gt.csv --pred_csv pred.csv --synonym_root openset-synonym.zip

The samples are split by sorted name: even positions are the development half, odd ones the held-out half. With
`--half development` the other half is not touched. `--wheel_root DIR` adds the published emotion wheels.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import pearsonr, spearmanr

from toolkit.openset.labels import read_groups
from toolkit.openset.lexicon import Lexicon, load_lexicon
from toolkit.openset.replies import ReplyStore
from toolkit.openset.samples import Samples, read_samples
from toolkit.openset.scoring import merge_map, score_sample
from toolkit.openset.wheel import WHEELS, load_wheels, score_wheel
from toolkit.utils.errors import UserError, run_main

HALVES = {"development": slice(0, None, 2), "held-out": slice(1, None, 2), "all": slice(None)}


def scores_of(samples: Samples, names: list[str], groups: dict[str, list[list[str]]]) -> np.ndarray:
    """(N, 2) accuracy and recall per sample, for the grouping of each sample's labels."""
    scored = [score_sample(name, samples.gt[name], samples.pred[name], merge_map(groups[name])) for name in names]
    return np.array([(score.accuracy, score.recall) for score in scored])


def wheel_scores(samples: Samples, names: list[str], wheel_root: Path) -> np.ndarray:
    """(N, 2) precision and recall per sample, mean of the published wheels (level 1) that keep it, else 0."""
    wheels = load_wheels(wheel_root)
    kept: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for wheel in WHEELS:
        for score in score_wheel(samples, wheels, wheel, 1).samples:
            if score.name in kept:
                kept[score.name].append((score.accuracy, score.recall))
    return np.array([np.mean(kept[name] or [(0.0, 0.0)], axis=0) for name in names])


def print_row(title: str, scores: np.ndarray, chat: np.ndarray) -> None:
    """One line: means, and how the scores (average of accuracy and recall) go with the chat model's."""
    ours, theirs = scores.mean(axis=1), chat.mean(axis=1)
    accuracy, recall = scores.mean(axis=0)
    line = f"  {title:16} accuracy {accuracy:.4f}  recall {recall:.4f}  average {scores.mean():.4f}"
    if scores is not chat:
        line += f"  Pearson {pearsonr(ours, theirs)[0]:.4f}  Spearman {spearmanr(ours, theirs)[0]:.4f}"
    print(line)


def print_coverage(samples: Samples, names: list[str], lexicon: Lexicon) -> None:
    """Share of known labels: of all labels (each once per sample), and of the distinct ones."""
    tokens = [label for name in names for label in samples.asked(name)]
    types = set(tokens)
    known, known_types = sum(map(lexicon.knows, tokens)), sum(map(lexicon.knows, types))
    print(f"  coverage         {known}/{len(tokens)} tokens ({known / len(tokens):.2%})", end="")
    print(f", {known_types}/{len(types)} types ({known_types / len(types):.2%})")


def report(samples: Samples, half: str, replies: dict[str, str], lexicon: Lexicon, wheel_root: Path | None) -> None:
    """All lines of one half."""
    names = sorted(samples.gt)[HALVES[half]]
    print(f"{half}: {len(names)} samples")
    print_coverage(samples, names, lexicon)
    chat = scores_of(samples, names, {name: read_groups(replies[name]) for name in names})
    print_row("chat model", chat, chat)
    print_row("lexicon", scores_of(samples, names, {name: lexicon.groups(samples.asked(name)) for name in names}), chat)
    print_row("exact match", scores_of(samples, names, {name: [] for name in names}), chat)
    if wheel_root is not None:
        print_row("published wheels", wheel_scores(samples, names, wheel_root), chat)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, and print one block per half."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gt_csv", type=Path, required=True)
    parser.add_argument("--pred_csv", type=Path, required=True)
    parser.add_argument("--synonym_root", type=Path, required=True, help="saved chat replies: a folder or a zip")
    parser.add_argument("--wheel_root", type=Path, help="folder of the published emotion-wheel files")
    parser.add_argument("--lexicon", type=Path, help="your own csv (word,language,cluster)")
    parser.add_argument("--half", choices=[*HALVES, "each"], default="each")
    args = parser.parse_args(argv)
    samples = read_samples(args.gt_csv, args.pred_csv)
    replies = ReplyStore.at(args.synonym_root).load(samples.gt).texts
    lost = sorted(set(samples.gt) - set(replies))
    if lost:
        raise UserError(f"{args.synonym_root}: no reply for {len(lost)} samples, the first is {lost[0]}")
    start = time.perf_counter()
    lexicon = load_lexicon(args.lexicon)
    print(f"lexicon: {len(lexicon.words)} words, loaded in {time.perf_counter() - start:.3f} s", file=sys.stderr)
    for half in HALVES if args.half == "each" else [args.half]:
        report(samples, half, replies, lexicon, args.wheel_root)
    return 0


if __name__ == "__main__":
    run_main(main)
