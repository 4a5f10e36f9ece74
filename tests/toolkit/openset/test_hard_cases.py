"""Servers, replies and folders at their worst: each of these once cost a user money, a score or a traceback."""

import json
import threading
import time

import numpy as np
import pytest

from toolkit.openset import asking, commands, grouping
from toolkit.openset.asking import Asked, _drain, ask_all, problem_of_new
from toolkit.openset.folder_lock import only_one
from toolkit.openset.labels import structure_problem
from toolkit.openset.replies import MAX_CHARACTERS, ReplyStore
from toolkit.utils import atomic
from toolkit.utils.chat_client import Chat
from toolkit.utils.chat_limits import is_out_of_money
from toolkit.utils.chat_wire import MAX_BODY, check_url, read_answer, read_body
from toolkit.utils.chatgpt import ChatError, ChatSettings, Reply, Spent
from toolkit.utils.errors import UserError

LABELS = {f"s{n}": (f"same{n}", f"word{n}") for n in range(6)}


def _settings(server, **changes):
    return ChatSettings(**({"base_url": server.url, "keys": ("key-one-1",), "backoff": 0.01, "timeout": 5.0} | changes))


def _ask(server, folder, names=("s0",), **changes):
    asked = {name: LABELS[name] for name in names}
    return ask_all(asked, _settings(server, **changes), ReplyStore.at(folder), concurrency=1, progress=False)


@pytest.mark.parametrize(
    "text",
    ['[["a", "b"], ["c"]]', "[['a', 'b'], ['c']]", "Sure: [['it's', 'b']] Bye", '```json\n[["a"],\n["b"]]\n```',
     '[["one"]] or better [["a", "b"]]', '[["a [b]"], []]', "[[a, b], [c]]", "【[“a”]】"],
)  # fmt: skip
def test_lists_of_lists_are_taken(text):
    assert structure_problem(text) == ""


@pytest.mark.parametrize(
    "text",
    ['["a", "b"]', '["a", "b"], ["c"]', '{"x": ["a", "b"]}', '{"groups": [["a", "b"]]}', '[["a", "b"], "c"]',
     "['c', ['a', 'b']]", '[["a", ["b"]]]', "[[1, 2]]", '[["a", "b"], {"c": 1}]', "a, b", "", '[["a"], ["b"',
     "[" * 50_000],
)  # fmt: skip
def test_other_forms_are_unusable(text):
    assert structure_problem(text) != ""


def test_a_flat_reply_is_asked_again_and_never_saved(chat_server, tmp_path):
    replies = [json.dumps(LABELS["s0"]), '{"a": ["same0"]}', '[["same0"], "word0"]']
    chat_server.reply = lambda labels: replies.pop(0) if replies else json.dumps([[label] for label in labels])
    result = _ask(chat_server, tmp_path)
    assert result.texts == {"s0": '[["same0"], ["word0"]]'} and result.requests == 4
    assert (result.prompt_tokens, result.completion_tokens) == (400, 40)


def test_a_reply_that_could_not_be_read_back_is_unusable(tmp_path):
    store = ReplyStore.at(tmp_path)
    largest = '[["a"]]'.ljust(MAX_CHARACTERS)
    assert problem_of_new(largest, ("a",), "quotes") == ""
    store.save("s", largest)
    assert store.load(["s"]).texts == {"s": largest}
    assert "characters" in problem_of_new(largest + " ", ("a",), "quotes")


def test_money_of_failed_replies_is_counted(chat_server, tmp_path):
    chat_server.faults = {LABELS["s0"]: ["no list"] * 9}
    result = _ask(chat_server, tmp_path, unusable=3)
    assert (result.requests, result.prompt_tokens) == (3, 300) and "(3 requests)" in result.failures["s0"]


