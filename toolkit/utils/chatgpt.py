"""Asking a chat model to group emotion words: keys, settings, the prompt (chat_client.py sends it).

Any server with the OpenAI chat-completions protocol will do. Keys come from `candidate_keys` and the environment
variable OPENAI_API_KEY (several with commas between them); they are never printed or saved, and error texts are cleaned
of them.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from toolkit.utils.chat_wire import postprocess_response as postprocess_response  # the baseline has it here
from toolkit.utils.errors import UserError

candidate_keys: list[str] = []  # your own keys may stand here; better: export OPENAI_API_KEY=key1,key2

DEFAULT_MODEL = "gpt-4.1-mini"  # the model the score was defined with, gpt-3.5-turbo-16k-0613, was shut down in 2024
DEFAULT_BASE_URL = "https://api.openai.com/v1"

SYSTEM_PROMPT = (
    "You are an expert in the vocabulary of emotions. You get a json list of labels, in any language. Put labels that "
    "mean the same or nearly the same feeling into one group. Every label of the list goes into exactly one group, "
    "spelled exactly as given; add no label of your own. A label without a synonym in the list is a group by itself. "
    'Answer with the list of groups only, a json list of lists of strings, such as [["happy", "joyful"], ["angry"]].'
)


@dataclass
class Spent:
    """What a reply cost, unusable answers (which are paid for, too) included."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class ChatError(Exception):
    """One request that brought no usable reply, after all its retries; `spent` is what it cost."""

    def __init__(self, message: str, spent: Spent | None = None) -> None:
        super().__init__(message)
        self.spent = spent or Spent()


@dataclass(frozen=True)
class ChatSettings:
    """Where and how to ask; `keys` are not part of the repr, and looked at only when something is asked. Seconds."""

    model: str = DEFAULT_MODEL
    base_url: str = ""  # "" = OPENAI_BASE_URL, else OpenAI's own
    keys: tuple[str, ...] | None = field(default=None, repr=False)  # None = those of `available_keys`
    attempts: int = 8  # failures of the server or the network per reply before it is given up
    unusable: int = 4  # the same for answers that hold no grouping
    timeout: float = 60.0  # for the first byte, and again for the whole answer
    patience: float = 15.0  # a server that has never answered is given up after this time
    backoff: float = 0.5  # doubled after every failure, at most 30 s
    temperature: float | None = 0.0
    max_tokens: int = 1000

    @property
    def url(self) -> str:
        return self.base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL

    @property
    def can_ask(self) -> bool:
        """Whether a request makes sense: there is a key, or a server of one's own, which may need none."""
        return self.url != DEFAULT_BASE_URL or bool(self.known_keys)

    @property
    def known_keys(self) -> tuple[str, ...]:
        return available_keys() if self.keys is None else self.keys


@dataclass(frozen=True)
class Reply:
    """A usable reply and what it cost."""

    text: str
    spent: Spent = field(default_factory=Spent)


def available_keys() -> tuple[str, ...]:
    """`candidate_keys`, then those of OPENAI_API_KEY, each once.

    Raises:
        UserError: a key that cannot be one (its place is named, never its text).
    """
    listed = [*candidate_keys, *os.environ.get("OPENAI_API_KEY", "").split(",")]
    keys = tuple(dict.fromkeys(key.strip() for key in listed if key.strip()))
    for number, key in enumerate(keys, 1):
        if not re.fullmatch(r"[!-~]+", key):
            raise UserError(f"key {number} of OPENAI_API_KEY / candidate_keys holds blanks or characters no key has")
    return keys


def chat_messages(labels: Sequence[str]) -> list[dict[str, str]]:
    """The prompt for `labels`; the same labels give the same text in any order."""
    listed = json.dumps(sorted(labels), ensure_ascii=False)
    return [{"role": "system", "content": SYSTEM_PROMPT}, {"role": "user", "content": f"Labels:\n{listed}"}]


def get_openset_synonym(labels: Sequence[str], settings: ChatSettings | None = None) -> str:
    """The model's grouping of `labels` as text (a list of lists).

    Raises:
        ChatError: no usable reply after all retries. UserError: no key, or none that the server takes.
    """
    from toolkit.utils.chat_client import Chat

    return Chat(settings or ChatSettings()).ask(chat_messages(labels), _problem).text


def _problem(text: str) -> str:
    return "" if re.search(r"\[\s*\[", text) else "no list of lists in it"
