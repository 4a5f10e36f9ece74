"""Which modality a feature belongs to: A (audio), T (text) or V (video)."""

from __future__ import annotations

from collections.abc import Mapping

from toolkit.data.features import plain_stem

_STEMS = {
    "A": """eGeMAPS IS09 IS10 IS13 mel_spec mfcc vggish wav2vec-large-c wav2vec-large-z data2vec-audio-base-960h
        data2vec-audio-large chinese-wav2vec2-base chinese-wav2vec2-large whisper-base whisper-large-v2 wavlm-base
        wavlm-large chinese-hubert-base chinese-hubert-large emotion2vec emotion2vec-finetune""",
    "V": """msceleb imagenet emonet senet50face resnet50face videomae-base videomae-large eva02_base_patch14_224 manet
        clip-vit-base-patch32 clip-vit-large-patch14 dinov2-large videomae-base-K400-mer2023-299
        videomae-base-VoxCeleb2-99""",
    "T": """albert_chinese_small opt-13b chinese-xlnet-base llama-13b-hf moss-base-7b stable-vicuna-13b
        deberta-chinese-large stablelm-base-alpha-7b-v2 Llama-2-13b-hf chinese-pert-base chinese-pert-large
        chinese-electra-180g-base chinese-electra-180g-large falcon-7b bert-base-chinese chatglm2-6b
        paraphrase-multilingual-mpnet-base-v2 chinese-macbert-base chinese-macbert-large chinese-lert-base
        chinese-lert-large chinese-alpaca-2-13b bloom-7b1 chinese-roberta-wwm-ext chinese-roberta-wwm-ext-large
        Baichuan-13B-Base""",
}
MODALITY_OF_STEM: Mapping[str, str] = {stem: modality for modality, stems in _STEMS.items() for stem in stems.split()}


def known_modality(stem: str) -> str | None:
    """``"A"``, ``"T"`` or ``"V"`` of a feature folder's stem, infixes such as ``-noisesnr5`` ignored; None: unknown."""
    return MODALITY_OF_STEM.get(stem) or MODALITY_OF_STEM.get(plain_stem(stem))
