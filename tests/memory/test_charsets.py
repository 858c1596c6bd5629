import pytest

from atomic_agents.memory.charsets import codec_for, decode, guess, stated_in, stated_in_page


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("UTF-8", "utf-8"), ("utf8", "utf-8"), ("ISO-8859-1", "cp1252"), ("latin-1", "cp1252"), ("US-ASCII", "cp1252"),
        ("iso-8859-2", "iso8859-2"), ("iso-8859-15", "iso8859-15"), ("Windows-1252", "cp1252"), ("cp1251", "cp1251"),
        ("x-cp1251", "cp1251"), ("Shift_JIS", "cp932"), ("x-sjis", "cp932"), ("EUC-JP", "euc_jp"), ("EUC-KR", "cp949"),
        ("iso-2022-jp", "iso2022_jp"), ("GB2312", "gb18030"), ("gbk", "gb18030"), ("big5", "big5hkscs"),
        ("koi8-r", "koi8-r"), ("utf-16", "utf-16"), ("utf-16le", "utf-16-le"), ("punycode", None), ("utf-7", None),
        ("idna", None), ("hex", None), ("rot13", None), ("unicode_escape", None), ("iso-2022-jp-ext", None),
        ("undefined", None), ("mbcs", None), ("", None), ("utf-8" + "-" * 100, None),
    ],
)  # fmt: skip
def test_only_the_charsets_that_text_comes_in_have_a_codec(charset: str, codec: str | None) -> None:
    assert codec_for(charset) == codec


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("größer", "utf-8"), ("größer", "iso-8859-1"), ("“größer”", "iso-8859-1"), ("größer", "utf-16be"),
        ("ąę", "iso-8859-2"), ("привет", "koi8-r"), ("привет", "windows-1251"), ("潮の満ち干", "shift_jis"),
        ("潮の満ち干", "euc-jp"), ("潮の満ち干", "iso-2022-jp"), ("조수", "euc-kr"), ("潮汐", "gb2312"), ("潮汐", "big5"),
    ],
)  # fmt: skip
def test_a_text_is_read_as_its_charset_says(text: str, charset: str) -> None:
    data = text.encode(codec_for(charset) or "")

    assert decode(data, charset) == (text, "")


def test_a_charset_that_is_not_read_is_said_and_the_text_is_read_as_utf_8() -> None:
    text, problem = decode("größer".encode() + b"\xff", "punycode")

    assert text == "größer\ufffd"
    assert problem == "its charset 'punycode' is not one that is read; it is read as utf-8"


@pytest.mark.parametrize("bom", [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"])
def test_a_byte_order_mark_beats_what_is_stated(bom: bytes) -> None:
    codec = {b"\xef": "utf-8", b"\xff": "utf-16-le", b"\xfe": "utf-16-be"}[bom[:1]]

    assert decode(bom + "größer".encode(codec), "punycode") == ("größer", "")
    assert guess(bom + "größer".encode(codec)) == "größer"


@pytest.mark.parametrize(
    ("header", "charset"),
    [
        ("text/html; charset=utf-8", "utf-8"), ('text/html;Charset = "UTF-8"; x=y', "UTF-8"),
        ("text/html; charset='big5'", "big5"), ("text/html", ""), ("text/html; charset=", ""),
    ],
)  # fmt: skip
def test_a_content_type_states_a_charset(header: str, charset: str) -> None:
    assert stated_in(header) == charset


@pytest.mark.parametrize(
    ("page", "charset"),
    [
        (b"<meta charset=big5>", "big5"), (b'<meta charset="euc-jp"/>', "euc-jp"), (b"<p>charset=big5", ""),
        (b'<META http-equiv="Content-Type" content="text/html; CHARSET=koi8-r">', "koi8-r"),
        (b"<meta charset=utf-16>", "utf-8"), (b" " * 5000 + b"<meta charset=big5>", ""), (b"<meta" * 900, ""),
    ],
)  # fmt: skip
def test_the_head_of_a_page_states_a_charset(page: bytes, charset: str) -> None:
    assert stated_in_page(page) == charset
