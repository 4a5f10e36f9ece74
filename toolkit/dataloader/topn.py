"""Top-n fusion: which features enter, from the rank lists of the papers or from measured unimodal runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from toolkit.data.features import (
    display_name,
    feature_folder_name,
    find_feature_folders,
    list_feature_folders,
    split_feature_name,
)
from toolkit.dataloader.guessed_modality import guess_modality
from toolkit.dataloader.modalities import known_modality
from toolkit.globals import (
    AUDIO_RANK_LOW2HIGH,
    IMAGR_RANK_LOW2HIGH,
    TEXT_RANK_LOW2HIGH,
    featname_mapping_reverse,
)
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv


class Ranks(NamedTuple):
    """Display names of the features of each modality, low to high."""

    audio: tuple[str, ...]
    text: tuple[str, ...]
    image: tuple[str, ...]


PAPER_RANKS = Ranks(AUDIO_RANK_LOW2HIGH, TEXT_RANK_LOW2HIGH, IMAGR_RANK_LOW2HIGH)
# --fusion_modality -> the modality of each of the three groups of n inputs
GROUPS = {"AVT": "ATV", "AT": "ATT", "AV": "AVV", "VT": "TTV"}
RANK_COLUMNS = ("modality", "rank", "feature")  # what a csv of ranks must have; rank 1 is the best of its modality
_RANK_OF = {"A": "audio", "T": "text", "V": "image"}


def topn_features(
    topn: int, modality: str, features_root: Path, ranks: Ranks = PAPER_RANKS
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The 3n feature folders of a top-n run, in input order, and the modality ("A", "T", "V") of each.

    AVT takes the top n of audio, text, image; AT audio, text, text; AV audio, image, image; VT text, text, image. Each
    group runs low to high, as the rank lists do.

    Raises:
        UserError: an unknown `modality`, an n the rank lists do not have, or missing folders (all of them named).
    """
    if modality not in GROUPS:
        raise UserError(f"--fusion_modality {modality}: unknown; one of {', '.join(GROUPS)}")
    names: list[str] = []
    for letter in GROUPS[modality]:
        kind = _RANK_OF[letter]
        rank = getattr(ranks, kind)
        if not 1 <= topn <= len(rank):
            raise UserError(f"--fusion_topn {topn}: the {kind} rank list holds {len(rank)} features; give 1 to that")
        names += map(_folder_name, rank[-topn:])
    folders = find_feature_folders(features_root, names)
    return tuple(folder.name for folder in folders), tuple(letter for letter in GROUPS[modality] for _ in range(topn))


def ranks_from_leaderboard(
    rows: Iterable[Mapping[str, Any]], modality_of_feature: Mapping[str, str] | None = None
) -> Ranks:
    """Ranks measured by unimodal runs: a feature stands where its best f1 puts it (equal ones by name).

    Args:
        rows: leaderboard rows; used are those of ``utt`` runs whose audio, text and video are one feature, with an f1.
        modality_of_feature: stem -> "A", "T" or "V" for features the toolkit does not know; wins over what it knows.

    Raises:
        UserError: features of unknown modality (all of them named), or no unimodal row at all.
    """
    told = modality_of_feature or {}
    best: dict[str, float] = {}
    for row in rows:
        feature, f1 = row["audio"], _number(row.get("f1"))
        if not feature or {row["text"], row["video"]} != {feature} or not math.isfinite(f1):
            continue
        if row.get("feat_type", "utt") == "utt":
            best[feature] = max(f1, best.get(feature, -math.inf))
    if not best:
        raise UserError("no unimodal utt run with an f1 in the leaderboard; run each feature alone first")
    modality = {feature: modality_of(split_feature_name(feature)[0], told) for feature in best}
    unknown = sorted(split_feature_name(feature)[0] for feature in best if modality[feature] not in _RANK_OF)
    if unknown:
        raise UserError(f"modality unknown of {', '.join(unknown)}; say for each whether it is A, T or V")
    order = sorted(best, key=lambda feature: (best[feature], feature))
    return Ranks(
        *(tuple(display_name(feature) for feature in order if modality[feature] == letter) for letter in _RANK_OF)
    )


def read_ranks(path: Path) -> Ranks:
    """Ranks from a csv with the columns modality (A, T, V), rank (1 = best of its modality) and feature (a folder).

    Raises:
        UserError: an unreadable file, or a row that is none of that; the message names the row.
    """
    ranked: dict[str, dict[int, str]] = {letter: {} for letter in _RANK_OF}
    for row in read_csv(path, RANK_COLUMNS, unique="feature"):
        letter, feature = row["modality"], row["feature"]
        if letter not in ranked:
            raise UserError(f"{path}: {feature} has the modality {letter!r}; A, T or V is expected")
        if not row["rank"].isdecimal() or int(row["rank"]) in ranked[letter]:
            raise UserError(
                f"{path}: {feature} has the rank {row['rank']!r}; expected are 1, 2, ..., each once in {letter}"
            )
        ranked[letter][int(row["rank"])] = split_feature_name(feature)[0]
    if not any(ranked.values()):
        raise UserError(f"{path}: no feature in it")
    return Ranks(*(tuple(stem for _, stem in sorted(ranks.items(), reverse=True)) for ranks in ranked.values()))


def lacking(topn: int, modality: str, features_root: Path, ranks: Ranks) -> str:
    """Why `topn_features` cannot be had, in a few words; "" when it can."""
    present = {split_feature_name(folder)[0] for folder in list_feature_folders(features_root) if folder[-3:] == "UTT"}
    reasons = []
    for letter in dict.fromkeys(GROUPS[modality]):
        rank = getattr(ranks, _RANK_OF[letter])
        if len(rank) < topn:
            reasons.append(f"only {len(rank)} {_RANK_OF[letter]} feature{'' if len(rank) == 1 else 's'} ranked")
            continue
        missing = [name for name in rank[-topn:] if featname_mapping_reverse.get(name, name) not in present]
        if missing:
            reasons.append(f"no folder {', '.join(map(_folder_name, missing))}")
    return "; ".join(reasons)


def modality_of(stem: str, told: Mapping[str, str] | None = None) -> str | None:
    """``"A"``, ``"T"`` or ``"V"`` of a stem: what the user told, what the toolkit knows, what the name suggests."""
    return (told or {}).get(stem) or known_modality(stem) or guess_modality(stem)


def _folder_name(name: str) -> str:
    """The usual folder of a display name, or of a stem that has none."""
    return feature_folder_name(featname_mapping_reverse.get(name, name), "UTTERANCE")


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return math.nan
