"""Which features a unimodal table is made of, and which modality each of them is."""

from __future__ import annotations

import fnmatch
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from toolkit.data.features import list_feature_folders, missing_folders, split_feature_name
from toolkit.dataloader.modalities import known_modality
from toolkit.dataloader.topn import modality_of
from toolkit.utils.errors import UserError

MODALITIES = {"A": "audio", "T": "text", "V": "video"}


def choose_features(root: Path, patterns: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """The ``...UTT`` folders below `root` to train on, and those left out.

    Without `patterns` (shell patterns of folder names) features of a noise condition are left out: they are the same
    features of other sounds, for ``--train_snr`` and ``--test_snr``.

    Raises:
        UserError: no folder, or a pattern that none matches.
    """
    folders = [folder for folder in list_feature_folders(root) if folder.endswith("UTT")]
    if not folders:
        raise UserError(f"no ...UTT folder in {root}; extract features first (docs/extraction.md)")
    for pattern in patterns or ():
        if not any(fnmatch.fnmatchcase(folder, pattern) for folder in folders):
            raise UserError(f"--features {pattern}: {missing_folders(root, [pattern])}")
    if patterns:
        return [name for name in folders if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)], []
    noisy = [name for name in folders if "-noise" in name]
    return [name for name in folders if name not in noisy], noisy


def parse_modalities(pairs: Sequence[str]) -> dict[str, str]:
    """``FEATURE=audio`` (or text, video, A, T, V) -> letter, per feature folder or stem.

    Raises:
        UserError: a pair that is none.
    """
    letters = {word: letter for letter, name in MODALITIES.items() for word in (letter, name)}
    letters |= {"visual": "V", "image": "V"}  # what the registry and the rank lists call it
    told = {}
    for pair in pairs:
        feature, equals, word = pair.rpartition("=")
        if not equals or not feature or word not in letters:
            raise UserError(f"--modality {pair}: expected FEATURE=audio, FEATURE=text or FEATURE=video")
        told[feature] = letters[word]
    return told


def modalities_of(features: Sequence[str], told: Mapping[str, str]) -> dict[str, str]:
    """The modality of each feature folder; those that its name alone tells are printed.

    Args:
        told: folder or stem -> "A", "T" or "V", as the user says; wins over everything.

    Raises:
        UserError: nothing tells for some (all of them named), or `told` names a feature that is not there.
    """
    stems = {feature: split_feature_name(feature)[0] for feature in features}
    strange = [name for name in told if name not in stems and name not in stems.values()]
    if strange:
        raise UserError(f"--modality {strange[0]}=...: no such feature among {', '.join(features)}")
    found = {feature: told.get(feature) or modality_of(stem, told) for feature, stem in stems.items()}
    unknown = [feature for feature, modality in found.items() if modality is None]
    if unknown:
        flags = " ".join(shlex.quote(f"{feature}=audio") for feature in unknown)
        raise UserError(
            f"modality unknown of {', '.join(unknown)}; say for each what it is, like --modality {flags}, "
            "or choose others with --features"
        )
    guessed = [name for name, stem in stems.items() if not {name, stem} & set(told) and not known_modality(stem)]
    if guessed:
        said = ", ".join(f"{name} {MODALITIES[found[name]]}" for name in guessed)
        print(f"modality by name: {said} (--modality FEATURE=audio|text|video says otherwise)")
    return found
