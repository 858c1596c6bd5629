import json
from pathlib import Path

import pytest

from atomic_agents.testing.servers import OpenAIServer, Reply
from atomic_agents.testing.shell import Shell

PAGE = {
    "name": "Hide glue", "description": "sets in four minutes", "body": "It sets in four minutes [1].",
    "citations": [{"mark": 1, "quote": "sets in four minutes"}],
}  # fmt: skip


@pytest.fixture
def scout(shell: Shell) -> Path:
    assert shell("init", "scout", "--model", "openai:gpt-5-mini").code == 0
    (shell.home / "glue.txt").write_text("Hide glue sets in four minutes.\n")
    return shell.root / "scout"


def test_from_a_file_to_a_page_whose_citations_hold(scout: Path, shell: Shell) -> None:
    with OpenAIServer([Reply(json.dumps({"pages": [PAGE]}))]) as server:
        online = Shell(shell.root, shell.home, {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k"})
        ingested = online("wiki", "ingest", "scout", "glue.txt")
        plan = online("wiki", "distill", "scout", "--plan")
        distilled = online("wiki", "distill", "scout")
    listed = shell("wiki", "list", "scout")
    verified = shell("wiki", "verify", "scout")

    assert ingested.out == "new        raw/glue.txt\n1 file of 1 taken in\n"
    assert plan.out.startswith("raw/glue.txt\n1 source in 1 part; 0 have pages that hold\n")
    assert distilled.out == "wrote wiki/hide_glue.md from raw/glue.txt\n1 page, 0 refused, $0.0004\n"
    assert "hide_glue.md  1        1" in listed.out
    assert verified.out == "1 citation in 1 page, 1 source: all hold\n"
    assert (scout / "raw" / "glue.txt").read_bytes() == (shell.home / "glue.txt").read_bytes()


def test_a_citation_that_does_not_hold_fails_and_names_its_line(scout: Path, shell: Shell) -> None:
    shell("wiki", "ingest", "scout", "glue.txt")
    page = (
        '---\nname: P\ndescription: d\ntype: wiki_page\nsources: [raw/glue.txt]\n---\n\n[^1]: raw/glue.txt:1 — "five"\n'
    )
    (scout / "wiki" / "p.md").write_text(page)

    done = shell("wiki", "verify", "scout")
    value = shell("wiki", "verify", "scout", "--json").value

    linted = shell("memory", "lint", "scout", "--json").value["findings"]

    assert done.code == 1
    assert [(one["rule"], one["path"], one["line"]) for one in linted] == [("citation", "scout/wiki/p.md", 8)]
    assert 'error: scout/wiki/p.md:8: cites words that are not in raw/glue.txt: "five"' in done.err
    assert [problem["line"] for problem in value["problems"]] == [8]


def test_a_dry_run_of_ingesting_writes_nothing(scout: Path, shell: Shell) -> None:
    done = shell("wiki", "ingest", "scout", "glue.txt", "--dry-run")

    assert done.out.endswith("1 file of 1 would be taken in; nothing was changed\n")
    assert not (scout / "raw" / "glue.txt").exists()


def test_what_is_wrong_is_said_with_what_to_type(scout: Path, shell: Shell) -> None:
    url = shell("wiki", "ingest", "scout", "https://example.org/x.html")
    page = shell("wiki", "show", "scout", "glue")
    quotes = shell("wiki", "distill", "scout", "--model", "embedded:quote")

    assert (url.code, url.err) == (
        2, "error: https://example.org/x.html is not fetched\n  hint: save it as a file, and name that\n",
    )  # fmt: skip
    assert (page.code, quotes.code) == (1, 7)
    assert "distilling needs a model that writes" in quotes.err
    assert not list((scout / "log").glob("*/*"))
