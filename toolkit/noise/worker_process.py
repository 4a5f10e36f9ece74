"""The other side of `workers.py`: takes requests from stdin, makes clips, and answers on stdout."""

from __future__ import annotations

import os
import pickle
import queue
import sys
import threading
from typing import IO

import cv2

from toolkit.noise.clip_job import ClipMaker


def main() -> None:
    """First a `ClipMaker`, then (job, row) after (job, row); the answer is a `ClipRecord` or an exception."""
    cv2.setNumThreads(1)  # the other cores have their own clips
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    requests: queue.SimpleQueue = queue.SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, requests), daemon=True).start()
    maker: ClipMaker = requests.get()
    never = threading.Event()
    while True:
        job, row = requests.get()
        try:
            answer: object = maker(job, row, never)
        except Exception as error:
            answer = _portable(error)
        pickle.dump(answer, answers)
        answers.flush()


def _read(source: IO[bytes], requests: queue.SimpleQueue) -> None:
    """Hand requests on; their end means that nobody wants this process any more, be it at work or not."""
    while True:
        try:
            requests.put(pickle.load(source))  # from our own parent
        except EOFError:
            os._exit(0)


def _portable(error: Exception) -> Exception:
    """`error`, or one that says the same where it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
