"""Names and places that users' scripts depend on: label sets, feature names, rank lists, dataset roots.

Import this module freely: it needs the standard library only, and nothing in it changes after import.

Places are resolved from the folder that holds the entry scripts (never from the current folder) unless told otherwise:

- data: ``--data_root`` or the environment variable ``MER_DATA_ROOT``: the folder that holds one
  ``<dataset>-dataset-process/`` folder per corpus;
- pretrained models: the environment variable ``MER_TOOLS`` (default ``tools/``).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

PATH_TO_REPOSITORY = Path(__file__).resolve().parent.parent
PATH_TO_PRETRAINED_MODELS = Path(os.environ.get("MER_TOOLS") or PATH_TO_REPOSITORY / "tools").expanduser().resolve()
PATH_TO_NOISE = PATH_TO_PRETRAINED_MODELS / "musan"

# ---------------------------------------------------------------- label sets (the order is the class index)

EMOS_MER = ("neutral", "angry", "happy", "sad", "worried", "surprise")
EMOS_IEMOCAP_FOUR = ("happy", "sad", "neutral", "angry")
EMOS_IEMOCAP_SIX = ("happy", "sad", "neutral", "angry", "excited", "frustrated")
EMOS_MELD = ("anger", "joy", "sadness", "neutral", "disgust", "fear", "surprise")
MISSING_VALENCE = -10

# ---------------------------------------------------------------- where a corpus lives


@dataclass(frozen=True)
class CorpusLayout:
    """Where one corpus keeps its parts, relative to the folder named `root` below the data root."""

    root: str
    label: str
    video: str = "video"
    audio: str = "audio"
    transcript: str = "transcription-engchi-polish.csv"
    face: str = "openface_face"
    features: str = "features"


CORPUS_LAYOUTS: dict[str, CorpusLayout] = {
    "MER2024": CorpusLayout("mer2024-dataset-process", "label-6way.npz", transcript="transcription-merge.csv"),
    "MER2023": CorpusLayout("mer2023-dataset-process", "label-6way.npz"),
    "MER2023_UNLABEL": CorpusLayout("mer2023-unlabel-dataset-process", "label-6way.npz"),
    "IEMOCAPFour": CorpusLayout("iemocap-dataset-process", "label_4way.npz", video="subvideo-tgt", audio="subaudio"),
    "IEMOCAPSix": CorpusLayout("iemocap-dataset-process", "label_6way.npz", video="subvideo-tgt", audio="subaudio"),
    "CMUMOSI": CorpusLayout("cmumosi-dataset-process", "label.npz", video="subvideo", audio="subaudio"),
    "CMUMOSEI": CorpusLayout("cmumosei-dataset-process", "label.npz", video="subvideo", audio="subaudio"),
    "SIMS": CorpusLayout("sims-dataset-process", "label.npz"),
    "SIMSv2": CorpusLayout("simsv2-dataset-process", "label.npz"),
    "MELD": CorpusLayout("meld-dataset-process", "label.npz", video="subvideo", audio="subaudio"),
}

# A corpus of the user's own is a folder `<name>-dataset-process` of the usual layout that holds this file.
CUSTOM_FILE = "corpus.yaml"
CUSTOM_ROOT_ENDING = "-dataset-process"
_CUSTOM_NAME = re.compile(r"\w[\w.-]*")
_LONGEST_CUSTOM_NAME = 40  # bytes; it is a part of file names that hold more


class UnknownDataset(ValueError):
    """No corpus of this name; the user's to mend, as `hint` says (`toolkit.utils.errors.run_main` shows it)."""

    def __init__(self, dataset: str, hint: str) -> None:
        super().__init__(f"unknown dataset {dataset!r}; {hint}")
        self.hint = hint


@dataclass(frozen=True)
class CorpusPaths:
    """Absolute places of one corpus; nothing here is created or checked."""

    dataset: str
    root: Path
    video: Path
    audio: Path
    face: Path
    transcript: Path
    features: Path
    label: Path


