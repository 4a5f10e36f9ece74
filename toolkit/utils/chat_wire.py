"""One answer of a chat server: its body, read within a time and a size, and what the body says."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from toolkit.utils.errors import UserError

MAX_BODY = 16 << 20  # bytes; a reply of 1,000 tokens has some 10 kB
_PREFIX = re.compile(r"^(?:input|output|输入|输出|翻译|让我们来翻译一下)?\s*[:：]\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """The text of a complete answer and the tokens it cost; `problem` says why there is no text in it."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    problem: str = ""


def postprocess_response(text: str) -> str:
    """A reply without a leading ``Output:`` (or its kin) and without line ends, as the baseline saves it."""
    return _PREFIX.sub("", text.strip()).strip().replace("\n", "")


def read_body(chunks: Iterable[bytes], end: float) -> bytes:
    """All chunks together.

    Raises:
        TimeoutError: the clock (`time.monotonic`) passed `end`, as with a server that sends a byte now and then.
        ValueError: more than `MAX_BODY`.
    """
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > MAX_BODY:
            raise ValueError(f"the answer is larger than {MAX_BODY} bytes")
        if time.monotonic() > end:
            raise TimeoutError("the answer was not complete within --timeout")
    return bytes(body)


def read_answer(body: bytes, max_tokens: int) -> Answer:
    """What a chat-completions body says.

    Raises:
        ValueError, LookupError, TypeError, AttributeError, RecursionError: it is not what the protocol says.
    """
    reply = json.loads(body)
    choice = reply["choices"][0]
    usage = reply.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    tokens = (_count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")))
    if choice.get("finish_reason") == "length":
        return Answer("", *tokens, f"cut off at {max_tokens} tokens")
    text = _text(choice["message"]["content"])
    if not text.strip():
        return Answer("", *tokens, "empty")
    # Half a character (a lone surrogate) could not be written to any file.
    return Answer(postprocess_response(text.encode("utf-8", "replace").decode("utf-8")), *tokens)


def _text(content: Any) -> str:
    """The text of a message: a string, or a list of parts, some of which are text."""
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else part for part in content]
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def cause_of(error: BaseException) -> str:
    """What is at the bottom of a failed connection, such as ``[Errno 111] Connection refused``."""
    while error.__cause__ is not None or (error.__context__ is not None and not error.__suppress_context__):
        error = error.__cause__ or error.__context__
    return str(error) or type(error).__name__


def check_url(url: str) -> None:
    """Raise `UserError` for an address that cannot be one of a server."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        reason = "" if good else "no http:// or https:// address"
    except ValueError as error:  # a port that is none, half an IPv6 address
        reason = str(error)
    if reason or not url.isprintable() or " " in url:
        # An address may hold a password; what stands before the @ is not shown.
        shown = re.sub(r"//[^/@]*@", "//***@", url)
        raise UserError(f"--base_url {shown!r}: {reason or 'blanks in it'}; write one such as http://localhost:8000/v1")
