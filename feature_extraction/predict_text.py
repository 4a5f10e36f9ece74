"""What is said in the clips of a prediction: from the user's csv, or by speech recognition."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from feature_extraction.predict_plan import FeaturePlan
from feature_extraction.predict_work import RECOGNISED, forget_features
from feature_extraction.text.text_extractor import is_blank
from feature_extraction.text.transcripts import transcript_variant
from toolkit.globals import CorpusPaths
from toolkit.preprocess import asr
from toolkit.preprocess.asr_backends import BACKENDS
from toolkit.preprocess.media import media_files
from toolkit.utils import atomic
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv, write_csv

ENGLISH_MODEL = "whisper-tiny.en"  # a default that hears English only
SENTENCE = "sentence"  # the column of main-asr.py's csv
RECOGNISER = "transcription-old.txt"  # which model and language wrote the csv of that name


def check_text_source(args: argparse.Namespace, plans: Sequence[FeaturePlan]) -> None:
    """Refuse what cannot give the texts that `plans` read, before any work.

    Raises:
        UserError: no such csv or column, no such recogniser or language, or none named for text that is not English.
    """
    if args.transcript:
        _given_texts(args.transcript, plans)
    else:
        model = _recogniser(args, plans)
        if args.language:
            BACKENDS[args.asr_backend].check_language(model, args.language)


def make_transcript(
    args: argparse.Namespace, plans: Sequence[FeaturePlan], paths: CorpusPaths, names: Sequence[str]
) -> dict[str, str]:
    """Write the transcript of the clips `names`; name -> why a clip has none.

    Text features that were made from another text are removed.
    """
    columns = list(dict.fromkeys(plan.column for plan in plans))
    if args.transcript:
        texts = _given_texts(args.transcript, plans)
        failures = {name: f"{args.transcript} has no row of this clip" for name in names if name not in texts}
    else:
        texts, failures = _recognised(args, plans, paths)
    old = _texts(paths.transcript, columns)
    kept = {*names, *old}
    rows = {name: text for name, text in sorted(texts.items()) if name in kept}
    for name, row in rows.items():
        if old.get(name) not in (None, row):
            forget_features([paths.features / plan.folder for plan in plans], name)
    places = {paths.transcript, *(_variant(paths, plan) for plan in plans)}
    for place in places if rows else ():
        write_csv(place, ("name", *columns), [(name, *row) for name, row in rows.items()])
    return failures


def wordless(paths: CorpusPaths, names: Sequence[str]) -> set[str]:
    """The clips in which nothing is said."""
    rows = read_csv(paths.transcript, ("name",)) if paths.transcript.exists() else []
    silent = {row["name"] for row in rows if all(is_blank(text) for key, text in row.items() if key != "name")}
    return silent & set(names)


def _variant(paths: CorpusPaths, plan: FeaturePlan) -> Path:
    """The csv that a text feature reads, which need not exist yet."""
    if not plan.punc_case:
        return transcript_variant(paths.transcript, None)
    return paths.transcript.with_name(f"{paths.transcript.stem}-{plan.punc_case}.csv")


def _recogniser(args: argparse.Namespace, plans: Sequence[FeaturePlan]) -> Path:
    """The folder of the speech recogniser's model."""
    if args.asr_backend not in BACKENDS:
        raise UserError(f"--asr_backend {args.asr_backend}: unknown; known: {', '.join(BACKENDS)}")
    shelf = BACKENDS[args.asr_backend].shelf
    if args.asr_model_dir:
        return asr.resolve_model_dir(args.asr_model_dir, shelf, "--asr_model_dir")
    others = [plan.feature for plan in plans if plan.column != "english"]
    if others and shelf.default == ENGLISH_MODEL:
        raise UserError(
            f"the model reads {', '.join(others)}: name the recogniser that wrote the training transcripts "
            "(--asr_model_dir tools/transformers/whisper-large-v2 --language chinese, say), or give --transcript CSV"
        )
    return asr.resolve_model_dir(shelf.default, shelf, "--asr_model_dir")


def _given_texts(path: str, plans: Sequence[FeaturePlan]) -> dict[str, tuple[str, ...]]:
    """Name -> its text per column of `plans`: the column of that name, else ``sentence``."""
    rows = read_csv(Path(path).expanduser(), ("name",), unique="name")
    sources = []
    for column in dict.fromkeys(plan.column for plan in plans):
        choices = [choice for choice in (column, SENTENCE) if not rows or choice in rows[0]]
        if not choices:
            raise UserError(f"--transcript {path}: needs a column {column} or {SENTENCE}; there: {', '.join(rows[0])}")
        sources.append(choices[0])
    return {row["name"]: tuple(row[source] for source in sources) for row in rows}


def _recognised(
    args: argparse.Namespace, plans: Sequence[FeaturePlan], paths: CorpusPaths
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Name -> its text (the same for every column), name -> failure; clips without sound are in neither."""
    if not media_files(paths.audio, (".wav",)):
        return {}, {}
    model = _recogniser(args, plans)
    place, settings = paths.root / RECOGNISED, paths.root / RECOGNISER
    asked = f"{args.asr_backend}\n{model}\n{args.language or ''}\n"
    if not settings.exists() or settings.read_text(encoding="utf-8") != asked:  # another recogniser: other texts
        place.unlink(missing_ok=True)
        atomic.write_text(settings, asked)
    report = asr.transcribe_folder(
        paths.audio, place, lambda: asr.build_transcriber(args.asr_backend, str(model), args.gpu, args.language)
    )
    count = len(dict.fromkeys(plan.column for plan in plans))
    rows = read_csv(place, asr.COLUMNS, unique="name")
    return {row["name"]: (row[SENTENCE],) * count for row in rows}, dict(report.failures)


def _texts(path: Path, columns: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    if not path.exists():
        return {}
    try:
        return {row["name"]: tuple(row[column] for column in columns) for row in read_csv(path, ("name", *columns))}
    except UserError:  # it had other columns: as good as none
        return {}
