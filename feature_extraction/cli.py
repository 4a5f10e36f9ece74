"""The command line that all extraction scripts share."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from feature_extraction.contract import LEVELS, Extractor, Sample
from feature_extraction.names import printable
from feature_extraction.samples import TTS_LANGUAGES, audio_condition, corpus_samples, missing_condition
from feature_extraction.save_loop import Engine, ExtractionReport, run_extraction
from feature_extraction.shards import Shard, shard
from toolkit.globals import PATH_TO_PRETRAINED_MODELS, corpus_paths
from toolkit.utils.errors import UserError
from toolkit.utils.ray_engine import add_engine_flags, ray_options

DTYPES = ("float32", "bfloat16", "float16")
MAX_LISTED = 20  # failures printed in full; the rest are in failures.csv


def positive_int(text: str) -> int:
    """An argparse type: an integer of at least 1."""
    return _integer(text, 1, "a whole number of at least 1")


def count(text: str) -> int:
    """An argparse type: an integer of at least 0."""
    return _integer(text, 0, "a whole number of at least 0")


def gpu_index(text: str) -> int:
    """An argparse type: an integer of at least -1."""
    return _integer(text, -1, "the index of a GPU (0, 1, ...), or -1 for the CPU")


def _integer(text: str, lowest: int, words: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = lowest - 1
    if value < lowest:
        raise argparse.ArgumentTypeError(f"{text!r} is not {words}")
    return value


def folder_part(text: str) -> str:
    """An argparse type: a word that can be part of a folder's name."""
    if not text or "/" in text or text != text.strip():
        raise argparse.ArgumentTypeError(f"{text!r} cannot be part of a folder's name")
    return text


def positive_float(text: str) -> float:
    """An argparse type: a number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def extraction_parser(
    description: str | None, batch_size: int = 8, modality: str | None = None
) -> argparse.ArgumentParser:
    """A parser with the flags of every extractor; scripts add their own.

    Flags that only audio or only text scripts have are left out when `modality` is another one.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--dataset", required=True, metavar="NAME", help="e.g. MER2024, or one of your own")
    add("--feature_level", default="UTTERANCE", choices=LEVELS)
    add("--gpu", type=gpu_index, default=0, help="GPU index, -1 = CPU (default 0; CPU when there is none)")
    add("--strict_gpu", action="store_true", help="stop when the GPU does not exist")
    add("--data_root", help="folder that holds <dataset>-dataset-process/ (default: MER_DATA_ROOT)")
    add("--batch_size", type=positive_int, default=batch_size, help=f"most clips per batch (default {batch_size})")
    if modality in (None, "audio"):
        add("--batch_seconds", type=positive_float, help="most seconds of sound per batch (audio)")
    if modality in (None, "text"):
        add("--batch_tokens", type=positive_int, help="most tokens per batch, padding included (text)")
    add("--dtype", default="float32", choices=DTYPES, help="what the model computes in; files are float32 (default)")
    add("--num_workers", type=count, help="processes that read ahead (default: the extractor's choice)")
    add("--num_procs", type=positive_int, help="on a CPU: copies of the model (default: chosen by cores and memory)")
    add("--shard", type=shard, default=Shard(), metavar="i/n", help="only the i-th of n parts of the corpus, i from 1")
    add("--limit", type=positive_int, help="only the first N clips in name order")
    add("--overwrite", action="store_true", help="extract finished clips again")
    if modality in (None, "audio"):
        add("--noise_case", type=folder_part, metavar="X", help="audio: read audio_X/, write <feature>-noiseX-UTT")
        add("--tts_lang", choices=TTS_LANGUAGES, help="audio: read audio-tts<lang>16k/, write <feature>-tts<lang>-UTT")
    add_engine_flags(parser)
    return parser


def run_extractor(
    args: argparse.Namespace,
    build: Callable[[], Extractor],
    language: str = "chinese",
    samples: Sequence[Sample] | None = None,
) -> int:
    """List the corpus' samples, build the extractor, run the save loop, print what happened; the exit status.

    `samples` replaces the corpus' own list; ``--limit`` and ``--shard`` apply to it as well.
    """
    paths = corpus_paths(args.dataset, args.data_root)  # before a model is loaded: the name may be unknown
    engine = _engine(args, build)
    extractor = build()
    if extractor.dtype is None:
        extractor.dtype = args.dtype
    if extractor.weights is None:
        extractor.weights = _model_folder(args)
    audio, infix = audio_condition(paths.audio, getattr(args, "noise_case", None), getattr(args, "tts_lang", None))
    if infix and extractor.modality != "audio":
        raise UserError(f"--noise_case and --tts_lang are for audio features, not for {extractor.modality}")
    if samples is None:
        if infix and not audio.is_dir():
            raise UserError(missing_condition(paths.audio, audio, args.noise_case))
        samples = corpus_samples(replace(paths, audio=audio), extractor.modality, language)
    report = run_extraction(
        extractor,
        args.shard.select(samples[: args.limit]),
        paths.features,
        args.feature_level,
        batch_size=args.batch_size,
        num_workers=args.num_workers,
        overwrite=args.overwrite,
        budget=getattr(args, "batch_seconds", None) or getattr(args, "batch_tokens", None),
        num_procs=args.num_procs,
        infix=infix,
        engine=engine,
    )
    print_report(report)
    return report.exit_status


def _engine(args: argparse.Namespace, build: Callable[[], Extractor]) -> Engine | None:
    """What ``--engine`` asks for; None: this machine's own processes."""
    options = ray_options(args.engine, args.ray_address, args.ray_workers, args.gpus_per_worker)
    if options is None:
        return None
    for flag in ("num_procs", "num_workers"):
        if getattr(args, flag) is not None:
            raise UserError(f"--{flag} is for --engine local; with ray, --ray_workers processes read and compute")
    from feature_extraction.engine_ray import RayExtraction

    return RayExtraction(options, args, build)


def _model_folder(args: argparse.Namespace) -> Path | None:
    """The folder named by ``--model_name`` and ``--model_dir``, for the manifest of extractors that do not state it."""
    if getattr(args, "model_dir", None):
        return Path(args.model_dir).expanduser().resolve()
    name = getattr(args, "model_name", None)
    folder = PATH_TO_PRETRAINED_MODELS / "transformers" / name if name else None
    return folder if folder is not None and folder.is_dir() else None


def print_report(report: ExtractionReport) -> None:
    """Counts, folders and the list of failures, on stdout."""
    print(
        f"{report.done} done, {report.skipped} already there, {len(report.failures)} failed in {report.seconds:.1f} s",
        "->",
        ", ".join(printable(str(folder)) for folder in report.folders),
    )
    for remark in report.remarks:
        print(f"  note: {remark}")
    for text, number in sorted(report.notes.items()):
        examples = ", ".join(report.examples.get(text, ()))
        print(
            f"  note: {number} clip{'s' if number > 1 else ''}: {text}" + (f" (such as {examples})" if examples else "")
        )
    for name, reason in report.failures[:MAX_LISTED]:
        print(f"  failed: {name}: {reason}")
    if len(report.failures) > MAX_LISTED:
        print(f"  ... and {len(report.failures) - MAX_LISTED} more: see failures.csv in the folder")
