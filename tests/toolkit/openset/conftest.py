"""A chat-completions server on this machine with faults on demand, and what the other tests here share."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import select
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


def singles(labels: Sequence[str]) -> str:
    """The reply of a model that finds no synonyms."""
    return json.dumps([[label] for label in labels], ensure_ascii=False)


@dataclass
class ChatServer:
    """What the server does (`faults`: labels -> what comes before the good reply) and what it saw."""

    url: str = ""
    reply: Callable[[Sequence[str]], str] = singles
    delay: float = 0.0
    faults: dict[tuple[str, ...], list[str]] = field(default_factory=dict)
    bad_keys: dict[str, int] = field(default_factory=dict)  # key -> HTTP status it is answered with
    log: list[tuple[tuple[str, ...], str]] = field(default_factory=list)  # (labels, what was answered)
    bodies: list[dict] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)  # seconds of a clock, in the order of `log`
    busy: int = 0
    most_busy: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def answered(self) -> Counter:
        """How often each list of labels got its good reply."""
        return Counter(labels for labels, what in self.log if what == "good")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        chat: ChatServer = self.server.chat
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        labels = tuple(json.loads(body["messages"][-1]["content"].splitlines()[-1]))
        key = self.headers["Authorization"].removeprefix("Bearer ")
        with chat.lock:
            chat.busy += 1
            chat.most_busy = max(chat.most_busy, chat.busy)
            chat.bodies.append(body)
            chat.arrivals.append(time.monotonic())
            waiting = chat.faults.get(labels)
            what = f"key {chat.bad_keys[key]}" if key in chat.bad_keys else waiting.pop(0) if waiting else "good"
            chat.log.append((labels, what))
        if what == "stall":  # until the client gives up
            select.select([self.connection], [], [], 10)
        else:
            time.sleep(chat.delay)
        with chat.lock:
            chat.busy -= 1  # before the answer: the client may ask again as soon as it has it
        with contextlib.suppress(OSError):
            self._answer(what, labels, key)

    def _answer(self, what: str, labels: tuple[str, ...], key: str) -> None:
        reply = self.server.chat.reply
        if what in ("good", "prose", "fence"):
            text = reply(labels)
            around = {"good": "{}", "prose": "Sure, that's it: {} Hope it's useful!", "fence": "```json\n{}\n```"}[what]
            self._send(200, _completion(around.format(text)))
        elif what.startswith("key "):
            self._send(int(what[4:]), _error(f"key {key} is not valid", "invalid_api_key"))
        elif what == "quota":
            self._send(429, _error("You exceeded your current quota", "insufficient_quota"))
        elif what == "429":
            self._send(429, _error("slow down", "rate_limit_exceeded"))
        elif what == "429 after":
            self._send(429, _error("slow down", "rate_limit_exceeded"), {"Retry-After": "0.3"})
        elif what == "echo":
            self._send(400, _error(f"request with key {key} refused", None))
        elif what.isdigit():
            self._send(int(what), _error("internal", None))
        elif what == "html":
            self._send(200, b"<html>gateway</html>", {"Content-Type": "text/html"})
        elif what == "deep":
            self._send(200, b"[" * 200_000)
        elif what == "drip":  # a byte now and then, without end
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n")
            for _ in range(60):
                self.wfile.write(b" ")
                time.sleep(0.05)
            self.close_connection = True
        elif what == "half json":
            self._send(200, _completion(reply(labels))[:-20])
        elif what == "empty":
            self._send(200, _completion(""))
        elif what == "odd json":
            self._send(200, b'{"choices": ["no", "object"]}')
        elif what == "half character":
            self._send(200, _completion(reply(labels).replace("]]", ', "\ud83d"]]')))
        elif what == "no list":
            self._send(200, _completion("I'm sorry, I can't do that."))
        elif what == "example":
            self._send(200, _completion('[["one", "two"], ["three"]]'))
        elif what == "length":
            self._send(200, _completion(reply(labels)[:-4], "length"))
        elif what == "no tokens":
            self._send(400, _error("Unsupported parameter: 'max_tokens', use 'max_completion_tokens'", None))
        elif what == "no temperature":
            self._send(400, _error("'temperature' does not support 0.0 with this model", None))
        elif what == "half body":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{")
            self.close_connection = True
        elif what in ("cut", "stall"):
            self.close_connection = True
        else:
            raise ValueError(f"no such fault: {what}")

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | (headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _completion(text: str, finish: str = "stop") -> bytes:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    return json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage}).encode()


def _error(message: str, code: str | None) -> bytes:
    return json.dumps({"error": {"message": message, "type": "some_error", "param": None, "code": code}}).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        pass  # clients that went away


@pytest.fixture
def chat_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.chat = ChatServer(url=f"http://127.0.0.1:{server.server_address[1]}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server.chat
    server.shutdown()
    server.server_close()


@pytest.fixture
def write_labels(tmp_path: Path) -> Callable[..., Path]:
    """write_labels("gt.csv", {"a": ["happy"], ...}) -> path; text instead of a list is written as it is."""

    def write(file: str, labels: dict[str, list[str] | str]) -> Path:
        path = tmp_path / file
        with open(path, "w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(("name", "openset"))
            writer.writerows((name, cell if isinstance(cell, str) else repr(cell)) for name, cell in labels.items())
        return path

    return write


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder that holds the published ov_store/ and emotion_wheel/, which are not part of the repository."""
    folder = os.environ.get("MER_OV_REFERENCE")
    if not folder:
        pytest.skip("MER_OV_REFERENCE is not set: it names the folder of the published ov_store/ and emotion_wheel/")
    return Path(folder)
