"""Asking a real HTTP server that fails in every way it can."""

import json
import os
import signal
import subprocess
import sys
import time
import traceback

import numpy as np
import pytest

from toolkit.globals import PATH_TO_REPOSITORY
from toolkit.openset.asking import ask_all
from toolkit.openset.replies import ReplyStore
from toolkit.utils.chat_client import Chat
from toolkit.utils.chatgpt import ChatSettings, chat_messages
from toolkit.utils.errors import UserError

REVOKED, GOOD = "sk-revoked-0123456789", "sk-good-0123456789"
FAULTS = (
    ["429"],
    ["429 after"],
    ["500"],
    ["503", "502"],
    ["cut"],
    ["half body"],
    ["half json"],
    ["odd json"],
    ["html"],
    ["empty"],
    ["no list"],
    ["example"],
    ["length"],
    ["stall"],
    ["429", "500", "cut", "empty", "429 after"],
    [],
    [],
)


def _labels(number):
    return tuple(sorted((f"word{number}", f"other{number}", "same")))


def _settings(server, **changes):
    return ChatSettings(**({"base_url": server.url, "keys": (GOOD,), "backoff": 0.03, "timeout": 5.0} | changes))


def _ask(server, tmp_path, asked, concurrency=4, **changes):
    store = ReplyStore.at(tmp_path / "replies")
    return store, ask_all(asked, _settings(server, **changes), store, concurrency=concurrency, progress=False)


def test_every_reply_comes_in_the_end_and_none_is_asked_twice(chat_server, tmp_path):
    asked = {f"s{number}": _labels(number) for number in range(3 * len(FAULTS))}
    for number in range(len(asked)):
        chat_server.faults[_labels(number)] = list(FAULTS[number % len(FAULTS)])
    chat_server.bad_keys = {REVOKED: 401}
    store, result = _ask(chat_server, tmp_path, asked, keys=(REVOKED, GOOD), timeout=0.5)
    assert result.failures == {}
    assert set(chat_server.answered.values()) == {1} and len(chat_server.answered) == len(asked)
    for labels in chat_server.answered:  # the good reply is the last that is asked of a sample
        assert [what for seen, what in chat_server.log if seen == labels][-1] == "good"
    assert chat_server.most_busy <= 4
    assert store.load(list(asked)).texts == {name: json.dumps([[x] for x in labels]) for name, labels in asked.items()}
    paid = sum(what in ("good", "empty", "no list", "example", "length") for _, what in chat_server.log)
    assert paid == len(asked) + 3 * 5  # unusable answers are paid for, too
    assert (result.prompt_tokens, result.completion_tokens) == (100 * paid, 10 * paid)
    assert sum(what == "key 401" for _, what in chat_server.log) <= 4  # once per thread, then never again


def test_words_around_the_list_are_accepted_at_once(chat_server, tmp_path):
    chat_server.faults = {_labels(1): ["prose"], _labels(2): ["fence"]}
    _, result = _ask(chat_server, tmp_path, {"a": _labels(1), "b": _labels(2)})
    assert result.failures == {} and result.requests == 2


def test_half_a_character_in_a_reply_is_replaced(chat_server, tmp_path):
    chat_server.faults = {_labels(1): ["half character"]}
    store, _ = _ask(chat_server, tmp_path, {"a": _labels(1)})
    assert store.load(["a"]).texts["a"].endswith('"?"]]')


def test_requests_run_side_by_side_up_to_the_limit(chat_server, tmp_path):
    chat_server.delay = 0.1
    _, result = _ask(chat_server, tmp_path, {f"s{number}": _labels(number) for number in range(15)}, concurrency=5)
    assert len(result.texts) == 15
    assert chat_server.most_busy == 5


def test_retry_after_is_obeyed_by_all_threads(chat_server, tmp_path):
    chat_server.delay = 0.02
    chat_server.faults = {_labels(5): ["429 after"]}  # 0.3 s
    _, result = _ask(chat_server, tmp_path, {f"s{number}": _labels(number) for number in range(60)})
    assert result.failures == {}
    first, again = (
        when for (labels, _), when in zip(chat_server.log, chat_server.arrivals, strict=True) if labels == _labels(5)
    )
    assert again - first >= 0.3
    # Every other thread ends the request it is in, and may have begun one more; then nothing until the pause is over.
    during = [when for when in chat_server.arrivals if first < when < again]
    assert len(during) <= 3 * 3


def test_a_failed_reply_is_neither_saved_nor_scored(chat_server, tmp_path):
    chat_server.faults = {_labels(0): ["no list"] * 9, _labels(1): ["500"] * 9, _labels(2): ["400"]}
    store, result = _ask(chat_server, tmp_path, {f"s{n}": _labels(n) for n in range(4)}, attempts=3, unusable=2)
    assert set(result.texts) == {"s3"} and [path.name for path in store.folder.iterdir()] == ["s3.npy"]
    assert "holds no list of lists" in result.failures["s0"] and "(2 requests)" in result.failures["s0"]
    assert "HTTP 500" in result.failures["s1"] and "(3 requests)" in result.failures["s1"]
    assert "HTTP 400" in result.failures["s2"]
    assert sum(labels == _labels(2) for labels, _ in chat_server.log) == 1  # asking again would not help


