"""From video files to the features that a saved model needs, by the same scripts that make a corpus' features.

The clips become a small corpus in a work folder: sound (`toolkit.preprocess.audio`), faces (`extract_openface.py`),
words (`main-asr.py`'s recogniser, or a csv), then each feature by its extraction script. Only what the model reads is
made. A clip that fails in a step is listed and costs no other; without a face, the visual features are a row of zeros,
as in training with ``--allow_empty``.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from feature_extraction.manifest import read_manifest
from feature_extraction.names import printable
from feature_extraction.predict_media import media_notes
from feature_extraction.predict_plan import FeaturePlan, plan_features
from feature_extraction.predict_text import check_text_source, make_transcript, wordless
from feature_extraction.predict_work import LAYOUT, find_clips, place_clips, work_folder
from feature_extraction.samples import corpus_samples
from feature_extraction.visual.extract_openface import main as face_script
from feature_extraction.visual.face_files import face_path
from feature_extraction.visual.face_record import RECORD, read_record
from toolkit.data.features import find_feature_folder
from toolkit.globals import CorpusPaths, corpus_paths
from toolkit.preprocess.audio import split_audio
from toolkit.preprocess.batch import default_workers
from toolkit.utils.errors import UserError
from toolkit.utils.failures import FAILURES_FILE
from toolkit.utils.read_files import read_csv

NO_FACE = "no face: its visual features are zeros"
NO_WORDS = "no words: its text features are zeros"
BLIND = "no face found, and the model sees nothing else"
SILENT = "; the model reads its sound: give a file that has some, or leave the clip out"
UNREADABLE = "; not a video, damaged or cut off; replace it"


@dataclass(frozen=True)
class ExtractedClips:
    """Clips that became features.

    Attributes:
        folders: the feature folder of each input of the model.
        names: the clips that have all features, in the order given.
        failures: name -> why a clip has not.
        notes: name -> what the user should know about a clip.
        remarks: what the user should know about all.
        status: 1 when a clip among `names` has no face (the face step's own exit status then), else 0.
    """

    folders: Sequence[Path]
    names: Sequence[str]
    failures: Mapping[str, str]
    notes: Mapping[str, Sequence[str]]
    remarks: Sequence[str]
    status: int


@contextlib.contextmanager
def extracted_clips(args: argparse.Namespace, description: Mapping[str, Any]) -> Iterator[ExtractedClips]:
    """The features of ``args.video`` for the model that `description` (its model.json) describes.

    They are there as long as the context is open, or with ``args.keep_work`` for good.

    Raises:
        UserError: a clip does not exist, the model's features cannot be extracted here, no source of words.
    """
    plans = plan_features(description["features"])
    text = [plan for plan in plans.values() if plan.modality == "text"]
    if text:
        check_text_source(args, text)
    clips, faults = find_clips(args.video)
    trained = _training_corpus(description)
    with work_folder(args.keep_work) as paths:
        with contextlib.redirect_stdout(sys.stderr):  # stdout is for the predictions
            links = place_clips(paths, clips)
            failed, sound = _extract(args, plans, paths, list(clips), trained)
            failures = {**faults, **failed}
            usable = {name: link for name, link in links.items() if printable(name) not in failures}
            damage = media_notes(paths.root, usable, sound)
        for name, path in clips.items():  # speak of the user's file, not of our link to it
            if (key := printable(name)) in failures:
                failures[key] = failures[key].replace(str(links[name]), str(path))
        found = _sorted_out(paths, plans, clips, failures, description["features"], trained)
        notes = {name: [*damage.get(name, ()), *found.notes.get(name, ())] for name in found.names}
        yield replace(found, notes={name: texts for name, texts in notes.items() if texts})


def _sorted_out(
    paths: CorpusPaths,
    plans: Mapping[str, FeaturePlan],
    clips: Collection[str],
    failures: dict[str, str],
    features: Sequence[str],
    trained: CorpusPaths | None,
) -> ExtractedClips:
    """Which clips have all features, which have none, and what is to be said."""
    folders = {plan.feature: _written(paths, plan) for plan in plans.values()}
    for name in clips:
        lacking = [folder.name for folder in folders.values() if not (folder / f"{name}.npy").exists()]
        if lacking:
            failures.setdefault(printable(name), f"no feature in {', '.join(lacking)}")
    names = [name for name in clips if printable(name) not in failures]
    modalities = {plan.modality for plan in plans.values()}
    faceless = _faceless(paths, names) if "visual" in modalities else set()
    if modalities == {"visual"}:
        failures |= dict.fromkeys(sorted(faceless), BLIND)
        names, faceless = [name for name in names if name not in faceless], set()
    silent = wordless(paths, names) if "text" in modalities else set()
    notes = {name: [NO_FACE] * (name in faceless) + [NO_WORDS] * (name in silent) for name in names}
    return ExtractedClips(
        folders=[folders[feature] for feature in features],
        names=names,
        failures=failures,
        notes={name: texts for name, texts in notes.items() if texts},
        remarks=_remarks(plans.values(), folders, trained),
        status=1 if faceless else 0,
    )


def _extract(
    args: argparse.Namespace,
    plans: Mapping[str, FeaturePlan],
    paths: CorpusPaths,
    names: Sequence[str],
    trained: CorpusPaths | None,
) -> tuple[dict[str, str], dict[str, str]]:
    """Do all steps that the plans need.

    Returns:
        Printable name -> the first reason why a clip failed; and what was odd about a clip's sound.
    """
    failures: dict[str, str] = {}
    sound: dict[str, str] = {}
    if not names:
        return failures, sound
    text = [plan for plan in plans.values() if plan.modality == "text"]
    if any(plan.modality == "audio" for plan in plans.values()) or (text and not args.transcript):
        report = split_audio(paths.video, paths.audio)
        failures |= {name: _with_fix(reason) for name, reason in report.failures}
        sound = dict(report.warnings)
    if any(plan.modality == "visual" for plan in plans.values()):
        _faces(args, paths, len(names), trained)
        failures = {**_listed(paths.face), **failures}
    if text:
        failures = {**make_transcript(args, text, paths, names), **failures}
    commands = {(plan.module, plan.arguments): plan for plan in plans.values()}  # one may write several features
    for plan in commands.values():
        if _has_samples(paths, plan):
            script = importlib.import_module(plan.module)
            script.main([*plan.arguments, *_place(paths), "--gpu", str(args.gpu)])
    for plan in plans.values():
        failures = {**_listed(_written(paths, plan)), **failures}
    own = {printable(name) for name in names}
    return {name: reason for name, reason in failures.items() if name in own}, sound


def _with_fix(reason: str) -> str:
    """Why there is no sound, and what to do."""
    return reason + (SILENT if reason.endswith("has no audio stream") else UNREADABLE)


def _has_samples(paths: CorpusPaths, plan: FeaturePlan) -> bool:
    """Whether any clip came so far; an extraction script calls it an error when none did."""
    try:
        return bool(corpus_samples(paths, plan.modality, plan.column))
    except UserError:
        return False


def _place(paths: CorpusPaths) -> list[str]:
    return ["--dataset", LAYOUT, "--data_root", str(paths.root.parent)]


def _faces(args: argparse.Namespace, paths: CorpusPaths, clips: int, trained: CorpusPaths | None) -> None:
    """The face step, by the back end and the settings that made the training faces, where they are known."""
    begun = read_record(trained.face) if trained else None
    if begun and args.face_backend in ("auto", begun.backend) and not (paths.face / RECORD).exists():
        paths.face.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(trained.face / RECORD, paths.face / RECORD)
    workers = str(min(clips, default_workers()))
    flags = ["--type", "videoOne", "--allow_empty", "--num_workers", workers, "--backend", args.face_backend]
    face_script([*_place(paths), *flags])


def _training_corpus(description: Mapping[str, Any]) -> CorpusPaths | None:
    """Where the model's training corpus is, as the model says; None when that is unknown here."""
    arguments = description.get("args", {})
    try:
        return corpus_paths(arguments.get("dataset") or arguments["train_dataset"], arguments.get("data_root"))
    except (KeyError, TypeError, ValueError, UserError):
        return None


def _written(paths: CorpusPaths, plan: FeaturePlan) -> Path:
    try:
        return find_feature_folder(paths.features, plan.folder)
    except UserError:  # nothing could be extracted
        return paths.features / plan.folder


def _listed(folder: Path) -> dict[str, str]:
    """Name -> reason of a folder's list of failures."""
    place = folder / FAILURES_FILE
    return {row["name"]: row["reason"] for row in read_csv(place)} if place.exists() else {}


def _faceless(paths: CorpusPaths, names: Sequence[str]) -> set[str]:
    places = {name: face_path(paths.face, name) for name in names}
    return {name for name, place in places.items() if place.exists() and not len(np.load(place, mmap_mode="r"))}


def _remarks(plans: Collection[FeaturePlan], folders: Mapping[str, Path], trained: CorpusPaths | None) -> list[str]:
    """Where the features differ from what the model was trained on."""
    remarks = [plan.remark for plan in plans if plan.remark]
    for plan in plans:
        with contextlib.suppress(UserError):  # no such folder any more: nothing to compare with
            before = trained and read_manifest(find_feature_folder(trained.features, plan.folder))
            now = read_manifest(folders[plan.feature])
            if before and now:
                remarks += [f"{plan.folder}: {text}" for text in _differences(before, now)]
    return remarks


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    found = [
        f"trained on {key} {before[key]}, now {now[key]}"
        for key in ("formula", "dtype")
        if before.get(key) != now.get(key)
    ]
    prints = [(manifest.get("model") or {}).get("fingerprint") for manifest in (before, now)]
    return found + (
        ["trained on other files of the model (weights, settings, tokenizer) than those here"]
        if None not in prints and len(set(prints)) > 1
        else []
    )
