"""Asking a chat model to group emotion words: keys, one request with its retries, the prompt.

Any server with the OpenAI chat-completions protocol will do. Keys come from `candidate_keys` and the environment
variable OPENAI_API_KEY (several with commas between them); they are never printed or saved, and error texts are cleaned
of them.
"""

from __future__ import annotations

import json
import os
import random
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from toolkit.utils.chat_limits import KeyRing, retry_after
from toolkit.utils.errors import UserError

candidate_keys: list[str] = []  # your own keys may stand here; better: export OPENAI_API_KEY=key1,key2

DEFAULT_MODEL = "gpt-4.1-mini"  # the model the score was defined with, gpt-3.5-turbo-16k-0613, was shut down in 2024
DEFAULT_BASE_URL = "https://api.openai.com/v1"
LONGEST_WAIT = 600.0  # seconds; a server that asks for more (a daily limit) ends the attempt

SYSTEM_PROMPT = (
    "You are an expert in the vocabulary of emotions. You get a json list of labels, in any language. Put labels that "
    "mean the same or nearly the same feeling into one group. Every label of the list goes into exactly one group, "
    "spelled exactly as given; add no label of your own. A label without a synonym in the list is a group by itself. "
    'Answer with the list of groups only, a json list of lists of strings, such as [["happy", "joyful"], ["angry"]].'
)
_PREFIX = re.compile(r"^(?:input|output|输入|输出|翻译|让我们来翻译一下)?\s*[:：]\s*", re.IGNORECASE)


class ChatError(Exception):
    """One request that brought no usable reply, after all its retries."""


class UnusableReply(ValueError):
    """A complete answer of the model that holds no grouping; asking many times more would bring the same."""


@dataclass(frozen=True)
class ChatSettings:
    """Where and how to ask; `keys` are not part of the repr. Times in seconds."""

    model: str = DEFAULT_MODEL
    base_url: str = ""  # "" = OPENAI_BASE_URL, else OpenAI's own
    keys: tuple[str, ...] = field(default=(), repr=False)
    attempts: int = 8  # failures of the server or the network per reply before it is given up
    unusable: int = 4  # the same for answers that hold no grouping
    timeout: float = 60.0
    backoff: float = 0.5  # doubled after every failure, at most 30 s
    temperature: float | None = 0.0
    max_tokens: int = 1000

    @property
    def url(self) -> str:
        return self.base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL

    @property
    def can_ask(self) -> bool:
        """Whether a request makes sense: there is a key, or a server of one's own, which may need none."""
        return bool(self.keys) or self.url != DEFAULT_BASE_URL


@dataclass(frozen=True)
class Reply:
    """A usable reply and what it cost."""

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    requests: int = 1


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


def postprocess_response(text: str) -> str:
    """A reply without a leading ``Output:`` (or its kin) and without line ends, as the baseline saves it."""
    return _PREFIX.sub("", text.strip()).strip().replace("\n", "")


def get_openset_synonym(labels: Sequence[str], settings: ChatSettings | None = None) -> str:
    """The model's grouping of `labels` as text (a list of lists).

    Raises:
        ChatError: no usable reply after all retries. UserError: no key, or none that the server takes.
    """
    settings = settings or ChatSettings(keys=available_keys())
    return Chat(settings).ask(chat_messages(labels), lambda text: "" if "[" in text else "no list in it").text