@pytest.mark.parametrize(
    ("body", "text", "tokens"),
    [
        ({"content": "[]"}, "[]", (0, 0)),
        ({"content": [{"type": "text", "text": "[["}, {"type": "image"}, "a", {"text": "]]"}]}, "[[a]]", (0, 0)),
        ({"content": "x", "usage": {"prompt_tokens": "many", "completion_tokens": 7}}, "x", (0, 7)),
        ({"content": "x", "usage": [1]}, "x", (0, 0)),
        ({"content": "x", "usage": {"prompt_tokens": True, "completion_tokens": -3}}, "x", (0, 0)),
        ({"content": None}, "", (0, 0)),
    ],
)  # fmt: skip
def test_what_a_body_says(body, text, tokens):
    usage = {"usage": body["usage"]} if "usage" in body else {}
    answer = read_answer(json.dumps({"choices": [{"message": {"content": body["content"]}}]} | usage).encode(), 9)
    assert (answer.text, (answer.prompt_tokens, answer.completion_tokens)) == (text, tokens)
    assert answer.problem == ("" if text else "empty")


def test_a_body_has_a_deadline_and_a_limit():
    with pytest.raises(TimeoutError, match="--timeout"):
        read_body(iter([b"a", b"b"]), time.monotonic() - 1)
    with pytest.raises(ValueError, match="larger than"):
        read_body((b"x" * (1 << 20) for _ in range(17)), time.monotonic() + 60)
    assert read_body([b"x" * MAX_BODY], time.monotonic() + 60) == b"x" * MAX_BODY


def test_a_body_too_deep_for_json_is_asked_again(chat_server, tmp_path):
    chat_server.faults = {LABELS["s0"]: ["deep", "drip"]}
    result = _ask(chat_server, tmp_path, timeout=0.4)
    assert result.failures == {} and [what for _, what in chat_server.log] == ["deep", "drip", "good"]


def test_money_errors_and_others():
    assert is_out_of_money(402, "") and is_out_of_money(429, "insufficient_quota")
    assert is_out_of_money(403, "Insufficient Balance") and is_out_of_money(400, "insufficient credits")
    assert not is_out_of_money(403, "insufficient permissions") and not is_out_of_money(500, "insufficient_quota")


def test_a_spent_key_402_is_dropped(chat_server, tmp_path):
    chat_server.bad_keys = {"key-one-1": 402}
    assert _ask(chat_server, tmp_path, keys=("key-one-1", "key-two-2")).failures == {}
    assert [what for _, what in chat_server.log] == ["key 402", "good"]


def test_one_forbidden_question_does_not_cost_the_key(chat_server, tmp_path):
    chat_server.faults = {LABELS["s1"]: ["403"], LABELS["s3"]: ["403"]}
    result = _ask(chat_server, tmp_path, tuple(LABELS))
    assert set(result.texts) == {"s0", "s2", "s4", "s5"}
    assert all("HTTP 403" in why and "internal" in why for why in result.failures.values())


def test_two_forbidden_questions_in_a_row_refuse_the_key(chat_server, tmp_path):
    chat_server.bad_keys = {"key-one-1": 403}
    result = _ask(chat_server, tmp_path, tuple(LABELS), keys=("key-one-1", "key-two-2"))
    assert result.failures == {} and sum(what == "key 403" for _, what in chat_server.log) == 2


def test_a_key_cut_in_half_by_a_limit_is_hidden(chat_server, tmp_path):
    key = "verysecret-0123456789"
    chat_server.reply = lambda labels: "x" * 70 + " " + key
    result = _ask(chat_server, tmp_path, keys=(key,), unusable=1)
    assert "verysec" not in result.failures["s0"] and "xx ***" in result.failures["s0"]


def test_keys_are_looked_at_only_when_something_is_asked(monkeypatch, tmp_path, write_labels, capsys):
    monkeypatch.setenv("OPENAI_API_KEY", "a broken key")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    gt, pred = write_labels("gt.csv", {"a": ["x"]}), write_labels("p.csv", {"a": ["y"]})
    assert commands.main_metric(str(gt), str(pred), grouping="exact") == 0
    ReplyStore.at(tmp_path / "openset-synonym").save("a", "[['x', 'y']]")
    assert commands.main_metric(str(gt), str(pred)) == 0
    assert "avg score: 1.0" in capsys.readouterr().out
    with pytest.raises(UserError, match="key 1 of OPENAI_API_KEY"):
        commands.main_metric(str(gt), str(pred), grouping="chatgpt", synonym_root=str(tmp_path / "new"))


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://x/v1", "http://", "http://[::1", "http://a:b/v1", "http://a b/"]
)
def test_addresses_that_are_none(url):
    with pytest.raises(UserError, match="--base_url '.*http://localhost:8000/v1"):
        check_url(url)
    with pytest.raises(UserError, match="--base_url"):
        Chat(ChatSettings(base_url=url))


