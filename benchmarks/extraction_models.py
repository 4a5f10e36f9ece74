"""Models of the real architectures and sizes with random weights, and corpora of random clips, for extraction.py."""

import json
from pathlib import Path

import numpy as np
import soundfile

from feature_extraction.contract import Sample

RATE = 16000


def save_hubert_base(folder: Path) -> Path:
    """HuBERT-base (95 million weights), random."""
    import torch
    from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

    torch.manual_seed(0)
    HubertModel(HubertConfig()).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


def save_bert_base(folder: Path) -> Path:
    """BERT-base (102 million weights, 21,128 words like bert-base-chinese), random, with a tokenizer of characters."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=21128)).save_pretrained(folder)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters()]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    return folder


def characters() -> list[str]:
    """Chinese characters, the probe's first."""
    probe = dict.fromkeys("今天天气真好")
    return [*probe, *(chr(code) for code in range(0x4E00, 0x4E00 + 2000) if chr(code) not in probe)]


def sentences(total: int) -> list[Sample]:
    """Texts of median 15 tokens, log-normal like spoken sentences, 2 to 100."""
    generator = np.random.default_rng(0)
    letters = np.array(characters())
    lengths = np.clip(np.exp(generator.normal(np.log(13), 0.6, total)).round(), 1, 98).astype(int)
    return [Sample(f"{n:06d}", text="".join(generator.choice(letters, length))) for n, length in enumerate(lengths)]


def clips(folder: Path, total: int, seconds: float = 4.0) -> list[Sample]:
    """Noisy tones of `seconds` on average, each of another length."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    samples = []
    for number, length in enumerate(generator.uniform(0.75 * seconds, 1.25 * seconds, total)):
        time = np.arange(int(length * RATE)) / RATE
        wave = 0.3 * np.sin(2 * np.pi * generator.uniform(80, 400) * time) + 0.05 * generator.standard_normal(len(time))
        samples.append(Sample(f"{number:06d}", folder / f"{number:06d}.wav"))
        soundfile.write(samples[-1].path, wave, RATE, subtype="PCM_16")
    return samples
