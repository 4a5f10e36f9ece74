"""Open-vocabulary scoring: 332 replies of 300 ms, one after another and side by side; the metric on 100,000 samples.

python benchmarks/openset.py [--short]
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from toolkit.openset.asking import ask_all
from toolkit.openset.labels import read_groups, read_labels
from toolkit.openset.replies import ReplyStore
from toolkit.openset.scoring import mean_score, merge_map, score_sample
from toolkit.utils.chatgpt import ChatSettings

REPLY_SECONDS = 0.3


class SlowModel(BaseHTTPRequestHandler):
    """A chat model on this machine that thinks for 300 ms and finds no synonyms."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        labels = json.loads(request["messages"][-1]["content"].splitlines()[-1])
        time.sleep(REPLY_SECONDS)
        text = json.dumps([[label] for label in labels])
        message = {"finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        body = json.dumps({"choices": [message], "usage": {"prompt_tokens": 150, "completion_tokens": 40}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def asking_seconds(url: str, count: int, concurrency: int) -> float:
    """Wall time of `count` replies, each saved in the baseline's format."""
    asked = {f"sample_{number:08d}": (f"word{number}", "happy", "joyful") for number in range(count)}
    settings = ChatSettings(base_url=url, keys=("none",))
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        result = ask_all(asked, settings, ReplyStore.at(Path(folder)), concurrency=concurrency, progress=False)
        seconds = time.perf_counter() - start
    if result.failures:
        raise RuntimeError(f"{len(result.failures)} replies failed: {next(iter(result.failures.values()))}")
    return seconds


def benchmark_asking(short: bool) -> None:
    """Print the time of the baseline's way (one after another) and of ours."""
    import openai  # noqa: F401 (its import is no part of the comparison)

    server = ThreadingHTTPServer(("127.0.0.1", 0), SlowModel)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url, count = f"http://127.0.0.1:{server.server_address[1]}/v1", 40 if short else 332
    print(f"\n{count} replies of {1000 * REPLY_SECONDS:.0f} ms")
    alone = asking_seconds(url, count, 1)
    print(f"  one after another  {alone:.1f} s")
    for concurrency in (8, 16):
        seconds = asking_seconds(url, count, concurrency)
        print(f"  {concurrency:2d} side by side    {seconds:.1f} s  ({alone / seconds:.1f} times as fast)")
    server.shutdown()


def benchmark_metric(short: bool) -> None:
    """Print the seconds of reading cells and replies and of scoring."""
    count, chance = (10_000 if short else 100_000), random.Random(0)
    words = [f"word{number}" for number in range(300)]
    cells, replies = [], []
    for _ in range(count):
        both = chance.sample(words, 8)
        cells.append((repr(both[:5]), repr(both[3:])))
        replies.append(repr([both[:3], both[3:4], both[4:]]))
    start = time.perf_counter()
    labels = [(read_labels(truth), read_labels(guess)) for truth, guess in cells]
    groups = [read_groups(reply) for reply in replies]
    reading = time.perf_counter() - start
    start = time.perf_counter()
    score = mean_score(
        score_sample(f"{number:06d}", *both, merge_map(merged))
        for number, (both, merged) in enumerate(zip(labels, groups, strict=True))
    )
    print(
        f"\n{count} samples: reading {reading:.1f} s, scoring {time.perf_counter() - start:.1f} s ({score.average:.4f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="40 replies, 10,000 samples")
    short = parser.parse_args().short
    benchmark_asking(short)
    benchmark_metric(short)


if __name__ == "__main__":
    main()