def test_nothing_ever_answers(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    chat = Chat(ChatSettings(base_url="http://127.0.0.1:9/v1", patience=0.3, backoff=0.1))
    with pytest.raises(UserError, match=r"cannot reach http://127\.0\.0\.1:9/v1: \[Errno 111\].*is the server running"):
        chat.ask([{"role": "user", "content": "x"}], lambda _: "")


def test_the_pause_grows_with_every_failure(chat_server):
    chat = Chat(_settings(chat_server, backoff=1.0))
    for failed in range(12):
        waits = [chat._delay(failed) for _ in range(50)]
        whole = min(30.0, 2.0**failed)
        assert 0.5 * whole <= min(waits) < max(waits) <= 1.5 * whole


def test_two_runs_into_one_folder(chat_server, tmp_path):
    with only_one(tmp_path / "r"), pytest.raises(UserError, match="another run is asking into this folder"):
        _ask(chat_server, tmp_path / "r")
    assert not (tmp_path / "r").exists() and chat_server.log == []  # nothing is left of an empty folder
    assert _ask(chat_server, tmp_path / "r").failures == {}


def test_a_name_too_long_for_a_file_is_found_before_asking(chat_server, tmp_path):
    with pytest.raises(UserError, match="more than 200 bytes"):
        ask_all({"s": ("a", "b"), "心" * 67: ("a", "b")}, _settings(chat_server), ReplyStore.at(tmp_path))
    assert chat_server.log == []


def test_replies_are_saved_whole_or_not_at_all(tmp_path, monkeypatch):
    def fails(file, array, **_):
        file.write(b"half")
        raise OSError(28, "No space left")

    monkeypatch.setattr(atomic.np, "save", fails)
    with pytest.raises(OSError, match="no space left"):
        ReplyStore.at(tmp_path).save("a", "x")
    assert list(tmp_path.iterdir()) == []


def test_replies_on_their_way_are_saved_when_a_run_is_stopped(tmp_path):
    done, result = asking.queue.SimpleQueue(), Asked()

    def late():
        time.sleep(0.3)
        done.put(("b", Reply("[['b']]", Spent(1, 10, 1))))

    thread = threading.Thread(target=late)
    thread.start()
    done.put(("a", Reply("[['a']]", Spent(1, 10, 1))))
    done.put(("c", ChatError("stopped")))
    _drain(done, result, ReplyStore.at(tmp_path), [thread])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "b.npy"]
    assert set(result.texts) == {"a", "b"} and result.prompt_tokens == 20


def test_after_a_failed_pass_no_other_is_paid_for(chat_server, tmp_path, write_labels, monkeypatch, capsys):
    monkeypatch.setattr(grouping, "ask_all", asking.ask_all)
    gt = write_labels("gt.csv", {"a": ["x"], "b": ["v"]})
    pred = write_labels("p.csv", {"a": ["y"], "b": ["w"]})
    chat_server.faults = {("v", "w"): ["400"] * 9}
    flags = {"grouping": "chatgpt", "repeat": 3, "base_url": chat_server.url}
    assert commands.main_metric(str(gt), str(pred), **flags) == 1
    assert len(chat_server.log) == 2 and not (tmp_path / "openset-synonym.pass2").exists()
    assert commands.main_metric(str(gt), str(pred), **flags, allow_missing=True) == 0
    out = capsys.readouterr().out
    assert "pass 1: HTTP 400" in out and "pass 2: HTTP 400" in out and "pass 3: HTTP 400" in out
    assert "left out of the score, of every pass (--allow_missing)" in out
    assert out.count("process number (after filter):  1\n") == 1


def test_half_characters_of_saved_replies(tmp_path, write_labels):
    gt, pred = write_labels("gt.csv", {"a": ["x"]}), write_labels("p.csv", {"a": ["y"]})
    (tmp_path / "openset-synonym").mkdir()
    np.save(tmp_path / "openset-synonym" / "a.npy", np.array("[['x', 'y', '\ud800']]"))
    assert commands.main_metric(str(gt), str(pred), out=str(tmp_path / "out")) == 0
    assert '""x"", ""y"", ""?""' in (tmp_path / "out" / "samples.csv").read_text(encoding="utf-8")
