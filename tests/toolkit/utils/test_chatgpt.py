"""Keys, prompt and clean-up of replies; requests are tested with a server in tests/toolkit/openset/test_asking.py."""

import time
from email.utils import formatdate

import pytest

from toolkit.utils import chatgpt
from toolkit.utils.chat_client import Chat
from toolkit.utils.chat_limits import KeyRing, retry_after
from toolkit.utils.chatgpt import ChatSettings, available_keys, chat_messages, postprocess_response
from toolkit.utils.errors import UserError


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_replies_are_cleaned_as_the_reference_cleans_them(golden):
    for text, cleaned in golden.json("functions.json")["postprocess_response"]:
        assert postprocess_response(text) == cleaned, text


def test_keys_of_both_places_in_order_and_once(monkeypatch):
    assert available_keys() == ()
    monkeypatch.setattr(chatgpt, "candidate_keys", ["k1", "k2 "])
    monkeypatch.setenv("OPENAI_API_KEY", "k2, k3,,\n")
    assert available_keys() == ("k1", "k2", "k3")


def test_a_broken_key_is_named_by_its_place_only(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "good,se cret")
    with pytest.raises(UserError, match="key 2 of OPENAI_API_KEY") as error:
        available_keys()
    assert "cret" not in str(error.value)


def test_without_a_key_a_server_of_ones_own_is_needed(monkeypatch):
    with pytest.raises(UserError, match="no key for the chat model: export OPENAI_API_KEY"):
        Chat(ChatSettings())
    Chat(ChatSettings(base_url="http://localhost:1/v1"))
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:2/v1")
    assert ChatSettings().url == "http://localhost:2/v1"
    Chat(ChatSettings())


def test_the_prompt_is_fixed_and_asks_for_a_list_of_lists():
    system, user = chat_messages(["sad", "happy", "难过"])
    assert "list of lists" in system["content"]
    assert user == {"role": "user", "content": 'Labels:\n["happy", "sad", "难过"]'}


def test_the_ring_takes_the_first_free_key():
    ring = KeyRing(3)
    assert ring.pick() == (0, 0.0)
    ring.pause(0, 100)
    assert ring.pick() == (1, 0.0)
    ring.refuse(1, "HTTP 401")
    assert ring.pick() == (2, 0.0)
    ring.pause(2, 50)
    index, wait = ring.pick()
    assert index == 2 and 49 < wait <= 50
    ring.pause(2, 10)  # a shorter pause does not end a longer one
    assert ring.pick()[1] > 49
    ring.refuse(2, "HTTP 429 insufficient_quota")
    assert ring.pick()[0] == 0
    ring.refuse(0, "HTTP 403")
    with pytest.raises(UserError, match="none of the 3 key.*key 1: HTTP 403; key 2: HTTP 401; key 3: HTTP 429"):
        ring.pick()


def test_retry_after_is_a_number_or_a_date():
    assert retry_after({}) is None
    assert retry_after({"retry-after": "1.5"}) == 1.5
    assert retry_after({"retry-after": "-3"}) == 0.0
    assert retry_after({"retry-after": "soon"}) is None
    assert 25 < retry_after({"retry-after": formatdate(time.time() + 30, usegmt=True)}) <= 30
    assert retry_after({"retry-after": formatdate(0, usegmt=True)}) == 0.0
