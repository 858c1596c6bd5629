"""What a question asks for, word by word, in any script; what an index keeps of a text."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

_STOP = (
    "a about an and any are as at be been but by can could did do does for from had has have he her him his how i if in"
    " is it its many me much my of on or our s she should so t that the their them there they this to was we were what"
    " when where which who why will with would you your der die das ein eine ist und oder wir ich sie es"
)
_STOP_WORDS = frozenset(_STOP.split())
# Forms that no stemmer brings together; of verbs and nouns that people write about themselves and their days.
_IRREGULAR = (
    "become became|begin began begun|bite bit bitten|break broke broken|bring brought|build built|buy bought|"
    "catch caught|child children|choose chose chosen|come came|draw drew drawn|drink drank drunk|drive drove driven|"
    "eat ate eaten|fall fell fallen|feel felt|fight fought|find found|fly flew flown|foot feet|forget forgot forgotten|"
    "get got gotten|give gave given|go went gone|grow grew grown|hear heard|hold held|keep kept|know knew known|"
    "lead led|learn learnt|leave left|lend lent|life lives|lose lost|make made|man men|mean meant|meet met|mouse mice|"
    "pay paid|person people|ride rode ridden|ring rang rung|rise rose risen|run ran|say said|see saw seen|sell sold|"
    "send sent|shoot shot|show shown|sing sang sung|sit sat|sleep slept|speak spoke spoken|spend spent|stand stood|"
    "steal stole stolen|swim swam swum|take took taken|teach taught|tell told|think thought|throw threw thrown|"
    "tooth teeth|understand understood|wake woke woken|wear wore worn|wife wives|win won|woman women|"
    "write wrote written"
)
_FORMS = {form: group for line in _IRREGULAR.split("|") for group in [tuple(line.split())] for form in group}
# Scripts that write no spaces between words: Thai, Lao, Burmese, Khmer, Chinese and Japanese.
_UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUN = f"[{_UNSPACED}]+|[^{_UNSPACED}]+"
_SIGN = f"([{_UNSPACED}])"


def query_words(query: str) -> tuple[str, ...]:
    """The words worth looking for, each once; where a script writes no spaces, every two neighbouring signs."""
    text = unicodedata.normalize("NFC", query)
    spaced = "".join(sign if sign.isalnum() or unicodedata.category(sign)[0] == "M" else " " for sign in text)
    words = spaced.split()
    telling = [word for word in words if word.lower() not in _STOP_WORDS] or words
    return tuple(dict.fromkeys(part for word in telling for part in _parts(word)))


def forms(word: str) -> tuple[str, ...]:
    """A word and the forms of it that have another stem."""
    lower = word.lower()
    found = _FORMS.get(lower) or _FORMS.get(lower.removesuffix("s")) or _FORMS.get(lower.removesuffix("ing")) or ()
    return (word, *(form for form in found if form != lower))


def match(words: Iterable[str]) -> str:
    """Words as what the index is asked: any of them."""
    return " OR ".join(f'"{indexed(word)}"' for word in words)


def indexed(text: str) -> str:
    """A text as it is indexed: signs of scripts without spaces stand apart, so that any run of them can be found."""
    return text if text.isascii() else re.sub(_SIGN, r" \1 ", text)


def _parts(word: str) -> Iterator[str]:
    for run in re.findall(_RUN, word):
        if len(run) > 2 and re.match(_SIGN, run):
            yield from (run[at : at + 2] for at in range(len(run) - 1))
        else:
            yield run
