"""What a question asks for, word by word, in any script; what an index keeps of a text."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

_STOP = (
    "a an and are as at be been but by can could did do does for from had has have how i if in is it its me my of on or"
    " our should so that the their them there they this to was we were what when where which who why will with would"
    " you your der die das ein eine ist und oder wir ich sie es"
)
_STOP_WORDS = frozenset(_STOP.split())
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


def match(words: Iterable[str]) -> str:
    """Words as what the index is asked: any of them."""
    return " OR ".join(f'"{indexed(word)}"' for word in words)


def indexed(text: str) -> str:
    """A text as it is indexed: signs of scripts without spaces stand apart, so that any run of them can be found."""
    return text if text.isascii() else re.sub(_SIGN, r" \1 ", text)


def folded(text: str) -> str:
    """A text as the index compares it: lower case and without accents."""
    text = text.lower()
    if text.isascii():
        return text
    return "".join(sign for sign in unicodedata.normalize("NFKD", text) if unicodedata.category(sign) != "Mn")


def stem(word: str) -> str:
    """What a word shares with its inflected forms, nearly."""
    word = folded(word)
    return word[: max(4, len(word) - 2)]


def _parts(word: str) -> Iterator[str]:
    for run in re.findall(_RUN, word):
        if len(run) > 2 and re.match(_SIGN, run):
            yield from (run[at : at + 2] for at in range(len(run) - 1))
        else:
            yield run
