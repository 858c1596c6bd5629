"""Whether texts say the same: shingles of words, pairs that share many of them, titles with one subject.

A shingle is a run of three words. Pairs are found through the shingles that few texts have, so that thousands of notes
are compared in a second; a text of fewer words than a shingle stands for itself.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

SAME = 0.8
"""From this share of common shingles on, two texts say the same."""
LIKE = 0.4
"""From this share on, two texts are alike enough to be compared word by word."""
RESTATED = 0.6
"""From this share of a text on that stands in another, it says nothing new."""
ONE_SUBJECT = 0.6
"""From this share of common words on, two titles name the same subject."""

_SIZE = 3
_WORD = re.compile(r"\w+")
_NO_SUBJECT = frozenset((
    "a", "an", "and", "are", "as", "at", "be", "by", "der", "die", "das", "el", "et", "for", "from", "how", "in", "is",
    "it", "la", "le", "les", "los", "of", "on", "or", "our", "that", "the", "this", "to", "un", "und", "une", "use",
    "uses", "using", "was", "we", "what", "when", "which", "will", "with", "y",
))  # fmt: skip
_MOST_COMMON = 50
"""A shingle that more texts than this have says nothing about any two of them."""


def words(text: str) -> list[str]:
    """The words of a text, case folded."""
    return _WORD.findall(text.casefold())


def shingles(text: str) -> frozenset[str]:
    """The shingles of a text."""
    found = words(text)
    if len(found) < _SIZE:
        return frozenset([" ".join(found)]) if found else frozenset()
    return frozenset(" ".join(found[at : at + _SIZE]) for at in range(len(found) - _SIZE + 1))


def likeness(one: AbstractSet[str], other: AbstractSet[str]) -> float:
    """The share of shingles that both have of those that either has."""
    return len(one & other) / len(one | other) if one and other else 0.0


def share(part: AbstractSet[str], whole: AbstractSet[str]) -> float:
    """How much of `part` stands in `whole`."""
    return len(part & whole) / len(part) if part else 0.0


def pairs(texts: Mapping[str, AbstractSet[str]], least: float) -> Iterator[tuple[str, str, float]]:
    """Every two texts that are alike, by key, the earlier key first, with their likeness."""
    count = Counter(shingle for found in texts.values() for shingle in found)
    telling = {key: _telling(found, count) for key, found in texts.items()}
    seen: dict[str, list[str]] = defaultdict(list)
    for key, found in texts.items():
        hits = Counter(other for shingle in telling[key] for other in seen[shingle][:_MOST_COMMON])
        for other, common in hits.items():
            both = len(telling[key]) + len(telling[other])
            if common * (1 + least) >= least * both and (alike := likeness(texts[other], found)) >= least:
                yield other, key, alike
        for shingle in telling[key]:
            seen[shingle].append(key)


def contained(
    parts: Mapping[str, AbstractSet[str]], wholes: Mapping[str, AbstractSet[str]]
) -> Iterator[tuple[str, str]]:
    """Every part of which at least the share RESTATED stands in one whole, with the whole that has most of it."""
    holders: dict[str, list[str]] = defaultdict(list)
    for key, found in wholes.items():
        for shingle in found:
            holders[shingle].append(key)
    count = Counter({shingle: len(keys) for shingle, keys in holders.items()})
    for key, found in parts.items():
        telling = _telling(found, count)
        hits = Counter(
            other for shingle in telling for other in holders.get(shingle, ())[:_MOST_COMMON] if other != key
        )
        best = max((other for other, _ in hits.most_common(3)), key=lambda one: share(found, wholes[one]), default="")
        if best and min(share(found, wholes[best]), share(telling, wholes[best])) >= RESTATED:
            yield key, best


def _telling(found: AbstractSet[str], count: Mapping[str, int]) -> AbstractSet[str]:
    """The shingles of a text that few others have; all of them, where it has next to no others."""
    rare = frozenset(shingle for shingle in found if count.get(shingle, 0) <= _MOST_COMMON)
    return rare if len(rare) * 4 >= len(found) else found


def reworded(one: Counter[str], other: Counter[str]) -> bool:
    """Whether no more than a tenth of the words of two texts differ, and no number; the words come counted."""
    most = (one.total() + other.total()) / 10
    differing = 0
    for word in one.keys() | other.keys():
        if apart := abs(one[word] - other[word]):
            differing += apart
            if differing > most or _has_digit(word):
                return False
    return True


def subject(title: str) -> frozenset[str]:
    """The words of a title that tell what it is about, in their singular."""
    return frozenset(word.removesuffix("s") if len(word) > 3 else word for word in words(title)) - _NO_SUBJECT


def one_subject(one: Collection[str], other: Collection[str]) -> bool:
    """Whether two subjects are the same: most words in common, and no number that only one of them has."""
    first, second = frozenset(one), frozenset(other)
    return not any(map(_has_digit, first ^ second)) and likeness(first, second) >= ONE_SUBJECT


def same_subject(subjects: Sequence[tuple[str, frozenset[str]]]) -> Iterator[tuple[str, str]]:
    """Every two keys whose subjects are the same, the earlier first."""
    holders: dict[str, list[int]] = defaultdict(list)
    for at, (key, found) in enumerate(subjects):
        hits = Counter(other for word in found for other in holders[word])
        for other, common in hits.items():
            theirs = subjects[other][1]
            if common >= ONE_SUBJECT * max(len(found), len(theirs)) and one_subject(found, theirs):
                yield subjects[other][0], key
        for word in found:
            holders[word].append(at)


def stands_in(text: str, heard: Iterable[str], least: float = SAME) -> bool:
    """Whether most of a text was said in one of the others; a text of fewer than five words is too short to tell."""
    if len(words(text)) < 5:
        return False
    found = shingles(text)
    return any(share(found, shingles(other)) >= least for other in heard)


def _has_digit(word: str) -> bool:
    return any(sign.isdigit() for sign in word)