@pytest.mark.parametrize("status", [401, 403])
def test_refused_keys_end_the_run_and_are_never_shown(chat_server, tmp_path, status):
    chat_server.bad_keys = {REVOKED: status, GOOD: status}
    with pytest.raises(UserError) as error:
        _ask(chat_server, tmp_path, {"a": _labels(0), "b": _labels(1)}, keys=(REVOKED, GOOD), concurrency=1)
    assert f"none of the 2 key(s) (key 1: HTTP {status} invalid_api_key key *** is not valid" in str(error.value)
    shown = "".join(traceback.format_exception(error.value))
    assert REVOKED not in shown and GOOD not in shown
    assert REVOKED not in str(error.value) and GOOD not in str(error.value)
    assert REVOKED not in repr(_settings(chat_server, keys=(REVOKED,)))


def test_a_key_without_money_is_dropped(chat_server, tmp_path):
    chat_server.faults = {_labels(0): ["quota"]}
    _, result = _ask(chat_server, tmp_path, {"a": _labels(0)}, keys=(REVOKED, GOOD))
    assert result.failures == {} and len(chat_server.log) == 2


def test_a_key_in_a_message_of_the_server_is_hidden(chat_server):
    chat = Chat(_settings(chat_server, keys=("abcd-1234-key",)))
    text = chat.clean("bad key abcd-1234-key,\n see sk-abcdef123456 and Bearer xyz123")
    assert text == "bad key ***, see *** and ***"


def test_a_key_that_the_server_repeats_is_hidden(chat_server, tmp_path):
    chat_server.faults = {_labels(0): ["echo"]}
    _, result = _ask(chat_server, tmp_path, {"a": _labels(0)}, keys=("plain-key-77",))
    assert "request with key *** refused" in result.failures["a"]


def test_newer_models_get_the_options_they_know(chat_server, tmp_path):
    chat_server.faults = {_labels(0): ["no tokens", "no temperature"]}
    _, result = _ask(chat_server, tmp_path, {"a": _labels(0), "b": _labels(1)}, concurrency=1)
    assert result.failures == {}
    assert any("does not take temperature 0" in note for note in result.notes)
    options = [{key: body[key] for key in body if key not in ("model", "messages")} for body in chat_server.bodies]
    assert options[0] == {"max_tokens": 1000, "temperature": 0.0}
    assert options[1] == {"max_completion_tokens": 1000, "temperature": 0.0}
    assert options[2] == options[3] == {"max_completion_tokens": 1000}


def test_an_unknown_model_ends_the_run(chat_server, tmp_path):
    chat_server.faults = {_labels(n): ["404"] for n in range(9)}
    with pytest.raises(UserError, match="HTTP 404.*is --model gone-1 right"):
        _ask(chat_server, tmp_path, {f"s{n}": _labels(n) for n in range(9)}, model="gone-1")
    assert len(chat_server.log) <= 4


def test_a_server_that_is_gone_is_given_up(tmp_path, monkeypatch):
    monkeypatch.delenv("http_proxy", raising=False)
    settings = ChatSettings(base_url="http://127.0.0.1:9/v1", attempts=2, backoff=0.001)
    asked = {f"s{n}": _labels(n) for n in range(40)}
    result = ask_all(asked, settings, ReplyStore.at(tmp_path / "r"), concurrency=2, progress=False)
    assert set(result.failures) == set(asked) and not result.texts
    assert sum("not asked" in why for why in result.failures.values()) >= 25
    assert "cannot reach http://127.0.0.1:9/v1: [Errno 111] Connection refused" in result.failures["s0"]


def test_a_long_pause_is_a_failure_that_says_so(chat_server):
    chat = Chat(_settings(chat_server))
    error = type("E", (), {})()
    error.status_code, error.message = 429, "daily limit"
    error.response = type("R", (), {"headers": {"retry-after": "86400"}})()
    problem, delay = chat._status(0, error, 0)
    assert "wants a pause of 86400 s" in problem and delay is None


def test_the_prompt_is_the_same_for_any_order():
    assert chat_messages(["b", "开", "a"]) == chat_messages(["a", "b", "开"])
    assert chat_messages(["b", "a"])[-1]["content"].endswith('["a", "b"]')


def _start(chat_server, gt, pred, count_at_least, root):
    """main-ov.py in a process of its own, until some replies are saved."""
    command = [sys.executable, str(PATH_TO_REPOSITORY / "main-ov.py"), "generate_openset_synonym_mer2024"]
    command += ["--gt_csv", str(gt), "--pred_csv", str(pred), "--base_url", chat_server.url, "--concurrency", "4"]
    # A pytest in the background has SIGINT ignored, which its children would inherit.
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        if root.is_dir() and len(list(root.glob("[!.]*.npy"))) >= count_at_least:
            return process
        time.sleep(0.02)
    out, _ = process.communicate(timeout=30)
    if process.returncode:
        pytest.fail(f"ended early: {out}")
    return process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "ctrl-c"])
def test_stopped_half_way_only_the_missing_are_asked(chat_server, write_labels, tmp_path, number):
    names = [f"clip {n}" for n in range(100)]
    gt = write_labels("gt.csv", {name: [f"{name} a", f"{name} b"] for name in names})
    pred = write_labels("pred.csv", {name: [f"{name} c"] for name in names})
    root = tmp_path / "openset-synonym"
    chat_server.delay = 0.08
    process = _start(chat_server, gt, pred, 10, root)
    os.kill(process.pid, number)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL), out
    saved = {path.stem for path in root.glob("[!.]*.npy")}
    assert 10 <= len(saved) < 100
    for name in saved:
        assert np.load(root / f"{name}.npy").item() == json.dumps([[f"{name} {x}"] for x in "abc"])
    before = len(chat_server.log)
    _start(chat_server, gt, pred, 101, root).communicate(timeout=30)
    again = {labels[0].removesuffix(" a") for labels, _ in chat_server.log[before:]}
    assert again == set(names) - saved
    assert {path.name for path in root.iterdir()} == {f"{name}.npy" for name in names}
