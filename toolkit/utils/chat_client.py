"""Requests to a chat-completions server: retries, pauses, keys in turn, and errors in words without a key in them."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from toolkit.utils.chat_limits import KeyRing, is_out_of_money, retry_after
from toolkit.utils.chat_wire import Answer, cause_of, check_url, read_answer, read_body
from toolkit.utils.chatgpt import ChatError, ChatSettings, Reply, Spent
from toolkit.utils.errors import UserError

LONGEST_WAIT = 600.0  # seconds; a server that asks for more (a daily limit) ends the attempt


class Chat:
    """Requests to one server; `ask` may be called from several threads.

    Raises:
        UserError: no key (a server of one's own, named by `base_url`, needs none), or an address that is none.
    """

    def __init__(self, settings: ChatSettings) -> None:
        import openai

        if not settings.can_ask:
            raise UserError(
                "no key for the chat model: export OPENAI_API_KEY=..., or name your own server by --base_url"
            )
        check_url(settings.url)
        keys = settings.known_keys or ("none",)
        self.settings = settings
        self.stop = threading.Event()  # set it, and waiting requests give up
        self._ring = KeyRing(len(keys))
        self._openai = openai
        try:
            self._clients = [
                openai.OpenAI(api_key=key, base_url=settings.url, timeout=settings.timeout, max_retries=0)
                for key in keys
            ]
        except Exception as error:  # the client's own idea of an address, or of a proxy in the environment
            raise UserError(f"--base_url {settings.url}: {type(error).__name__}: {error}") from None
        self._start = time.monotonic()
        self._answered = False  # whether there is a server at all
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
        failed = unusable = 0
        spent = Spent()
        forbidden: dict[int, str] = {}  # keys with which the server forbids this question, and what it says
        while True:
            index = self._free_key(forbidden, spent)
            options = self._options
            spent.requests += 1
            answer = self._attempt(index, messages, options)
            # Handled out here, not in an except clause: a chained traceback could show a key.
            if isinstance(answer, Answer):
                self._ring.accept(index)
                spent.prompt_tokens += answer.prompt_tokens
                spent.completion_tokens += answer.completion_tokens
                problem = answer.problem or problem_of(answer.text)
                if not problem:
                    return Reply(answer.text, spent)
                problem = f"unusable reply, {problem}: {self.clean(answer.text)[:80]!r}"
                delay, unusable = self._delay(unusable), unusable + 1
            elif isinstance(answer, self._openai.APIStatusError):
                if self._adapt(answer, options) or self._refused(index, answer, messages, forbidden):
                    continue
                problem, delay = self._status(index, answer, failed)
                failed += 1
            else:
                problem, delay = self._broken(answer, failed)
                failed += 1
            if delay is None or failed >= self.settings.attempts or unusable >= self.settings.unusable:
                raise ChatError(f"{self.clean(problem)} ({spent.requests} requests)", spent)
            if self.stop.wait(delay):
                raise ChatError("stopped", spent)

    def _free_key(self, forbidden: Mapping[int, str], spent: Spent) -> int:
        """The index of a key that may be used now, after the pause that the server wants."""
        while True:
            picked = self._ring.pick(forbidden)
            if picked is None:
                raise ChatError(f"{'; '.join(dict.fromkeys(forbidden.values()))} ({spent.requests} requests)", spent)
            index, wait = picked
            if self.stop.wait(wait) if wait else self.stop.is_set():
                raise ChatError("stopped", spent)
            if not wait:
                return index  # after a wait pick again: another thread may have found the key refused

    def clean(self, text: str) -> str:
        """`text` on one line, without anything that is or looks like a key."""
        for client in self._clients:
            if len(client.api_key) > 4:
                text = text.replace(client.api_key, "***")
        text = re.sub(r"\bsk-[\w*.\-]{6,}|\bBearer \S+", "***", text)
        return " ".join(text.split())[:300]

    def _attempt(self, index: int, messages: Sequence[dict], options: dict[str, Any]) -> Answer | Exception:
        """One request: its answer, or whatever went wrong (the client, the network and bad bodies raise many kinds)."""
        end = time.monotonic() + self.settings.timeout
        create = self._clients[index].chat.completions.with_streaming_response.create
        try:
            with create(model=self.settings.model, messages=list(messages), **options) as raw:
                body = read_body(raw.iter_bytes(), end)
            self._answered = True
            return read_answer(body, self.settings.max_tokens)
        except self._openai.APIStatusError as error:
            self._answered = True
            return error
        except Exception as error:
            return error

    def _delay(self, failed: int) -> float:
        return min(30.0, self.settings.backoff * 2**failed) * random.uniform(0.5, 1.5)  # jitter: no herd of retries

    def _broken(self, error: Exception, failed: int) -> tuple[str, float]:
        """(what went wrong, seconds until the next attempt) where no answer of the protocol came."""
        delay, api = self._delay(failed), self._openai
        if not isinstance(error, api.APIConnectionError) or isinstance(error, api.APITimeoutError):
            return f"{type(error).__name__}: {error}", delay
        problem = f"cannot reach {self.settings.url}: {cause_of(error)}"
        if self._answered or type(error.__cause__).__name__ != "ConnectError":
            return problem, delay
        left = self._start + self.settings.patience - time.monotonic()
        if left <= 0:
            raise UserError(f"{self.clean(problem)}; is the server running, and is --base_url right?")
        return problem, min(delay, left)

    def _refused(self, index: int, error: Any, messages: Sequence[dict], forbidden: dict[int, str]) -> bool:
        """Whether another key must be tried: this one is dropped, or not allowed to ask this question (403)."""
        message = str(error.message).removeprefix(f"Error code: {error.status_code} - ")
        said = self.clean(f"{error.code or ''} {message}")
        why = f"HTTP {error.status_code} {said}"
        if error.status_code == 401 or is_out_of_money(error.status_code, f"{error.type} {said}"):
            self._ring.refuse(index, why)
            return True
        if error.status_code != 403:
            return False
        if not self._ring.forbid(index, messages[-1]["content"], why):
            forbidden[index] = why
        return True

    def _status(self, index: int, error: Any, failed: int) -> tuple[str, float | None]:
        """(what went wrong, seconds until the next attempt, None for no other) for an error the server reports."""
        problem, status = f"HTTP {error.status_code}: {error.message}", error.status_code
        if status == 404:
            raise UserError(f"{self.clean(problem)}; is --model {self.settings.model} right, and --base_url?")
        if status < 500 and status not in (408, 409, 425, 429):
            return problem, None
        asked = retry_after(error.response.headers)
        if asked is not None and asked > LONGEST_WAIT:
            return f"{self.clean(problem)} (the server wants a pause of {asked:.0f} s)", None
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
