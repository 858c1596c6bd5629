"""The charsets in which untrusted text is read: those that pages are written in, after the WHATWG Encoding Standard.

No name reaches Python's codecs that is not in this table: some of those are quadratic or are no charsets.
"""

import codecs
import re
from collections.abc import Mapping
from typing import Final

_CODECS: Final[Mapping[str, tuple[str, ...]]] = {
    "utf-8": ("utf-8", "utf8", "unicode-1-1-utf-8"),
    "utf-16-le": ("utf-16", "utf-16le", "utf-16-le", "utf16", "unicode", "ucs-2"),
    "utf-16-be": ("utf-16be", "utf-16-be"),
    "cp1252": ("ascii", "us-ascii", "latin1", "latin-1", "l1", "cp819", "ansi-x3.4-1968"),
    "cp932": ("shift-jis", "shiftjis", "sjis", "x-sjis", "ms-kanji", "windows-31j", "cp932"),
    "euc-jp": ("euc-jp", "eucjp", "x-euc-jp"),
    "iso2022-jp": ("iso-2022-jp",),
    "cp949": ("euc-kr", "euckr", "ks-c-5601-1987", "ksc5601", "korean", "cp949", "windows-949"),
    "gb18030": ("gb18030", "gbk", "x-gbk", "gb2312", "gb-2312", "euc-cn", "chinese", "cp936"),
    "big5hkscs": ("big5", "big5-hkscs", "cn-big5", "x-x-big5", "csbig5"),
    "koi8-r": ("koi8-r", "koi8", "koi"),
    "koi8-u": ("koi8-u", "koi8-ru"),
    "cp866": ("ibm866", "cp866", "866"),
    "cp874": ("windows-874", "cp874", "tis-620"),
    "mac-roman": ("macintosh", "mac", "x-mac-roman"),
}
_NAMES: Final[Mapping[str, str]] = {
    **{name: codec for codec, names in _CODECS.items() for name in names},
    **{f"{kind}125{digit}": f"cp125{digit}" for digit in range(9) for kind in ("windows-", "cp", "x-cp")},
    **{f"{kind}8859-{part}": f"iso8859-{part}" for part in (*range(2, 12), *range(13, 17)) for kind in ("iso-", "iso")},
    **dict.fromkeys(("iso-8859-1", "iso8859-1"), "cp1252"),
}
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_STATED: Final = re.compile(r"charset\s*=\s*[\"']?([^\s;\"'>]{1,40})", re.IGNORECASE)
_META: Final = re.compile(rb"<meta[^>]{1,400}charset\s{0,9}=\s{0,9}[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_HEAD: Final = 4096


def stated_in(content_type: str) -> str:
    """The charset that a content type states, "" for none."""
    hit = _STATED.search(content_type)
    return hit[1] if hit else ""


def stated_in_page(page: bytes) -> str:
    """The charset that the head of a page states, "" for none; one that could be read there is not UTF-16."""
    hit = _META.search(page[:_HEAD])
    stated = hit[1].decode("ascii", "replace") if hit else ""
    return "utf-8" if stated.lower().startswith("utf-16") else stated


def decode(data: bytes, stated: str = "") -> tuple[str, str]:
    """The text, and "" or why it is not read as stated: what cannot be decoded becomes U+FFFD."""
    for bom, codec in _BOMS:
        if data.startswith(bom):
            return data[len(bom) :].decode(codec, errors="replace"), ""
    name = re.sub(r"[_\s]", "-", stated.strip().lower()) if stated else "utf-8"
    if name in _NAMES:
        return data.decode(_NAMES[name], errors="replace"), ""
    return data.decode(errors="replace"), f"its charset {stated[:40]!a} is not one that is read; it is read as utf-8"


def guess(data: bytes) -> str:
    """The text of a file that states no charset: UTF-8 where it is that, Windows-1252 otherwise."""
    try:
        return decode(data)[0] if data.startswith(tuple(bom for bom, _ in _BOMS)) else data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")
