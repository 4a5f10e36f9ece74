"""Asking for many replies at once; each is saved the moment it arrives, so that a killed run loses nothing."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from toolkit.openset.folder_lock import only_one
from toolkit.openset.labels import read_groups, structure_problem
from toolkit.openset.replies import MAX_CHARACTERS, ReplyStore
from toolkit.utils import atomic
from toolkit.utils.chat_client import Chat
from toolkit.utils.chatgpt import ChatError, ChatSettings, Reply, Spent, chat_messages
from toolkit.utils.errors import UserError
from toolkit.utils.progress import progress_bar

MAX_NAME = 200  # bytes; a file system takes 255, with the ending
DRAIN_SECONDS = 3.0  # after Ctrl-C: replies that arrive within this time are still saved


@dataclass
class Asked:
    """What a run of questions brought: new texts, (name, reason) of what failed, and its cost."""

    texts: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    notes: list[str] = field(default_factory=list)

    def cost(self, prices: tuple[float, float] | None) -> str:
        """Tokens so far, and money when `prices` (per million prompt and completion tokens) are known."""
        text = f"{self.prompt_tokens}+{self.completion_tokens} tokens"
        if prices is None:
            return text
        money = (self.prompt_tokens * prices[0] + self.completion_tokens * prices[1]) / 1e6
        return f"{text}, {money:.4f} $"


def problem_of(reply: str, labels: Sequence[str], label_parser: str) -> str:
    """Why a saved reply cannot be used for `labels`, "" when it can."""
    groups = read_groups(reply, label_parser)
    if not groups:
        return "holds no list of labels"
    if not set(labels) & {label for group in groups for label in group}:
        return "names none of the labels asked for"
    return ""


def problem_of_new(reply: str, labels: Sequence[str], label_parser: str) -> str:
    """The same for a reply that was just asked for, which must also be a list of lists and small enough to be saved."""
    if len(reply) > MAX_CHARACTERS:
        return f"has {len(reply)} characters"
    return structure_problem(reply) or problem_of(reply, labels, label_parser)


def ask_all(
    asked: Mapping[str, Sequence[str]],
    settings: ChatSettings,
    store: ReplyStore,
    *,
    concurrency: int = 8,
    label_parser: str = "quotes",
    prices: tuple[float, float] | None = None,
    progress: bool = True,
    label: str = "asking",
) -> Asked:
    """Ask for the grouping of every entry of `asked` (name -> labels), `concurrency` requests at a time.

    A name without a usable reply is in ``failures`` and nothing is saved for it. When
    ``max(10, 2 * concurrency)`` names in a row fail (the server is gone), the others are not asked any more.

    Raises:
        UserError: a problem of the whole run (keys, model, address, a name that no file can have, another run that
            asks into the same folder); what arrived before is saved.
    """
    if concurrency < 1:
        raise UserError(f"--concurrency {concurrency} must be at least 1")
    for name in asked:
        if len(os.fsencode(name)) > MAX_NAME:
            raise UserError(f"name {name[:40]!r}... has more than {MAX_NAME} bytes, too many for a file <name>.npy")
    chat = Chat(settings)
    with only_one(store.folder):
        atomic.remove_orphans(store.folder)
        return _ask_all(asked, chat, store, concurrency, label_parser, prices, progress, label)


def _ask_all(
    asked: Mapping[str, Sequence[str]],
    chat: Chat,
    store: ReplyStore,
    concurrency: int,
    label_parser: str,
    prices: tuple[float, float] | None,
    progress: bool,
    label: str,
) -> Asked:
    result = Asked()
    todo = deque(asked.items())
    done: queue.SimpleQueue[tuple[str, Reply | Exception]] = queue.SimpleQueue()
    # Daemons: a request that hangs must not keep Ctrl-C from ending the program.
    threads = [
        threading.Thread(target=_work, args=(todo, chat, label_parser, done), daemon=True)
        for _ in range(min(concurrency, len(todo)))
    ]
    for thread in threads:
        thread.start()
    in_a_row, give_up = 0, max(10, 2 * concurrency)
    with progress_bar(len(asked), label, unit="reply", enabled=progress) as bar:
        try:
            for _ in range(len(asked)):
                name, reply = done.get()
                _note(result, store, name, reply)
                in_a_row = in_a_row + 1 if isinstance(reply, Exception) else 0
                bar.set_postfix_str(f"{result.cost(prices)}, {len(result.failures)} failed", refresh=False)
                bar.update()
                if in_a_row >= give_up:
                    break
        finally:
            chat.stop.set()
            todo.clear()
            _drain(done, result, store, threads)
    for name in asked:
        if name not in result.texts:
            result.failures.setdefault(name, f"not asked: {in_a_row} in a row had failed")
    result.notes = list(chat.notes)
    return result


def _work(todo: deque, chat: Chat, label_parser: str, done: queue.SimpleQueue) -> None:
    while True:
        try:
            name, labels = todo.popleft()
        except IndexError:
            return
        try:
            reply = chat.ask(chat_messages(labels), lambda text, la=labels: problem_of_new(text, la, label_parser))
        except Exception as error:  # told to the main thread, which knows what to do with it
            done.put((name, error))
            if not isinstance(error, ChatError):
                return
        else:
            done.put((name, reply))


def _note(result: Asked, store: ReplyStore, name: str, reply: Reply | Exception) -> None:
    if isinstance(reply, ChatError):
        result.failures[name] = str(reply)
        _pay(result, reply.spent)
        return
    if isinstance(reply, Exception):
        raise reply
    store.save(name, reply.text)
    result.texts[name] = reply.text
    _pay(result, reply.spent)


def _pay(result: Asked, spent: Spent) -> None:
    result.requests += spent.requests
    result.prompt_tokens += spent.prompt_tokens
    result.completion_tokens += spent.completion_tokens


def _drain(done: queue.SimpleQueue, result: Asked, store: ReplyStore, threads: Sequence[threading.Thread]) -> None:
    """Save what is still on its way when the run was stopped early."""
    end = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < end:
        working = any(thread.is_alive() for thread in threads)
        try:
            name, reply = done.get(timeout=0.05)
        except queue.Empty:
            if not working:
                return
            continue
        if isinstance(reply, Reply):
            _note(result, store, name, reply)
