"""Real Whisper tiny.en on the demo corpus, and the multilingual start tokens on a random miniature."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from toolkit.preprocess import whisper_asr
from toolkit.preprocess.asr import read_waveform
from toolkit.preprocess.asr_backends import build_transcriber
from toolkit.preprocess.chunks import WINDOW
from toolkit.preprocess.media import extract_audio_16k
from toolkit.preprocess.whisper_asr import WhisperTranscriber
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv

DEMO = Path(__file__).resolve().parents[3] / "demo"
NAMES = [f"sample_{i:08d}" for i in range(1, 7)]
WORST_WORD_ERROR_RATE = 0.2  # measured 4 / 43 = 0.09 on these six, 0.08 on all sixty


def words(text):
    return re.sub(r"[^a-z' ]", "", text.lower().replace("cannot", "can not")).split()


def edits(reference, hypothesis):
    """Levenshtein distance of two lists."""
    row = list(range(len(hypothesis) + 1))
    for i, left in enumerate(reference, start=1):
        diagonal, row[0] = row[0], i
        for j, right in enumerate(hypothesis, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (left != right))
    return row[-1]


def test_edits_by_hand():
    assert edits([], list("ab")) == 2
    assert edits(list("kitten"), list("sitting")) == 3
    assert edits(list("abc"), list("abc")) == 0


@pytest.fixture(scope="module")
def demo_waveforms(tmp_path_factory):
    videos = {path.stem: path for path in sorted((DEMO / "mer2024-dataset").glob("video-*/*.mp4"))}
    assert set(NAMES) <= set(videos), "the committed demo clips are missing from demo/mer2024-dataset"
    folder = tmp_path_factory.mktemp("wav")
    for name in NAMES:
        extract_audio_16k(videos[name], folder / f"{name}.wav")
    return [read_waveform(folder / f"{name}.wav") for name in NAMES]


@pytest.fixture(scope="module")
def tiny(embedded_tools):
    return WhisperTranscriber(embedded_tools / "transformers" / "whisper-tiny.en", torch.device("cpu"))


@pytest.fixture(scope="module")
def texts(tiny, demo_waveforms):
    return tiny.transcribe(demo_waveforms, batch_size=4)


def test_word_error_rate_of_the_demo_clips(texts):
    truth = {row["name"]: row["sentence"] for row in read_csv(DEMO / "sources.csv", ("name", "sentence"))}
    pairs = [(words(truth[name]), words(text)) for name, text in zip(NAMES, texts, strict=True)]
    wrong = sum(edits(reference, hypothesis) for reference, hypothesis in pairs)
    assert wrong / sum(len(reference) for reference, _ in pairs) <= WORST_WORD_ERROR_RATE, texts


def test_the_library_s_own_generation_says_the_same(tiny, demo_waveforms, texts):
    features = tiny.mel(demo_waveforms[:2], sampling_rate=16000, return_tensors="pt").input_features
    rows = tiny.model.generate(features, max_new_tokens=100, do_sample=False)
    assert [text.strip() for text in tiny.tokenizer.batch_decode(rows, skip_special_tokens=True)] == texts[:2]


def test_alone_in_a_batch_or_beside_silence_the_text_is_the_same(tiny, demo_waveforms, texts):
    assert tiny.transcribe(demo_waveforms[1:2], batch_size=1) == texts[1:2]
    silence, short, none = np.zeros(16000, np.float32), demo_waveforms[0][8000:9000], np.zeros(0, np.float32)
    assert tiny.transcribe([silence, demo_waveforms[1], short, none]) == ["", texts[1], "", ""]


def test_longer_audio_is_cut_in_silence(tiny, demo_waveforms, texts):
    first = np.zeros(WINDOW, np.float32)
    first[: len(demo_waveforms[0])] = demo_waveforms[0]
    long = np.concatenate([first, demo_waveforms[2]])
    assert tiny.transcribe([long, demo_waveforms[0]]) == [f"{texts[0]} {texts[2]}", texts[0]]


def test_half_a_minute_of_joined_clips_loses_no_sentence(tiny, demo_waveforms):
    pause = np.zeros(8000, np.float32)
    long = np.concatenate([part for wave in [*demo_waveforms, *demo_waveforms] for part in (wave, pause)])
    assert len(long) > WINDOW
    truth = {row["name"]: row["sentence"] for row in read_csv(DEMO / "sources.csv", ("name", "sentence"))}
    reference = [word for name in [*NAMES, *NAMES] for word in words(truth[name])]
    (text,) = tiny.transcribe([long])
    assert edits(reference, words(text)) / len(reference) <= WORST_WORD_ERROR_RATE, text


def test_quiet_noise_is_silence(tiny):
    noise = np.random.default_rng(0).normal(0, 2e-4, 3 * 16000).astype(np.float32)
    assert np.abs(noise).max() < 1e-3
    assert tiny.transcribe([noise]) == [""]


def test_loud_noise_without_speech_is_silence(tiny, monkeypatch):
    noise = np.random.default_rng(0).normal(0, 0.05, 3 * 16000).astype(np.float32)
    assert tiny.transcribe([noise]) == [""]
    monkeypatch.setattr(whisper_asr, "NO_SPEECH", 2.0)  # without the rule Whisper hears a word in it
    assert tiny.transcribe([noise]) != [""]


def test_an_english_only_model_takes_no_other_language(tiny, embedded_tools):
    folder = str(embedded_tools / "transformers" / "whisper-tiny.en")
    with pytest.raises(UserError, match="--language chinese: this Whisper knows English only"):
        build_transcriber("whisper", folder, -1, "chinese")
    assert tiny._language_id("English") is None
    prompt = tiny._prompt(torch_states(tiny, 2))
    start, no_timestamps = (tiny.vocabulary[name] for name in ("<|startoftranscript|>", "<|notimestamps|>"))
    assert prompt.tolist() == [[start, no_timestamps]] * 2


def torch_states(transcriber, count):
    """Encoder output of `count` windows of noise."""
    from transformers.modeling_outputs import BaseModelOutput

    size = (count, 1500, transcriber.model.config.d_model)
    return BaseModelOutput(last_hidden_state=torch.randn(size, generator=torch.Generator().manual_seed(0)))


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    """A random multilingual Whisper with the real token numbers and four languages."""
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.models import WordLevel
    from transformers import (
        PreTrainedTokenizerFast,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
    )

    folder = tmp_path_factory.mktemp("models") / "mini"
    numbered = {f"w{i}": i for i in range(50257)}
    numbered |= {f"<|x{i}|>": i for i in range(50257, 51865)}
    special = {"endoftext": 50257, "startoftranscript": 50258, "en": 50259, "zh": 50260, "de": 50261, "es": 50262}
    special |= {"translate": 50358, "transcribe": 50359, "nospeech": 50362, "notimestamps": 50363}
    for name, number in special.items():
        del numbered[f"<|x{number}|>"]
        numbered[f"<|{name}|>"] = number
    tokenizer = Tokenizer(WordLevel(numbered, unk_token="w0"))
    tokenizer.add_special_tokens([AddedToken(f"<|{name}|>", special=True) for name in special])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    sizes = {"d_model": 8, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    torch.manual_seed(0)
    model = WhisperForConditionalGeneration(WhisperConfig(vocab_size=51865, **sizes, **heads))
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("language", "number"), [("chinese", 50260), ("ZH", 50260), ("de", 50261), ("spanish", 50262)])
def test_a_multilingual_model_is_told_language_and_task(miniature, language, number):
    transcriber = WhisperTranscriber(miniature, torch.device("cpu"), language)
    assert transcriber._prompt(torch_states(transcriber, 3)).tolist() == [[50258, number, 50359, 50363]] * 3


def test_a_multilingual_model_finds_the_language_itself(miniature):
    transcriber = WhisperTranscriber(miniature, torch.device("cpu"))
    states = torch_states(transcriber, 3)
    prompt = transcriber._prompt(states)
    languages = [50259, 50260, 50261, 50262]
    with torch.inference_mode():
        start = torch.full((3, 1), 50258)
        logits = transcriber.model(encoder_outputs=states, decoder_input_ids=start).logits[:, 0, languages]
    expected = [languages[row.argmax()] for row in logits]
    assert prompt.tolist() == [[50258, language, 50359, 50363] for language in expected]


def test_wrong_models_and_languages(miniature, tmp_path):
    with pytest.raises(UserError, match="--language klingon: unknown; known: afrikaans, "):
        WhisperTranscriber(miniature, torch.device("cpu"), "klingon")
    with pytest.raises(UserError, match="holds no model"):
        WhisperTranscriber(tmp_path, torch.device("cpu"))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match="a bert model, not Whisper"):
        WhisperTranscriber(tmp_path, torch.device("cpu"))