def default_data_root() -> Path:
    """The folder that holds the ``<dataset>-dataset-process`` folders when ``--data_root`` is not given."""
    return Path(os.environ.get("MER_DATA_ROOT") or PATH_TO_REPOSITORY).expanduser().resolve()


def custom_name_fault(name: str) -> str:
    """Why `name` cannot be that of a corpus of the user's own, "" when it can."""
    if not _CUSTOM_NAME.fullmatch(name):
        return "only letters, digits, and _ - . (not at the start) can be in the name of a corpus"
    if len(name.encode()) > _LONGEST_CUSTOM_NAME:
        return f"the name of a corpus has at most {_LONGEST_CUSTOM_NAME} bytes, this one {len(name.encode())}"
    folder = f"{name}{CUSTOM_ROOT_ENDING}".casefold()  # some file systems make no difference between A and a
    taken = [known for known, layout in CORPUS_LAYOUTS.items() if folder == layout.root.casefold()]
    taken += [known for known in CORPUS_LAYOUTS if known.casefold() == name.casefold() and known not in taken]
    return f"the name belongs to the toolkit's own corpus {taken[0]}; choose another" if taken else ""


def known_datasets(data_root: str | os.PathLike | None = None) -> list[str]:
    """The toolkit's corpora, then the user's own below `data_root`, in name order."""
    files = _base(data_root).glob(f"*{CUSTOM_ROOT_ENDING}/{CUSTOM_FILE}")
    names = [file.parent.name.removesuffix(CUSTOM_ROOT_ENDING) for file in files]
    return [*CORPUS_LAYOUTS, *sorted(name for name in names if not custom_name_fault(name))]


def corpus_paths(dataset: str, data_root: str | os.PathLike | None = None) -> CorpusPaths:
    """Places of `dataset`, a corpus of the toolkit or of the user's own, below `data_root`.

    Raises:
        UnknownDataset: `dataset` is not one of `known_datasets` (the message lists them).
    """
    if dataset in CORPUS_LAYOUTS:
        return _places(dataset, CORPUS_LAYOUTS[dataset], _base(data_root))
    paths = custom_paths(dataset, data_root)
    if custom_name_fault(dataset) or not (paths.root / CUSTOM_FILE).is_file():
        raise UnknownDataset(
            dataset,
            f"known: {', '.join(known_datasets(data_root))}; `python -m toolkit.preprocess.custom` makes one of your "
            f"own (looked for {_base(data_root)}/<name>{CUSTOM_ROOT_ENDING}/{CUSTOM_FILE}, see --data_root)",
        )
    return paths


def custom_paths(name: str, data_root: str | os.PathLike | None = None) -> CorpusPaths:
    """Places of a corpus of the user's own, whether it is there or not; `name` must have no `custom_name_fault`."""
    return _places(name, CorpusLayout(f"{name}{CUSTOM_ROOT_ENDING}", "label.npz"), _base(data_root))


def _places(dataset: str, layout: CorpusLayout, base: Path) -> CorpusPaths:
    root = base / layout.root
    return CorpusPaths(
        dataset=dataset,
        root=root,
        video=root / layout.video,
        audio=root / layout.audio,
        face=root / layout.face,
        transcript=root / layout.transcript,
        features=root / layout.features,
        label=root / layout.label,
    )


def _base(data_root: str | os.PathLike | None) -> Path:
    return Path(data_root).expanduser().resolve() if data_root else default_data_root()


# ---------------------------------------------------------------- feature folder stem -> name in tables and papers

