"""Which extraction command makes a feature that a saved model names: the same script that made it for training."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from feature_extraction.feature_table import FEATURES
from feature_extraction.model_check import registry_row
from feature_extraction.text.transcripts import INFIX, feature_stem
from toolkit.data.features import LEVEL_SUFFIX, feature_folder_name, split_feature_name
from toolkit.globals import PATH_TO_PRETRAINED_MODELS
from toolkit.utils.errors import UserError

_NOISE = re.compile(r"[-_]noise.+$")
_TTS = re.compile(r"[-_]tts(chi|eng)$")
_PUNC = re.compile(r"-punc([^-]+)$")
_SUNLICAI = "sunlicai-"
_LEVELS = {suffix: level for level, suffix in LEVEL_SUFFIX.items()}


@dataclass(frozen=True)
class FeaturePlan:
    """How one feature of a model is made of clips.

    Attributes:
        feature: the folder's name as the model has it.
        folder: the folder that is written; differs where the model learned from noisy sound.
        modality: "audio", "visual" or "text".
        module: the extraction script, as a module with ``main(argv)``.
        arguments: its arguments, without corpus and GPU.
        column: of the transcript, for text.
        punc_case: variant of the transcript that is read, for text.
    """

    feature: str
    folder: str
    modality: str
    module: str
    arguments: tuple[str, ...]
    column: str = ""
    punc_case: str = ""

    @property
    def remark(self) -> str:
        """What is to be told about it, "" for nothing."""
        if _NOISE.search(split_feature_name(self.feature)[0]) and not _NOISE.search(self.folder):
            return f"the model learned from {self.feature}; the clips' own sound gives {self.folder}"
        if self.punc_case:
            return f"{self.feature}: the words are read with the punctuation they have; --transcript gives other words"
        return ""


def plan_features(features: Sequence[str], tools: Path = PATH_TO_PRETRAINED_MODELS) -> Mapping[str, FeaturePlan]:
    """Feature -> plan, each feature once.

    Raises:
        UserError: features that this toolkit cannot extract here (no script, weights missing): all of them named.
    """
    plans: dict[str, FeaturePlan] = {}
    problems: list[str] = []
    for feature in dict.fromkeys(features):
        try:
            plans[feature] = _plan(feature, tools)
        except UserError as error:
            problems.append(f"{feature}: {error}")
    if problems:
        raise UserError(
            "\n  - ".join(["the model's features cannot all be extracted here:", *problems])
            + "\nextract them elsewhere and give --features FOLDER instead of --video"
        )
    return plans


def _plan(feature: str, tools: Path) -> FeaturePlan:
    stem, _, suffix = split_feature_name(feature)
    if _TTS.search(stem):
        raise UserError("made from synthetic speech, which a clip does not have")
    plain, language, case = _without_conditions(stem, tools)
    row = registry_row(plain.removeprefix(_SUNLICAI), tools)
    if not row.present(tools):
        raise UserError(f"its weights are missing: {tools / row.weights}")
    script, *arguments = row.command
    if row.modality == "text":
        arguments += ["--language", language, *(["--punc_case", case] if case else [])]
        plain = feature_stem(plain, language, case)
    if plain.startswith(_SUNLICAI):
        arguments += ["--videomae_type", "sunlicai"]
    level = _LEVELS[suffix]
    arguments += ["--feature_level", level]
    module = script.removesuffix(".py").replace("/", ".")
    folder = feature_folder_name(plain, level)
    text = row.modality == "text"
    return FeaturePlan(feature, folder, row.modality, module, tuple(arguments), language if text else "", case)


def _without_conditions(stem: str, tools: Path) -> tuple[str, str, str]:
    """(the model's name, language, punctuation case) of a stem; a noise case is dropped: the clip has its own sound.

    A model whose own name looks like a condition is left alone.
    """
    if any(row.stem == stem for row in FEATURES) or (tools / "transformers" / stem / "config.json").is_file():
        return stem, "chinese", ""
    stem = _NOISE.sub("", stem)
    punc = _PUNC.search(stem)
    stem = _PUNC.sub("", stem)
    english = stem.endswith(INFIX["english"])
    return stem.removesuffix(INFIX["english"]), "english" if english else "chinese", punc[1] if punc else ""
