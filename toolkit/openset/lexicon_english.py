"""English labels: from a word or phrase to a cluster, through stems, degree words, negation and near spellings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property

from toolkit.openset.lexicon_table import Cluster

# How strongly or how long: says nothing about which emotion.
DEGREE = frozenset(
    "a an the very so too much more most quite rather pretty fairly really truly deeply highly extremely incredibly "
    "terribly awfully absolutely totally completely utterly entirely fully particularly especially exceptionally "
    "slightly slight somewhat little bit mildly moderately partly partially relatively somehow kind sort kinda sorta "
    "lot lots some certain extreme great big huge deep profound strong mild faint overly excessively increasingly "
    "almost nearly just only even also still always often sometimes constantly constant suddenly gradually generally "
    "basically possibly perhaps maybe probably potentially seemingly apparently obviously clearly visibly noticeably "
    "obvious clear visible any overall genuinely sincerely secretly inner inwardly heartfelt greatly immensely "
    "tremendously tremendous enormously unusually remarkably hugely intensely intense strongly heavily seriously "
    "severely overwhelming overwhelmingly wildly bitterly sheer pure mere total complete utter real".split()
)
# Words around the emotion.
FRAME = frozenset(
    "emotion emotions emotional emotionally mood moods feeling feelings feel feels felt sense state tone attitude "
    "expression expressions look looks voice filled fill full brimming overflowing of in with being be is are was am "
    "getting get become becoming became seem seems appears appear sound sounds i he she they it me him her them myself "
    "himself herself themselves my his their ones oneself others other people someone somebody person mind mental "
    "psychological inside heart showing show shows shown expressing express having have has had mixed slightly".split()
)
# "isn't" is "isnt" here; a lone "t" is what splitting "don't" at its quote leaves (SPEC 8).
NEGATION = frozenset(
    "not no never without lack lacks lacking non hardly barely neither nor nothing cannot cant dont doesnt didnt isnt "
    "arent wasnt werent wont wouldnt couldnt shouldnt aint t absence less loss losing lost".split()
)
_JOINED = re.compile(r"\b(?:and|or|but|yet|while)\b")
_BREAK = re.compile(r"\b(?:with|by|about|at|to|for|because|due|from|towards?|over|on|when|as|than|regarding)\b")
# "can't help laughing" denies nothing.
_HELPLESS = re.compile(
    r"\b(?:cant|can not|cannot|couldnt|could not) (?:seem to )?(?:(?:help|stop|resist)(?= \w+ing\b)|help but)"
)
_CLAUSE = re.compile(
    r" ?(?:(?:just|instead|rather|only|but) )*(?:i|im|he|hes|she|shes|they|theyre|we|were|you|it|its)\b"
)
_ENDINGS = (
    ("ily", "y"), ("ably", "able"), ("ibly", "ible"), ("ly", ""), ("iness", "y"), ("ness", ""),
    ("iest", "y"), ("est", ""), ("ier", "y"),
)  # fmt: skip
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"
_DENIED_FROM = 5  # letters after un-, in- ...; so that "display" does not deny "play"
_SPELLING_FROM = 6  # letters; shorter words have too many neighbours ("caring", "scaring")
_CHANGED_FROM = 8  # letters from which one may be wrong or too many: "winter" is no "winner", "sample" not "simple"


class EnglishReader:
    """Finds the cluster of English labels in `words` (normalised word or phrase -> cluster)."""

    def __init__(self, words: Mapping[str, str], clusters: Mapping[str, Cluster]) -> None:
        self._words = words
        self._clusters = clusters

    def cluster(self, label: str) -> str | None:
        """The cluster of a normalised label, or None: of all of it, else of its first known joined part."""
        label = re.sub(r"^t ", "dont ", re.sub(r"^(?:.* )?not .* but ", "", _HELPLESS.sub("", label)))
        found = self._phrase(label)
        if found:
            return found
        parts = _JOINED.split(label)
        if NEGATION.intersection(parts[0].split()):  # "I am not sad, I am happy": the clause that says what is so
            parts.sort(key=lambda part: not (_CLAUSE.match(part) and not NEGATION.intersection(part.split())))
        return next(filter(None, (self._joined_part(part.split()) for part in parts)), None)

    def _joined_part(self, tokens: list[str]) -> str | None:
        """A listed phrase inside wins; then what stands before the first preposition ("sad because of ...")."""
        plain = [token for token in tokens if token not in DEGREE]
        found = self._phrase(" ".join(plain)) or self._idiom(tokens)
        if found:
            return found
        negated = False
        for part in _BREAK.split(" ".join(plain)):
            words = part.split()
            negated ^= bool(NEGATION.intersection(words))
            found = self._head(words)
            if found:
                return self._opposite(found) if negated else found
        return None  # a denial without an emotion ("not at ease", "lack of trust in") holds for the next part

    def _idiom(self, tokens: list[str]) -> str | None:
        """The longest listed phrase of two words or more; its opposite behind a denial."""
        for start, run in _runs(tokens):
            found = self._words.get(" ".join(run)) if len(run) > 1 else None
            if found:
                return self._opposite(found) if start and tokens[start - 1] in NEGATION else found
        return None

    def _head(self, tokens: list[str]) -> str | None:
        """The longest known run, the last among equals: "helpless anger" is anger, the head stands last in English."""
        content = [token for token in tokens if token not in FRAME and token not in NEGATION]
        return next(filter(None, (self._phrase(" ".join(run)) for _, run in _runs(content))), None)

    def _phrase(self, phrase: str) -> str | None:
        """The cluster of a listed phrase, in any of its word forms; of a single word also by prefix and spelling."""
        found = self._by_form(phrase)
        if found or not phrase or " " in phrase:
            return found
        return self._by_prefix(phrase) or self._by_spelling(phrase)

    def _by_form(self, phrase: str) -> str | None:
        bases = _bases(phrase)
        listed = (self._words.get(base) or self._joined.get(base.replace(" ", "")) for base in bases)
        return next(filter(None, listed), None) or next(
            filter(None, (self._stems.get(self._stem(b)) for b in bases)), None
        )

    def _by_prefix(self, word: str) -> str | None:
        """Words that deny a listed one: unafraid, dissimilar, joyless."""
        for prefix in ("un", "dis", "non", "in", "im", "ir"):
            rest = word.removeprefix(prefix)
            if rest != word and len(rest) >= _DENIED_FROM:
                found = self._by_form(rest)
                if found:
                    return self._opposite(found)
        rest = word.removesuffix("less")
        return self._opposite(self._words.get(rest)) if rest != word else None

    def _by_spelling(self, word: str) -> str | None:
        """The cluster of the listed words one letter away (the first letter is right) or with other double letters.

        None if these words disagree.
        """
        if len(word) < _SPELLING_FROM:
            return None
        near = [*_swapped(word), *_completed(word), *(_corrected(word) if len(word) >= _CHANGED_FROM else ())]
        found = {self._words[spelling] for spelling in near if spelling in self._words}
        if not found and (doubled := self._undoubled.get(_undouble(word))):
            found = {doubled}
        return found.pop() if len(found) == 1 else None

    def _opposite(self, cluster: str | None) -> str | None:
        """The cluster of the denied emotion; None where the table names none: "not x" must not stand with x."""
        row = self._clusters.get(cluster or "")
        return row.opposite if row else None

    @cached_property
    def _stemmer(self):  # noqa: ANN202 - the library has no type to name
        import snowballstemmer

        return snowballstemmer.stemmer("english")

    @cached_property
    def _joined(self) -> dict[str, str]:
        """Listed words without their blanks: "lighthearted" finds "light-hearted"."""
        return {word.replace(" ", ""): cluster for word, cluster in self._words.items()}

    @cached_property
    def _undoubled(self) -> dict[str, str]:
        """Listed words with each double letter single: "dissapointed" finds "disappointed"."""
        return {_undouble(word): cluster for word, cluster in self._words.items() if len(word) >= _SPELLING_FROM}

    @cached_property
    def _stems(self) -> dict[str, str]:
        """Stem -> cluster, for stems whose words are all in one cluster; built when the first unlisted word is met."""
        clusters: dict[str, set[str]] = {}
        for word, cluster in self._words.items():
            if word.isascii():
                clusters.setdefault(self._stem(word), set()).add(cluster)
        return {stem: found.pop() for stem, found in clusters.items() if len(found) == 1}

    def _stem(self, phrase: str) -> str:
        return " ".join(map(self._stemmer.stemWord, phrase.split()))


def _bases(phrase: str) -> list[str]:
    """The phrase, then without an ending of its last word that the stemmer keeps at times: -ly, -ness, -est."""
    bases = [phrase]
    for ending, instead in _ENDINGS:
        if phrase.endswith(ending) and len(phrase) > len(ending) + 2:
            base = phrase.removesuffix(ending) + instead
            bases += [base] if instead or base[-1] != base[-2] else [base, base[:-1]]  # saddest: sadd, sad
    return bases


def _runs(tokens: list[str]) -> Iterator[tuple[int, list[str]]]:
    """(start, words) of all runs of words, longest first, later ones first among equals; only 8 words are looked at."""
    tokens = tokens[:8]
    for length in range(len(tokens), 0, -1):
        for start in range(len(tokens) - length, -1, -1):
            yield start, tokens[start : start + length]


def _undouble(word: str) -> str:
    return re.sub(r"(.)\1", r"\1", word)


def _swapped(word: str) -> Iterator[str]:
    """Spellings with two neighbours swapped, after the first letter."""
    for cut in range(1, len(word) - 1):
        yield word[:cut] + word[cut + 1] + word[cut] + word[cut + 2 :]


def _completed(word: str) -> Iterator[str]:
    """Spellings with one letter added, after the first letter."""
    for cut in range(1, len(word) + 1):
        yield from (word[:cut] + letter + word[cut:] for letter in _ALPHABET)


def _corrected(word: str) -> Iterator[str]:
    """Spellings with one letter changed or left out, after the first letter."""
    for cut in range(1, len(word)):
        yield word[:cut] + word[cut + 1 :]
        yield from (word[:cut] + letter + word[cut + 1 :] for letter in _ALPHABET)
