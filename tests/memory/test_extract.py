import io
import sys
import zipfile
from dataclasses import replace

import pytest

from atomic_agents.core.errors import DocumentUnreadable, UsageError
from atomic_agents.memory import extract


def pdf(*pages: str) -> bytes:
    """A PDF whose pages have one line each."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, text in enumerate(pages):
        stream = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET"
        fonts = "/Resources << /Font << /F1 3 0 R >> >>"
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] {fonts} /Contents {5 + 2 * number} 0 R >>",
            f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    head = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    return out + f"{head}trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n".encode()


def test_the_words_of_a_page_are_read_and_nothing_else() -> None:
    page = b"""<html><head><title>No</title><style>p { x }</style></head><body><nav>Menu</nav><h1>Glue</h1>
        <p>Hide glue   sets in <b>four</b> minutes at 20&deg;.<br>Stir.</p><ul><li>one</li><li>two</li></ul>
        <table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>
        <pre>as
  it is</pre><script>no()</script></body></html>"""

    assert extract.text_of("glue.html", page) == (
        "# Glue\n\nHide glue sets in four minutes at 20°.\nStir.\n\n- one\n- two\n\na | b\n1 | 2\n\nas\nit is\n"
    )


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("a.txt", "größer".encode(), "größer"),
        ("a.txt", "größer".encode("cp1252"), "größer"),
        ("a.md", "größer".encode("utf-16"), "größer"),
        ("a.md", b"\xef\xbb\xbfplain", "plain"),
        ("a.html", b'<meta charset="iso-8859-2"><p>\xb1', "ą\n"),
        ("a.html", b'<meta charset="nonsense"><p>x', "x\n"),
    ],
)
def test_the_encoding_is_what_the_file_says_or_seems_to_have(name: str, data: bytes, text: str) -> None:
    assert extract.text_of(name, data) == text


def test_the_pages_of_a_pdf_are_told_apart() -> None:
    pytest.importorskip("pypdf")

    text = extract.text_of("book.pdf", pdf("Hide glue sets.", "Stir it."))

    assert text == "Hide glue sets.\fStir it."
    assert [extract.page_at(text, text.index(word)) for word in ("Hide", "Stir")] == [1, 2]


def test_headings_lists_and_tables_of_a_docx_are_read_in_order() -> None:
    docx = pytest.importorskip("docx")
    document = docx.Document()
    document.add_heading("Glue", 2)
    document.add_paragraph("Hide glue sets.")
    document.add_paragraph("stir", style="List Bullet")
    table = document.add_table(1, 2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "a", "b"
    file = io.BytesIO()
    document.save(file)

    assert extract.text_of("glue.docx", file.getvalue()) == "## Glue\n\nHide glue sets.\n\n- stir\n\na | b"


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.pdf", b"%PDF-1.4 not really", "is no PDF that can be read"),
        ("a.docx", b"PK not really", "is no DOCX that can be read"),
        ("a.txt", b" \n", "holds no text"),
        ("a.html", b"<script>x</script>", "holds no text"),
    ],
)
def test_what_cannot_be_read_is_said(name: str, data: bytes, why: str) -> None:
    pytest.importorskip("pypdf")
    pytest.importorskip("docx")

    with pytest.raises(DocumentUnreadable, match=why):
        extract.text_of(name, data)


def test_a_zip_that_is_no_docx_is_refused() -> None:
    pytest.importorskip("docx")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x", "y")

    with pytest.raises(DocumentUnreadable):
        extract.text_of("a.docx", file.getvalue())


@pytest.mark.parametrize(("name", "module"), [("a.pdf", "pypdf"), ("a.docx", "docx")])
def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch, name: str, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(UsageError) as refused:
        extract.text_of(name, b"x")

    assert refused.value.hint == "pip install 'atomic-agents-stack[documents]'"


@pytest.mark.parametrize("name", ["a.exe", "README", "x."])
def test_a_form_that_is_not_read_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"is none of csv, docx, htm, html, markdown, md, org, pdf"):
        extract.text_of(name, b"x")


LITTLE = replace(extract.LIMITS, seconds=60.0, cpu_seconds=2, memory=256 << 20, answer=1 << 18)


def bomb(name: str, size: int) -> bytes:
    """A DOCX one of whose parts is `size` spaces."""
    docx = pytest.importorskip("docx")
    sound, file = io.BytesIO(), io.BytesIO()
    docx.Document().save(sound)
    with zipfile.ZipFile(sound) as source, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        for each in source.namelist():
            target.writestr(each, b" " * size if each == name else source.read(each))
    return file.getvalue()


def test_a_pdf_that_takes_too_long_is_refused() -> None:
    pytest.importorskip("pypdf")

    with pytest.raises(DocumentUnreadable, match=r"a\.pdf: cannot be read: it needed more than 2 s of processor time"):
        extract.text_of("a.pdf", pdf(") Tj (x" * 2_000_000), limits=LITTLE)


def test_a_docx_that_fills_the_memory_is_refused() -> None:
    with pytest.raises(DocumentUnreadable, match=r"a\.docx: cannot be read: it needed more than 256 MiB of memory"):
        extract.text_of("a.docx", bomb("word/document.xml", 280 << 20), limits=replace(LITTLE, cpu_seconds=60))


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(DocumentUnreadable, match="longer than 262,144 bytes"):
        extract.text_of("a.html", b"<p>x" * 100_000, limits=replace(LITTLE, cpu_seconds=60))


@pytest.mark.parametrize("unit", [b"<a ", b"<!--", b"<a a='", b"</a", b"<![CDATA[", b"<?"])
def test_a_page_that_holds_up_other_parsers_is_read(unit: bytes) -> None:
    assert extract.text_of("a.html", b"<p>begin<p>" + unit * 200_000) == "begin\n"


def test_a_charset_that_is_not_read_is_not_believed() -> None:
    assert extract.text_of("a.html", b'<meta charset="punycode"><p>tide at noon') == "tide at noon\n"
