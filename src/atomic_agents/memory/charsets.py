"""The character sets that a document may name: those that text is written in, and that decode in linear time.

What a name stands for is what browsers take it for (WHATWG Encoding Standard): `iso-8859-1` is Windows-1252, `gb2312`
is GB 18030. No other name reaches Python's codecs: some of those are quadratic, and some are no character sets.
"""

import codecs
import re

_NAMES = (
    "utf-8", "utf-16", "utf-16-le", "utf-16-be", "mac-roman", "koi8-r", "koi8-u", "cp932", "euc_jp", "iso2022_jp",
    "cp949", "gb18030", "big5hkscs",
    *(f"iso8859-{number}" for number in (*range(2, 9), 10, *range(13, 17))),
    *(f"cp{number}" for number in (437, 850, 866, 874, *range(1250, 1259))),
)  # fmt: skip
_ALIASES = {
    **dict.fromkeys(("ascii", "usascii", "latin1", "l1", "iso88591", "ansix341968"), "cp1252"),
    **dict.fromkeys(("latin2", "l2"), "iso8859-2"), **dict.fromkeys(("latin9", "l9"), "iso8859-15"),
    **dict.fromkeys(("latin5", "l5", "iso88599"), "cp1254"), **dict.fromkeys(("tis620", "iso885911"), "cp874"),
    **dict.fromkeys(("shiftjis", "sjis", "xsjis", "mskanji", "windows31j"), "cp932"), "xeucjp": "euc_jp",
    **dict.fromkeys(("euckr", "ksc56011987", "ksc5601", "korean", "uhc"), "cp949"),
    **dict.fromkeys(("gb2312", "gbk", "xgbk", "euccn", "chinese", "cp936"), "gb18030"),
    **dict.fromkeys(("big5", "cnbig5", "xxbig5", "csbig5"), "big5hkscs"),
    **dict.fromkeys(("macintosh", "macroman", "xmacroman"), "mac-roman"), "ibm866": "cp866", "koi8": "koi8-r",
    **dict.fromkeys(("utf8sig", "unicode11utf8"), "utf-8"),
}  # fmt: skip
_INSIGNIFICANT = re.compile(r"[-_\s:.]")
_BY_NAME = {_INSIGNIFICANT.sub("", name): name for name in _NAMES} | _ALIASES
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_LONGEST_NAME = 40
_HEAD = 4096
_IN_HEADER = re.compile(r"charset\s*=\s*[\"']?([^\s;,\"'>]*)", re.IGNORECASE)
_IN_PAGE = re.compile(rb"<meta[^>]{1,400}charset\s{0,9}=\s{0,9}[\"']?([^\s;\"'>/]{1,40})", re.IGNORECASE)


def codec_for(charset: str) -> str | None:
    """The codec for a charset as a header or a page names it; None where it is not one that text comes in."""
    if len(charset) > _LONGEST_NAME:
        return None
    plain = _INSIGNIFICANT.sub("", charset.lower())
    return _BY_NAME.get(plain) or _BY_NAME.get(plain.removeprefix("x").replace("windows", "cp"))


def stated_in(content_type: str) -> str:
    """The charset that a content type states, "" for none."""
    hit = _IN_HEADER.search(content_type)
    return hit[1] if hit else ""


def stated_in_page(page: bytes) -> str:
    """The charset that the head of a page states, "" for none; where that could be read, the page is not UTF-16."""
    hit = _IN_PAGE.search(page[:_HEAD])
    stated = hit[1].decode("ascii", "replace") if hit else ""
    return "utf-8" if (codec_for(stated) or "").startswith("utf-16") else stated


def decode(data: bytes, stated: str = "") -> tuple[str, str]:
    """The text in the charset that is stated, UTF-8 where none is; and "" or why it is not read as stated.

    A byte order mark beats what is stated. What cannot be decoded becomes U+FFFD.
    """
    for bom, codec in _BOMS:
        if data.startswith(bom):
            return data[len(bom) :].decode(codec, errors="replace"), ""
    named = codec_for(stated or "utf-8")
    if named is None:
        shown = stated[:_LONGEST_NAME]
        return data.decode(errors="replace"), f"its charset {shown!a} is not one that is read; it is read as utf-8"
    return data.decode(named, errors="replace"), ""


def guess(data: bytes) -> str:
    """The text of a file that states no charset: UTF-8 or UTF-16 where it is that, Windows-1252 otherwise."""
    if data.startswith(tuple(bom for bom, _ in _BOMS)):
        return decode(data)[0]
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")
