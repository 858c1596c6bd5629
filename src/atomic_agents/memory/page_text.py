"""The words of an HTML page, in time that grows with its length and no faster, whatever stands in it.

A tokenizer after the HTML standard: what a tag, a comment or a script that does not end has begun goes on to the end of
the page. Python's own parser looks for that end again from each of them.
"""

import html
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_SILENT: Final = frozenset(("noscript", "template", "svg"))
_FRAME: Final = frozenset(("nav", "footer"))
_RAW: Final = frozenset(("script", "style", "title", "xmp", "iframe", "noembed", "noframes", "textarea"))
"""Elements in which nothing but their own end is a tag."""
_BLOCKS: Final = frozenset((
    "p", "div", "section", "article", "main", "header", "ul", "ol", "table", "blockquote", "pre", "figure", "dl",
    "form", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "aside", "body", "nav", "footer",
))  # fmt: skip
_LINES: Final = frozenset(("br", "tr", "li", "dt", "dd"))
_MEANT: Final = _SILENT | _FRAME | _RAW | _BLOCKS | _LINES | {"td", "th", "a"}
"""What makes a difference to the words."""
_START: Final = re.compile(r"<(?=[a-zA-Z/!?])")
_IS_TAG: Final = re.compile(r"/?[a-zA-Z]")
_TAG: Final = re.compile(r"""(/?)([a-zA-Z][^\t\n\f\r />]*+)((?:[^=>]++|=\s*+(?:"[^"]*+"|'[^']*+'|(?!["'])))*>)""")
_LINK: Final = re.compile(r"""\shref\s*+=\s*+["']?(https?://[^\s"'>]++)""", re.IGNORECASE)
_ENDS: Final = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in _RAW}
_LONG_NUMBER: Final = re.compile(r"&#(?:[0-9]{8,}|[xX][0-9a-fA-F]{7,});?")
_LONGEST_LINK: Final = 2000


class _Tag(NamedTuple):
    """A tag: its name in lower case, whether it closes, and all that stands in it."""

    name: str
    closes: bool
    text: str


def page_text(page: str, *, links: bool = False) -> str:
    """The words as Markdown, nearly: headings, lists, rows and paragraphs, without scripts and styles.

    With `links`, the address of each link stands before its words, and the navigation is kept.
    """
    writer = _Writer(links=links)
    for token in _tokens(page):
        if isinstance(token, _Tag):
            writer.close(token) if token.closes else writer.open(token)
        else:
            writer.write(token)
    return writer.text()


def _tokens(page: str) -> Iterator[_Tag | str]:
    """The tags of a page and the text between them, without comments and scripts."""
    place = 0
    while found := _START.search(page, place):
        start = found.start()
        if start > place:
            yield page[place:start]
        tag = _TAG.match(page, start + 1)
        if tag is None:
            if _IS_TAG.match(page, start + 1):
                return
            place = _after_comment(page, start)
            continue
        place, name = tag.end(), tag[2].lower()
        if name not in _MEANT:
            continue
        yield _Tag(name, bool(tag[1]), tag[3])
        if name in _RAW and not tag[1]:
            end = _ENDS[name].search(page, place)
            if end is None:
                return
            if name == "textarea":
                yield page[place : end.start()]
            place = end.start()
    yield page[place:]


def _after_comment(page: str, start: int) -> int:
    """Where what begins with `<!`, `<?` or `</` and is no tag ends."""
    if page.startswith(("<!-->", "<!--->"), start):
        return page.index(">", start) + 1
    end = "-->" if page.startswith("<!--", start) else ">"
    found = page.find(end, start + 2)
    return len(page) if found < 0 else found + len(end)


class _Writer:
    """The words that were read, as far as they are for people."""

    def __init__(self, *, links: bool) -> None:
        self._links = links
        self._silent_names = _SILENT if links else _SILENT | _FRAME
        self._parts: list[str] = []
        self._silent = 0
        self._exact = 0

    def text(self) -> str:
        """What has been read; one empty line at most between two others."""
        lines = (line.strip(" \t\r") for line in "".join(self._parts).split("\n"))
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"

    def open(self, tag: _Tag) -> None:
        name = tag.name
        self._silent += name in self._silent_names and not tag.text.endswith("/>")
        if self._silent:
            return
        self._exact += name == "pre"
        if name in _BLOCKS or name in _LINES:
            self._parts.append("\n\n" if name in _BLOCKS else "\n")
        if len(name) == 2 and name[0] == "h" and name[1] in "123456":
            self._parts.append(f"{'#' * int(name[1])} ")
        elif name == "li":
            self._parts.append("- ")
        elif name in ("td", "th") and not "".join(self._parts[-1:]).endswith("\n"):
            self._parts.append(" | ")
        elif name == "a" and self._links and (link := _LINK.search(tag.text)):
            self._parts.append(f"({_unescaped(link[1][:_LONGEST_LINK])}) ")

    def close(self, tag: _Tag) -> None:
        if tag.name in self._silent_names:
            self._silent -= self._silent > 0
        elif not self._silent:
            self._exact -= tag.name == "pre" and self._exact > 0
            if tag.name in _BLOCKS:
                self._parts.append("\n\n")

    def write(self, text: str) -> None:
        if text and not self._silent:
            words = _unescaped(text)
            self._parts.append(words if self._exact else re.sub(r"\s+", " ", words))


def _unescaped(text: str) -> str:
    """A text with its character references as characters; a number that no character has is U+FFFD."""
    return html.unescape(_LONG_NUMBER.sub("\ufffd", text)) if "&" in text else text
