"""The character sets that a document may name: those that text is written in, and that decode in linear time."""

import re

_NAMES = (
    "ascii", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "mac-roman", "koi8-r", "koi8-u",
    "shift_jis", "cp932", "euc_jp", "iso2022_jp", "euc_kr", "cp949", "gb2312", "gbk", "gb18030", "big5",
    *(f"iso8859-{number}" for number in (*range(1, 12), *range(13, 17))),
    *(f"cp{number}" for number in (437, 850, 866, 874, *range(1250, 1259))),
)  # fmt: skip
_ALIASES = {
    "usascii": "ascii", "iso88591": "latin-1", "latin1": "latin-1", "macintosh": "mac-roman", "macroman": "mac-roman",
    "xsjis": "shift_jis", "sjis": "shift_jis", "windows31j": "cp932", "gb2312": "gb18030", "gbk": "gb18030",
    "ksc56011987": "cp949", "euckr": "cp949", "iso88599": "cp1254", "tis620": "cp874",
}  # fmt: skip
_UNSIGNIFICANT = re.compile(r"[-_\s:.]")
_BY_NAME = {_UNSIGNIFICANT.sub("", name): name for name in _NAMES} | _ALIASES


def codec_for(charset: str) -> str | None:
    """The codec for a charset as a header or a page names it; None where it is not one that text comes in."""
    plain = _UNSIGNIFICANT.sub("", charset.lower())
    return _BY_NAME.get(plain) or _BY_NAME.get(plain.replace("windows", "cp"))
