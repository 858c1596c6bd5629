import time

import pytest

from atomic_agents.memory.page_text import page_text
from atomic_agents.testing.hostile_site import FORMS, Form

PAGES = [form for form in FORMS.values() if form.name.startswith("a page of")]


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>one<p>two", "one\n\ntwo"),
        ("<h1>A</h1><h6>B</h6><h9>C</h9>", "# A\n\n###### B\n\nC"),
        ("<ul><li>one<li>two</ul>", "- one\n- two"),
        ("<table><tr><th>a<th>b<tr><td>1<td>2</table>", "a | b\n1 | 2"),
        ("<P CLASS=x>one</P  ><BR/>two", "one\n\ntwo"),
        ("a &lt;b&gt; &amp;amp; &#233; &#xe9; &eacute; &notit;", "a <b> &amp; é é é ¬it;"),
        ("1 < 2 and 2 <3 and 4<", "1 < 2 and 2 <3 and 4<"),
        ("<!-- no --><!-- > --x-- -->yes<!--->yes<!-->yes", "yesyesyes"),
        ("<!doctype html><?php no ?>yes</>yes</ no>yes", "yesyesyes"),
        ("<script>if (a < b) '<p>no</p>'</SCRIPT >yes<style>p{}</style>", "yes"),
        ("<title>no</title>yes<noscript>no</noscript><template>no</template>", "yes"),
        ("<svg><text>no</text></svg>yes<svg/>yes", "yesyes"),
        ("<svg><svg>no</svg>no</svg>yes", "yes"),
        ("<textarea><b>as it is</b> &amp;</textarea>", "<b>as it is</b> &"),
        ("<p title=\"a > b\" x='>'>yes", "yes"),
        ("<p title=a'b\"c>yes", "yes"),
        ("<pre>a  b\n  c</pre>d  e", "a  b\nc\n\nd e"),
        ("<nav>no</nav>yes<footer>no</footer>", "yes"),
        ("yes<a href='no", "yes"),
        ("yes<!-- no", "yes"),
        ("&#99999999999999999999;", "\ufffd"),
        ("", ""),
    ],
)
def test_the_words_of_a_page_are_read(page: str, text: str) -> None:
    assert page_text(page) == text + "\n"


def test_links_stand_before_their_words_where_they_are_asked_for() -> None:
    page = "<nav>menu</nav> <a class=x href='https://a.example/?x=1&amp;y=2'>one</a> <a href=/two>two</a> <a name=x>three</a>"

    assert page_text(page, links=True) == "menu\n\n(https://a.example/?x=1&y=2) one two three\n"
    assert page_text(page) == "one two three\n"


@pytest.mark.parametrize("form", PAGES, ids=lambda form: form.name)
def test_a_page_is_read_in_time_that_grows_with_its_length(form: Form) -> None:
    page = b"".join(form.pieces(500_000)).partition(b"\r\n\r\n")[2].decode()

    begun = time.process_time()
    text = page_text(page, links=True)

    assert form.words in text
    assert time.process_time() - begun < 20  # what is quadratic needs minutes