featname_mapping: dict[str, str] = {
    # audio
    "eGeMAPS": "eGeMAPS",
    "IS09": "IS09",
    "vggish": "VGGish",
    "wav2vec-large-c": "wav2vec-large",
    "data2vec-audio-base-960h": "data2vec-base",
    "data2vec-audio-large": "data2vec-large",
    "chinese-wav2vec2-base": "wav2vec 2.0-base",
    "chinese-wav2vec2-large": "wav2vec 2.0-large",
    "whisper-base": "Whisper-base",
    "whisper-large-v2": "Whisper-large",
    "wavlm-base": "WavLM-base",
    "wavlm-large": "WavLM-large",
    "chinese-hubert-base": "HUBERT-base",
    "chinese-hubert-large": "HUBERT-large",
    "emotion2vec": "emotion2vec",
    # image
    "msceleb": "ResNet-MSCeleb",
    "imagenet": "ResNet-ImageNet",
    "emonet": "EmoNet",
    "senet50face": "SENet-FER2013",
    "resnet50face": "ResNet-FER2013",
    "videomae-base": "VideoMAE-base",
    "videomae-large": "VideoMAE-large",
    "eva02_base_patch14_224": "EVA-02-base",
    "manet": "MANet-RAFDB",
    "clip-vit-base-patch32": "CLIP-base",
    "clip-vit-large-patch14": "CLIP-large",
    "dinov2-large": "DINOv2-large",
    "videomae-base-K400-mer2023-299": "VideoMAE-base (MER2023)",
    "videomae-base-VoxCeleb2-99": "VideoMAE-base (VoxCeleb2)",
    # text
    "albert_chinese_small": "ALBERT-small",
    "opt-13b": "OPT-13B",
    "chinese-xlnet-base": "XLNet-base",
    "llama-13b-hf": "Llama-13B",
    "moss-base-7b": "MOSS-7B",
    "stable-vicuna-13b": "Vicuna-13B",
    "deberta-chinese-large": "DeBERTa-large",
    "stablelm-base-alpha-7b-v2": "StableLM-7B",
    "Llama-2-13b-hf": "Llama2-13B",
    "chinese-pert-base": "PERT-base",
    "chinese-pert-large": "PERT-large",
    "chinese-electra-180g-base": "ELECTRA-base",
    "chinese-electra-180g-large": "ELECTRA-large",
    "falcon-7b": "Falcon-7B",
    "bert-base-chinese": "BERT-base",
    "chatglm2-6b": "ChatGLM2-6B",
    "paraphrase-multilingual-mpnet-base-v2": "Sentence-BERT",
    "chinese-macbert-base": "MacBERT-base",
    "chinese-macbert-large": "MacBERT-large",
    "chinese-lert-base": "LERT-base",
    "chinese-lert-large": "LERT-large",
    "chinese-alpaca-2-13b": "Alpaca2-13B",
    "bloom-7b1": "BLOOM-7B",
    "chinese-roberta-wwm-ext": "RoBERTa-base",
    "chinese-roberta-wwm-ext-large": "RoBERTa-large",
    "Baichuan-13B-Base": "Baichuan-13B",
}
featname_mapping_reverse: dict[str, str] = {display: stem for stem, display in featname_mapping.items()}

# Stems whose folders are written `<stem>_UTT`; every other stem uses `-`. Readers accept both.
UNDERSCORE_STEMS = frozenset(
    "eGeMAPS IS09 IS10 IS13 vggish manet emonet imagenet msceleb resnet50face senet50face".split()
)

# ---------------------------------------------------------------- ranks for top-n fusion, low to high

AUDIO_RANK_LOW2HIGH = (
    "eGeMAPS",
    "VGGish",
    "Whisper-base",
    "emotion2vec",
    "Whisper-large",
    "wav2vec 2.0-base",
    "wav2vec 2.0-large",
    "HUBERT-base",
    "HUBERT-large",
)
TEXT_RANK_LOW2HIGH = (
    "XLNet-base",
    "ELECTRA-large",
    "MOSS-7B",
    "PERT-large",
    "PERT-base",
    "LERT-large",
    "ELECTRA-base",
    "LERT-base",
    "RoBERTa-base",
    "MacBERT-base",
    "RoBERTa-large",
    "ChatGLM2-6B",
    "MacBERT-large",
    "BLOOM-7B",
    "Baichuan-13B",
)
IMAGR_RANK_LOW2HIGH = (
    "VideoMAE-base",
    "EmoNet",
    "VideoMAE-large",
    "DINOv2-large",
    "SENet-FER2013",
    "ResNet-FER2013",
    "MANet-RAFDB",
    "EVA-02-base",
    "CLIP-base",
    "VideoMAE-base (VoxCeleb2)",
    "VideoMAE-base (MER2023)",
    "CLIP-large",
)
