"""The modality that a feature's name suggests: right for all that is known, silent where nothing tells."""

import pytest

from feature_extraction.feature_table import FEATURES
from toolkit.dataloader.guessed_modality import guess_modality
from toolkit.dataloader.modalities import MODALITY_OF_STEM
from toolkit.dataloader.topn import modality_of

LETTERS = {"audio": "A", "text": "T", "visual": "V"}


@pytest.mark.parametrize("row", FEATURES, ids=lambda row: row.stem)
def test_every_feature_that_can_be_extracted(row):
    assert guess_modality(row.stem) == LETTERS[row.modality] == modality_of(row.stem)


def test_every_feature_with_a_display_name():
    assert {stem: guess_modality(stem) for stem in MODALITY_OF_STEM} == MODALITY_OF_STEM


@pytest.mark.parametrize(
    ("stem", "modality"),
    [
        ("all-MiniLM-L6-v2-langeng", "T"),
        ("unknown-langeng", "T"),
        ("unknown-punccase1", "T"),
        ("unknown-ttschi", "A"),
        ("chinese-hubert-base-noisesnr5", "A"),
        ("sunlicai-videomae-large", "V"),
        ("unispeech-sat-base", "A"),
        ("siglip-base-patch16-224", "V"),
        ("Qwen2-7B", "T"),
        ("my-net", None),
        ("thesis2024", None),
        ("relevant", None),
        ("expert-v2", None),
    ],
)
def test_names_of_other_models(stem, modality):
    assert guess_modality(stem) == modality


def test_what_the_user_says_wins():
    assert modality_of("chinese-hubert-base", {"chinese-hubert-base": "V"}) == "V"
    assert modality_of("my-net", {"my-net": "T"}) == "T" and modality_of("my-net") is None
