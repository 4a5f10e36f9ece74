"""One grouping per pass of `main_metric` and `compare`: which way is taken, what is asked, what has no effect."""

from __future__ import annotations

from toolkit.openset.grouping import (
    Grouping,
    SavedReplies,
    group_by_chat,
    group_by_lexicon,
    group_exactly,
    resolve,
    saved_replies,
)
from toolkit.openset.options import MetricOptions
from toolkit.openset.replies import ReplyStore
from toolkit.openset.samples import Samples
from toolkit.utils.errors import UserError

Pass = tuple[ReplyStore, SavedReplies]


def check_options(options: MetricOptions) -> None:
    """Raise `UserError` for what is wrong whatever the grouping turns out to be."""
    if options.repeat < 1:
        raise UserError(f"--repeat {options.repeat} must be at least 1")
    if options.lexicon is not None and not options.lexicon.is_file():
        raise UserError(f"--lexicon {options.lexicon} does not exist")
    resolve(options.grouping, False, False)


def make_groupings(samples: Samples, options: MetricOptions) -> list[Grouping]:
    """One grouping per pass (only chat replies have several).

    Raises:
        UserError: an option is wrong, or the chat model cannot be asked.
    """
    check_options(options)
    kind, passes = options.grouping, []
    if kind not in ("wheel", "exact"):
        passes = _saved(samples, options)
        kind = choose(kind, passes, options)
        if kind == "wheel":
            _say_unused(passes)
    for line in without_effect(kind, options):
        print(line)
    if kind == "exact":
        return [group_exactly(samples)]
    if kind == "wheel":
        return [group_by_lexicon(samples, options.lexicon)]
    return _by_chat(samples, options, passes)


def choose(kind: str, passes: list[Pass], options: MetricOptions) -> str:
    """What ``auto`` means for these saved replies; keys are looked at only if that depends on them.

    With --allow_missing saved replies need not be complete.

    Raises:
        UserError: an explicit --synonym_root is not there and nothing will be asked that could be saved in it.
    """
    missing = options.synonym_root is not None and not options.store.exists
    enough = all(not saved.todo for _, saved in passes)
    enough |= options.allow_missing and all(saved.texts for _, saved in passes)
    asks = (missing or not enough) and options.chat is not None and options.chat.settings.can_ask
    if missing and not asks:
        nobody = ", and neither OPENAI_API_KEY nor --base_url is set to ask for replies" if options.chat else ""
        raise UserError(f"--synonym_root {options.synonym_root}: neither a folder nor a zip is there{nobody}")
    return resolve(kind, enough, asks)


def without_effect(kind: str, options: MetricOptions) -> list[str]:
    """A line that names the given flags which the chosen grouping does not look at."""
    asked_for = options.grouping == kind  # with auto the saved replies were looked at
    unused = {
        "--repeat": options.repeat > 1 and kind != "chatgpt",
        "--allow_missing": options.allow_missing and kind != "chatgpt",
        "--synonym_root": options.synonym_root is not None and kind != "chatgpt" and asked_for,
        "--lexicon": options.lexicon is not None and kind != "wheel",
    }
    flags = [flag for flag, is_unused in unused.items() if is_unused]
    names = {"chatgpt": "replies of a chat model", "wheel": "the embedded lexicon", "exact": "exact match"}
    return [f"no effect with {names.get(kind, kind)}: {', '.join(flags)}"] if flags else []


def _saved(samples: Samples, options: MetricOptions) -> list[Pass]:
    stores = [options.store.of_pass(number) for number in range(1, options.repeat + 1)]
    return [(store, saved_replies(samples, store, options.label_parser)) for store in stores]


def _say_unused(passes: list[Pass]) -> None:
    some = sum(len(saved.texts) for _, saved in passes)
    if some:
        print(
            f"{some} saved replies in {passes[0][0]} are not used: they are not complete, and no key is set "
            "(--allow_missing scores the samples that have one)"
        )


def _by_chat(samples: Samples, options: MetricOptions, passes: list[Pass]) -> list[Grouping]:
    chat = options.chat
    if chat and options.allow_missing and any(saved.todo for _, saved in passes) and not chat.settings.can_ask:
        if any(saved.texts for _, saved in passes):
            chat = None  # those that are there are scored; without any, `group_by_chat` says what to do
    groupings = []
    for number, (store, saved) in enumerate(passes, 1):
        grouping, asked = group_by_chat(samples, store, saved, chat, options.label_parser)
        groupings.append(grouping)
        if asked.requests:
            cost = asked.cost(chat.prices if chat else None)
            print(f"pass {number}: {len(asked.texts)} replies, {asked.requests} requests, {cost} -> {store.folder}")
        if grouping.failures and not options.allow_missing:
            break  # further passes would only cost money
    return groupings
