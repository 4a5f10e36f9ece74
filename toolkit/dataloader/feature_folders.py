"""Which folder each input of a run is read from: clean, or of a noise condition (``--train_snr``, ``--test_snr``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit.data.features import (
    find_feature_folders,
    find_noisy_folder,
    list_feature_folders,
    split_feature_name,
)
from toolkit.dataloader.modalities import known_modality
from toolkit.utils.errors import UserError


@dataclass(frozen=True)
class SideFeatures:
    """The folders of one side of a run (training or test), per input, and what is to be said about them."""

    folders: tuple[Path, ...]
    notes: tuple[str, ...]


def choose_folders(
    side: str,
    root: Path,
    features: Sequence[str],
    modalities: Sequence[str],
    infix: str | None,
    snr_modalities: str = "AVT",
) -> SideFeatures:
    """The folder of each feature below `root`, those of the condition `infix` where there are such.

    Args:
        side: "training" or "test", for messages.
        modalities: "A", "T" or "V" of each input. A feature the toolkit knows has its own modality, whichever input it
            stands in (a text feature alone stands in all three).
        snr_modalities: the modalities the infix applies to. In practice only audio has noisy versions: where an audio
            folder of the condition is missing it is an error, for the others the clean folder is used, with a note.

    Raises:
        UserError: folders are missing (all of them named), or no feature has a version of this condition.
    """
    if infix is None:
        return SideFeatures(tuple(find_feature_folders(root, features)), ())
    chosen: dict[str, Path] = {}
    missing: list[str] = []
    clean: list[str] = []
    notes: list[str] = []
    for feature in dict.fromkeys(features):
        kinds = _modalities(feature, features, modalities)
        folder = find_noisy_folder(root, feature, infix) if kinds & set(snr_modalities) else None
        if folder is not None:
            chosen[feature] = folder
        elif "A" in kinds and "A" in snr_modalities:
            missing.append(feature)
        else:
            clean.append(feature)
            if kinds & set(snr_modalities):
                notes.append(f"{side} features: {feature} has no version {infix}; the clean one is used")
    flag = f"--{'train' if side == 'training' else side}_snr {infix}"
    if missing or not chosen:
        there = ", ".join(list_feature_folders(root)) or "none"
        listed = ", ".join(missing or dict.fromkeys(features))
        raise UserError(f"{flag}: {root} has no version {infix} of {listed}; folders there: {there}")
    chosen |= zip(clean, find_feature_folders(root, clean), strict=True)
    return SideFeatures(tuple(chosen[feature] for feature in features), tuple(notes))


def _modalities(feature: str, features: Sequence[str], modalities: Sequence[str]) -> set[str]:
    known = known_modality(split_feature_name(feature)[0])
    if known:
        return {known}
    return {modality for other, modality in zip(features, modalities, strict=True) if other == feature}
