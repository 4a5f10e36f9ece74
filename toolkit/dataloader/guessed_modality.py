"""Which modality a feature is that no table knows, from the words in its folder's name: a guess, and said to be one."""

from __future__ import annotations

import re

from toolkit.data.features import plain_stem

# The first that matches decides. Text before the others where a text model has a picture's word in its name.
_RULES = (
    ("T", r"-(langeng|punc)|clip-(text|roberta|bert)"),
    ("A", r"-tts(chi|eng)"),
    ("V", r"vision|video|image|(^|[-_])(clip|vit|dino\w*|eva\d*|beit|siglip|timm|resnet\w*|senet\w*)([-_]|$)"),
    ("V", r"face|xception|emonet|manet|msceleb|openface"),
    (
        "A",
        r"audio|speech|whisper|hubert|wav2vec|wavlm|emotion2vec|vggish|mfcc|mel_?spec|opensmile|gemaps|(^|[-_])(compare|is\d\d)",
    ),
    ("T", r"text|sentence|minilm|bert|electra|xlnet|(^|[-_])t5|gpt|llama|bloom|opt-\d|glm|baichuan|qwen|vicuna|falcon"),
    ("T", r"stablelm|alpaca|moss|mistral|gemma|lert|mpnet|(^|[-_])pert"),
)


def guess_modality(stem: str) -> str | None:
    """``"A"``, ``"T"`` or ``"V"`` from the words of a feature folder's stem; None when none of them tells.

    It is right for every feature of the toolkit's own table (a test holds that); for others it is a guess.
    """
    for name in (stem, plain_stem(stem)):
        for modality, words in _RULES:
            if re.search(words, name, re.IGNORECASE):
                return modality
    return None
