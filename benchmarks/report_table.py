"""What `python -m benchmarks` runs, and how the ratios are read out of what each benchmark prints."""

from __future__ import annotations

import re
from collections.abc import Callable

from benchmarks.report_ratio import Benchmark, Ratio


def _population(test: int) -> str:
    return rf"{test} test samples:(?:(?!test samples:).)*?\(c\) population[^\n]*?([\d.]+) times \(a\)"


def _noise(seconds: int) -> str:
    return rf"noise files of {seconds} s: seconds per clip(?:(?!noise files of).)*?ours, mpeg4[^\n]*?([\d.]+) x"


def _first_to_last(pattern: str) -> Callable[[re.Match[str]], float]:
    """Last figure of `pattern` in the match against its first."""

    def figure(match: re.Match[str]) -> float:
        values = [float(value) for value in re.findall(pattern, match[0])]
        return values[-1] / values[0]

    return figure


BENCHMARKS = (
    Benchmark(
        "startup",
        "startup.py",
        (
            Ratio(
                "slowest `--help` of an entry script",
                r"main-asr.*",
                1.0,
                most=True,
                unit="s",
                figure=lambda match: max(map(float, re.findall(r"median ([\d.]+) s", match[0]))),
            ),
        ),
        short=("--runs", "2"),
    ),
    Benchmark(
        "training",
        "training.py",
        (
            Ratio("attention, population against the reference's way, 1,169 test samples", _population(1169), 4),
            Ratio("the same, 20,000 test samples", _population(20000), 8),
        ),
        ("--part", "training"),
        gpu=("--gpu", "0"),
        gpu_ratios=(
            Ratio("attention, population against the reference's way, 1,169 test samples", _population(1169)),
            Ratio("the same, 20,000 test samples", _population(20000)),
        ),
    ),
    Benchmark(
        "topn",
        "training.py",
        (Ratio("attention_topn, 18 features, population against the reference's way", _population(1169), 4),),
        ("--part", "topn"),
        short=("--short", "--test_samples", "1169"),
        gpu=("--gpu", "0"),
        gpu_ratios=(Ratio("attention_topn, 18 features, 1,169 test samples", _population(1169)),),
    ),
    Benchmark(
        "recurrent",
        "training.py",
        tuple(
            Ratio(
                f"{model}, folds in a process per core against one process",
                rf"{model} +1 process[^\n]*: ([\d.]+) times",
            )
            for model in ("mfn", "ef_lstm")
        ),
        ("--part", "recurrent"),
    ),
    Benchmark(
        "reading",
        "training.py",
        (
            Ratio(
                "reading features for the first time, against 8 reading processes",
                r"first time[^\n]*\(([\d.]+) times",
                1,
            ),
            Ratio(
                "reading features from the cache, against 8 reading processes",
                r"from the cache[^\n]*\(([\d.]+) times",
                20,
            ),
        ),
        ("--part", "reading"),
    ),
    Benchmark(
        "memory",
        "training.py",
        tuple(
            Ratio(
                f"18 features: peak memory {what} beyond the bare process, of the arrays' size",
                rf"arrays ([\d.]+) GB; peak of the process before ([\d.]+) GB[^\n]*{what} ([\d.]+) GB",
                1.0,
                most=True,
                figure=lambda match: (float(match[3]) - float(match[2])) / float(match[1]),
            )
            for what in ("after reading", "after training")
        ),
        ("--part", "memory"),
    ),
    Benchmark(
        "text",
        "extraction.py",
        (
            Ratio(
                "BERT-base, float32, against one sentence at a time", r"float32, sorted batches[^\n]*?([\d.]+) times", 2
            ),
            Ratio("BERT-base, bfloat16", r"bfloat16, sorted batches[^\n]*?([\d.]+) times", 4),
        ),
        ("--part", "text"),
    ),
    Benchmark(
        "audio",
        "extraction.py",
        (
            Ratio(
                "HuBERT-base, float32, a copy per core, against one clip at a time",
                r"float32, copies of the model: \d+ +[\d.]+ /s +([\d.]+) times",
                1.25,
            ),
            Ratio(
                "HuBERT-base, bfloat16, a copy per core",
                r"bfloat16, copies of the model: \d+ +[\d.]+ /s +([\d.]+) times",
                3,
            ),
        ),
        ("--part", "audio"),
    ),
    Benchmark(
        "opensmile",
        "extraction.py",
        (
            Ratio(
                "openSMILE eGeMAPS, 2 workers against none",
                r"eGeMAPS(?:(?!openSMILE: ).)*?2 worker processes[^\n]*?([\d.]+) times",
                1.7,
            ),
            Ratio(
                "openSMILE IS13, 2 workers against none",
                r"IS13(?:(?!openSMILE: ).)*?2 worker processes[^\n]*?([\d.]+) times",
                1.7,
            ),
        ),
        ("--part", "opensmile"),
    ),
    Benchmark(
        "flat",
        "extraction.py",
        (
            Ratio(
                "extraction's peak memory, largest corpus against smallest (flat: at most 1.1)",
                r"peak memory: openSMILE.*",
                1.1,
                most=True,
                figure=_first_to_last(r"clips +(\d+) MB"),
            ),
        ),
        ("--part", "memory"),
    ),
    Benchmark(
        "scan",
        "extraction.py",
        (Ratio("finding out that all features are there", r"again, all there, UTTERANCE +([\d.]+) s", unit="s"),),
        ("--part", "scan"),
    ),
    Benchmark(
        "visual",
        "visual.py",
        (
            Ratio("CLIP ViT-B/32 against one clip at a time, started", r"CLIP[^\n]*?\(ratio ([\d.]+)\)"),
            Ratio("FERPlus ResNet-50, started", r"FERPlus[^\n]*?\(ratio ([\d.]+)\)"),
        ),
        gpu=("--gpu", "0"),
        gpu_ratios=(
            Ratio("CLIP ViT-B/32 against one clip at a time, started", r"CLIP[^\n]*?\(ratio ([\d.]+)\)", 5),
            Ratio("FERPlus ResNet-50, started", r"FERPlus[^\n]*?\(ratio ([\d.]+)\)", 5),
        ),
    ),
    Benchmark(
        "faces",
        "faces.py",
        (
            Ratio(
                "faces, 2 workers against one process (fastest rounds)",
                r"two workers against one process, OpenCV's threads: [\d.]+ times \(median\), ([\d.]+)",
                1.7,
            ),
            Ratio(
                "faces, 2 workers against one process of one thread",
                r"two workers against one process, one thread: [\d.]+ times \(median\), ([\d.]+)",
            ),
            Ratio(
                "faces, 2 workers against the plain loop",
                r"two workers against plain loop: [\d.]+ times \(median\), ([\d.]+)",
            ),
        ),
    ),
    Benchmark(
        "noise",
        "noise.py",
        (
            Ratio("corrupting a clip against the original's way, noise files of 510 s", _noise(510), 3),
            Ratio("the same, noise files of 60 s", _noise(60), 3),
            Ratio("the same, noise files of 8 s", _noise(8), 3),
        ),
    ),
    Benchmark(
        "openset",
        "openset.py",
        (
            Ratio(
                "chat replies of 300 ms, 8 side by side against one after another",
                r" 8 side by side[^\n]*\(([\d.]+) times",
                5,
            ),
            Ratio(
                "reading and scoring 100,000 samples",
                r"(\d+) samples: reading ([\d.]+) s, scoring ([\d.]+) s",
                5,
                most=True,
                unit="s",
                figure=lambda match: (float(match[2]) + float(match[3])) * 1e5 / float(match[1]),
            ),
        ),
    ),
    Benchmark("scaling", "training.py", (), ("--part", "scaling"), gpu=("--gpu", "0")),
    Benchmark("curves", "curves.py", ()),
    Benchmark(
        "distributed",
        "distributed.py",
        (
            *(
                Ratio(f"time of Ray with 2 workers against 2 local processes, {what}", rf"{what},[^\n]*?([\d.]+) times")
                for what in ("eGeMAPS", "BERT-base", "noise", "search")
            ),
            Ratio(
                "of these four, results that differ",
                r"start of a Ray cluster.*",
                0,
                most=True,
                unit="",
                figure=lambda match: match[0].count("DIFFERENT"),
            ),
        ),
    ),
)
