"""How well passages answer a question: the one ranking behind every search.

A passage counts for the words that it has, and less for those that stand near it: who answers a question does not say
it again. What it stands in counts too, who says it, and whether it says when, where that is asked. Rare words weigh
more. The weights were fitted to conversations, each of them left out in turn to see that they hold for others.

A passage is a number: its section's times `ROOM`, plus its place in the section. So its neighbours are known without
looking them up.
"""

import heapq
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

ROOM = 4096
FIRST = 8
"""The place of the first passage of a section; those below stay empty, so that no passage has neighbours elsewhere."""

_FADES = ((0, 1.0), (-1, 0.7), (1, 0.7), (-2, 0.4), (2, 0.4), (-3, 0.2), (3, 0.2))
_NEAR = 0.26
_SECTION = 0.36
_SPEAKER = 0.55
_ASKING = -0.13
_WHEN = 0.48
_ANSWERING = 0.43
_OWN = 0.11
DAY = 0.7
"""What it is worth that a passage is of a day which the question names."""
_SATURATION = 1.2


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the question and the passages that have it."""

    passages: AbstractSet[int]
    weight: float


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a passage: it asks, says when, is said by whom the question names, is of a day that it names."""

    asks: bool = False
    dated: bool = False
    speaker: bool = False
    day: bool = False


def weight(count: int, having: int) -> float:
    """How much it tells that a passage has a word which so many of `count` have."""
    return math.log(1 + (count - having + 0.5) / (having + 0.5))


def sections(words: Sequence[Word], count: int) -> dict[int, float]:
    """How well each section that has a word answers, the best with 1; `count` is how many there are."""
    found: dict[int, float] = {}
    for word in words:
        times = Counter([passage // ROOM for passage in word.passages])
        telling = weight(count, len(times))
        for section, often in times.items():
            found[section] = found.get(section, 0) + telling * often * (1 + _SATURATION) / (often + _SATURATION)
    most = max(found.values(), default=0) or 1
    return {section: score / most for section, score in found.items()}


def candidates(words: Sequence[Word], of_sections: Mapping[int, float], within: Collection[int], most: int) -> set[int]:
    """The passages worth a closer look: `most` that have most, and what stands near them.

    `within` are the sections of the days that the question names, which are preferred.
    """
    base: dict[int, float] = {}
    for word in words:
        for passage in word.passages:
            base[passage] = base.get(passage, 0) + word.weight
    best = list(base)
    if len(base) > most:
        total = sum(word.weight for word in words)
        worth = {each: _SECTION * score + (DAY if each in within else 0) for each, score in of_sections.items()}
        best = [each for _, each in heapq.nsmallest(
            most, [(-(score / total + worth[passage // ROOM]), passage) for passage, score in base.items()]
        )]  # fmt: skip
    return {passage + far for passage in best for far, _ in _FADES}


def scores(
    words: Sequence[Word], of_sections: Mapping[int, float], facts: Mapping[int, Facts], *, asks_when: bool
) -> dict[int, float]:
    """The score of each passage that there are facts of."""
    total = sum(word.weight for word in words) or 1
    return {
        passage: _score(words, total, passage, facts, asks_when=asks_when)
        + _SECTION * of_sections.get(passage // ROOM, 0)
        for passage in facts
    }


def _score(words: Iterable[Word], total: float, passage: int, facts: Mapping[int, Facts], *, asks_when: bool) -> float:
    own = near = before = faded = 0.0
    for word in words:
        for far, fade in _FADES:
            if passage + far in word.passages:
                faded += fade * word.weight
                near += word.weight
                break
        own += word.weight * (passage in word.passages)
        before += word.weight * (passage - 1 in word.passages)
    known = facts[passage]
    asked = facts.get(passage - 1)
    return (
        (faded + _NEAR * near + _ANSWERING * before * bool(asked and asked.asks)) / total
        + _SPEAKER * known.speaker
        + _ASKING * known.asks
        + _WHEN * (asks_when and known.dated)
        + _OWN * (own > 0)
        + DAY * known.day
    )