class Chat:
    """Requests to one server; `ask` may be called from several threads.

    Raises:
        UserError: no key (a server of one's own, named by `base_url`, needs none).
    """

    def __init__(self, settings: ChatSettings) -> None:
        import openai

        keys = settings.keys or ("none",)
        if not settings.can_ask:
            raise UserError(
                "no key for the chat model: export OPENAI_API_KEY=..., or name your own server by --base_url"
            )
        self.settings = settings
        self.stop = threading.Event()  # set it, and waiting requests give up
        self._ring = KeyRing(len(keys))
        self._openai = openai
        self._clients = [
            openai.OpenAI(api_key=key, base_url=settings.url, timeout=settings.timeout, max_retries=0) for key in keys
        ]
        # What the model turned out to want: newer ones know neither `max_tokens` nor temperature 0.
        self._options: dict[str, Any] = {"max_tokens": settings.max_tokens}
        if settings.temperature is not None:
            self._options["temperature"] = settings.temperature
        self.notes: list[str] = []

    def ask(self, messages: Sequence[dict[str, str]], problem_of: Callable[[str], str]) -> Reply:
        """Ask until a reply is usable, which is when `problem_of` its text returns "".

        Raises:
            ChatError: no usable reply. UserError: no request can succeed (keys, model or address are wrong).
        """
        failed = unusable = requests = 0
        while True:
            index = self._free_key()
            options = self._options
            requests += 1
            try:
                text, usage = self._request(index, messages, options)
                if problem := problem_of(text):
                    raise UnusableReply(f"{problem}: {text[:80]!r}")
                return Reply(text, *usage, requests)
            except UnusableReply as error:
                problem, delay, unusable = f"unusable reply, {error}", self._delay(unusable), unusable + 1
            except self._openai.APIStatusError as error:
                if self._adapt(error, options) or self._refused(index, error):
                    continue
                problem, delay = self._status(index, error, failed)
                failed += 1
            except (self._openai.APIError, ValueError, LookupError, TypeError, AttributeError) as error:
                # Cut connections and timeouts, and answers that are not what the protocol says.
                problem, delay, failed = f"{type(error).__name__}: {error}", self._delay(failed), failed + 1
            if failed >= self.settings.attempts or unusable >= self.settings.unusable:
                raise ChatError(f"{self.clean(problem)} ({requests} requests)")
            if self.stop.wait(delay):
                raise ChatError("stopped")

    def _free_key(self) -> int:
        """The index of a key that may be used now, after the pause that the server wants."""
        while True:
            index, wait = self._ring.pick()
            if self.stop.wait(wait) if wait else self.stop.is_set():
                raise ChatError("stopped")
            if not wait:
                return index  # after a wait pick again: another thread may have found the key refused

    def clean(self, text: str) -> str:
        """`text` on one line, without anything that is or looks like a key."""
        for client in self._clients:
            if len(client.api_key) > 4:
                text = text.replace(client.api_key, "***")
        text = re.sub(r"\bsk-[\w*.\-]{6,}|\bBearer \S+", "***", text)
        return " ".join(text.split())[:300]

    def _request(self, index: int, messages: Sequence[dict], options: dict[str, Any]) -> tuple[str, tuple[int, int]]:
        create = self._clients[index].chat.completions.with_raw_response.create
        raw = create(model=self.settings.model, messages=list(messages), **options)
        reply = json.loads(raw.http_response.content)
        choice = reply["choices"][0]
        if choice.get("finish_reason") == "length":
            raise UnusableReply(f"cut off at {self.settings.max_tokens} tokens")
        text = choice["message"]["content"]
        if not isinstance(text, str) or not text.strip():
            raise UnusableReply("empty")
        usage = reply.get("usage") or {}
        counts = (int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0))
        # Half a character (a lone surrogate) could not be written to any file.
        return postprocess_response(text.encode("utf-8", "replace").decode("utf-8")), counts

    def _delay(self, failed: int) -> float:
        return min(30.0, self.settings.backoff * 2**failed) * random.uniform(0.5, 1.5)  # jitter: no herd of retries

    def _refused(self, index: int, error: Any) -> bool:
        """Whether the server refused the key, which is then dropped."""
        no_money = error.status_code == 429 and "insufficient_quota" in f"{error.code} {error.type} {error.message}"
        if error.status_code in (401, 403) or no_money:
            self._ring.refuse(index, f"HTTP {error.status_code} {self.clean(str(error.code or ''))}".strip())
            return True
        return False

    def _status(self, index: int, error: Any, failed: int) -> tuple[str, float]:
        """(what went wrong, seconds until the next attempt) for an error the server reports."""
        problem, status = f"HTTP {error.status_code}: {error.message}", error.status_code
        if status == 404:
            raise UserError(f"{self.clean(problem)}; is --model {self.settings.model} right, and --base_url?")
        if status < 500 and status not in (408, 409, 425, 429):
            raise ChatError(self.clean(problem))
        asked = retry_after(error.response.headers)
        if asked is not None and asked > LONGEST_WAIT:
            raise ChatError(f"{self.clean(problem)} (the server wants a pause of {asked:.0f} s)")
        delay = self._delay(failed) if asked is None else asked
        if status == 429 or asked is not None:
            self._ring.pause(index, delay)  # the limit is the key's: all threads keep off it
            return problem, 0.0
        return problem, delay

    def _adapt(self, error: Any, used: dict[str, Any]) -> bool:
        """Whether the model refused an option that can be given otherwise; all later requests do so."""
        if error.status_code != 400:
            return False
        text = f"{error.param or ''} {error.message}"
        options = dict(self._options)  # another thread may have found out more than this request knew
        if "max_tokens" in used and "max_tokens" in text:
            options.pop("max_tokens", None)
            options["max_completion_tokens"] = self.settings.max_tokens
        elif "temperature" in used and "temperature" in text:
            options.pop("temperature", None)
            self.notes = ["the model does not take temperature 0: its replies vary from run to run"]
        else:
            return False
        self._options = options
        return True
