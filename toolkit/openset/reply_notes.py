"""What is said about chat replies: where the groups came from, and how far they keep to the labels asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from toolkit.openset.samples import Samples

FORGOTTEN_SHARE = 0.2  # of the labels asked for; more than that and the replies are likely those of other predictions


def origin(store: object, model: str, saved: int, new: int, failed: int, tried: int) -> str:
    """Where the groups came from, in words: numbers of saved and new replies, of failures, and of requests made."""
    if saved:
        return f"saved replies of a chat model ({store})" + (f" and {new} new ones of {model}" if new else "")
    if new:
        return f"chat model {model}"
    if failed:
        return f"none, chat model {model} gave no usable reply" if tried else f"none, no usable reply in {store}"
    return "no reply is needed, every sample has a single label"


def quality(samples: Samples, groups: Mapping[str, Sequence[Sequence[str]]], texts: Mapping[str, str]) -> list[str]:
    """Labels that the replies forget or add; a warning, first of all, where they do not seem to fit."""
    forgotten = foreign = labels = unlike = 0
    for name in texts:
        asked, named = set(samples.asked(name)), {label for group in groups[name] for label in group}
        labels += len(asked)
        forgotten += len(asked - named)
        foreign += len(named - asked)
        unlike += bool(asked - named) and bool(named - asked)
    notes = []
    if forgotten > FORGOTTEN_SHARE * labels or unlike > FORGOTTEN_SHARE * len(texts):
        notes.append(
            f"WARNING: the replies do not fit: {forgotten} of {labels} labels ({forgotten / labels:.0%}) are not in "
            f"them, {unlike} of {len(texts)} replies lack labels and hold others. THE SCORE IS WRONG if they were "
            "saved for other predictions or another --label_parser: then give another --synonym_root"
        )
    if forgotten:
        notes.append(f"{forgotten} of {labels} labels are forgotten in the replies; they count by exact match")
    if foreign:
        notes.append(f"{foreign} labels in the replies were not asked for; they change nothing")
    return notes
