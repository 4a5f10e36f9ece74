"""Which labels of a sample mean the same: from saved replies, a chat model, the embedded lexicon, or exact match."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from toolkit.openset.asking import Asked, ask_all, problem_of
from toolkit.openset.labels import read_groups
from toolkit.openset.replies import ReplyStore
from toolkit.openset.reply_notes import origin, quality
from toolkit.openset.samples import Samples
from toolkit.utils.chatgpt import ChatSettings
from toolkit.utils.errors import UserError

GROUPINGS = ("auto", "chatgpt", "wheel", "exact")


@dataclass(frozen=True)
class ChatOptions:
    """How a chat model is asked; `prices` are dollars per million prompt and completion tokens."""

    settings: ChatSettings
    concurrency: int = 8
    prices: tuple[float, float] | None = None
    progress: bool = True


@dataclass(frozen=True)
class Grouping:
    """Groups per sample, how each came about, and what went wrong. `failures` (name -> reason) have no groups."""

    how: str
    groups: dict[str, list[list[str]]]
    obtained: dict[str, str]
    failures: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SavedReplies:
    """The usable saved replies of some samples; `todo` are the names that still need one."""

    texts: dict[str, str]
    todo: tuple[str, ...]
    notes: tuple[str, ...]


def saved_replies(samples: Samples, store: ReplyStore, label_parser: str) -> SavedReplies:
    """Read the replies of a store; one without labels counts as missing (the baseline saved failed calls, too)."""
    found = store.load(samples.gt.keys())
    usable, unusable = {}, []
    for name, text in found.texts.items():
        if problem_of(text, samples.asked(name), label_parser):
            unusable.append(name)
        else:
            usable[name] = text
    notes = list(found.notes)
    if unusable:
        notes.append(
            f"{len(unusable)} saved replies hold no labels of their sample and do not count: {names_of(unusable)}"
        )
    todo = tuple(name for name in samples.gt if name not in usable and needs_reply(samples, name))
    return SavedReplies(usable, todo, tuple(notes))


def needs_reply(samples: Samples, name: str) -> bool:
    """One label alone has no synonym to be asked for."""
    return len(samples.asked(name)) > 1


def names_of(names: list[str] | tuple[str, ...], most: int = 10) -> str:
    """The first names with commas between them, and how many more there are."""
    more = f", ... and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def resolve(grouping: str, complete: bool, can_ask: bool) -> str:
    """What ``auto`` means here: saved replies if complete, else the chat model if it can be asked, else the lexicon.

    Raises:
        UserError: an unknown grouping.
    """
    if grouping not in GROUPINGS:
        raise UserError(f"--grouping {grouping!r} is not known; choose {', '.join(GROUPINGS)}")
    if grouping != "auto":
        return grouping
    return "chatgpt" if complete or can_ask else "wheel"


def group_by_chat(
    samples: Samples, store: ReplyStore, saved: SavedReplies, chat: ChatOptions | None, label_parser: str
) -> tuple[Grouping, Asked]:
    """Groups from the saved replies; missing ones are asked for and saved. Complete ones need no key and no network.

    Without `chat` nothing is asked: what is missing is a failure.

    Raises:
        UserError: replies are missing and there is neither a key nor a server to ask.
    """
    asked = Asked()
    if saved.todo and chat is None:
        asked.failures.update(dict.fromkeys(saved.todo, f"no usable reply in {store}"))
    elif saved.todo:
        if not chat.settings.can_ask:
            raise UserError(
                f"{len(saved.todo)} of {len(samples.gt)} replies are missing in {store} ({names_of(saved.todo, 3)}); "
                "to ask for them export OPENAI_API_KEY=..., or name your own server by --base_url; "
                "--grouping wheel and --grouping exact need no chat model"
            )
        questions = {name: samples.asked(name) for name in saved.todo}
        asked = ask_all(
            questions,
            chat.settings,
            store,
            concurrency=chat.concurrency,
            label_parser=label_parser,
            prices=chat.prices,
            progress=chat.progress,
            label=f"asking {chat.settings.model}",
        )
    texts = saved.texts | asked.texts
    groups = {name: read_groups(texts[name], label_parser) for name in samples.gt if name in texts}
    model = chat.settings.model if chat else ""
    obtained = {name: f"asked {model}" if name in asked.texts else "saved reply" for name in groups}
    for name in samples.gt:
        if name not in groups and not needs_reply(samples, name):
            groups[name], obtained[name] = [list(samples.asked(name))], "single label"
    how = origin(store, model, len(saved.texts), len(asked.texts), len(asked.failures), asked.requests)
    fitting = quality(samples, groups, texts)
    notes = (*fitting, *saved.notes, *asked.notes)  # a warning comes first
    return Grouping(how, groups, obtained, asked.failures, notes), asked


def group_exactly(samples: Samples) -> Grouping:
    """Every label by itself: only equal labels match."""
    groups = {name: [[label] for label in samples.asked(name)] for name in samples.gt}
    return Grouping("exact match of labels", groups, dict.fromkeys(groups, "exact match"))


def group_by_lexicon(samples: Samples, extra: Path | None) -> Grouping:
    """Groups of the embedded lexicon, with `extra` words of the user; unknown labels by exact match."""
    from toolkit.openset.lexicon import load_lexicon

    lexicon = load_lexicon(extra)
    groups = {name: lexicon.groups(samples.asked(name)) for name in samples.gt}
    labels = [label for name in samples.gt for label in (*samples.gt[name], *samples.pred[name])]
    known = {label: lexicon.knows(label) for label in set(labels)}
    covered = sum(known[label] for label in labels)
    unknown = sorted(label for label, is_known in known.items() if not is_known)
    notes = [f"coverage: the lexicon knows {covered} of {len(labels)} labels ({covered / len(labels):.1%})"]
    if unknown:
        notes.append(f"unknown labels count by exact match: {names_of(unknown)}; --lexicon EXTRA.csv can add them")
    notes = [*lexicon.notes, *notes]
    return Grouping("embedded lexicon", groups, dict.fromkeys(groups, "lexicon"), notes=tuple(notes))
