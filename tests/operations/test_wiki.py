import hashlib
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.core.errors import DocumentMissing, PathRefused, ProviderFailed, UsageError
from atomic_agents.core.model import Answer, Request, Usage
from atomic_agents.operations import wiki
from atomic_agents.operations.wiki import Distilled
from atomic_agents.operations.workspace import Workspace
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.scripted import ScriptedModel
from atomic_agents.testing.workspaces import add_agent, scripted_workspace

GLUE = "Glue, notes\n\nHide glue sets in four\nminutes at 20 degrees.\n\nKeep it “warm”.\n"
PAGE = {
    "name": "Hide glue", "description": "sets in four minutes",
    "body": "It sets in four minutes [1].\n\n- Keep it warm. [2]",
    "citations": [
        {"mark": 1, "quote": "Hide glue sets in four minutes"}, {"mark": 2, "quote": 'Keep it "warm"'},
    ],
}  # fmt: skip

Build = Callable[..., Workspace]


def answer(*pages: object) -> Answer:
    return Answer(json.dumps({"pages": list(pages)}), (), Usage(1000, 100))


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def build(said: object = (), *more: Put) -> Workspace:
        store = FolderStore(tmp_path / "vault")
        add_agent(store)
        prices = Put("prices.toml", b'["scripted:model"]\ninput = 1.0\noutput = 1.0\n')
        store.apply(ChangeSet("plant", (prices, *more)))
        model = said if isinstance(said, ScriptedModel) else ScriptedModel(said, local=False)  # type: ignore[arg-type]
        (tmp_path / "glue.txt").write_text(GLUE)
        return scripted_workspace(store, model, root=tmp_path / "vault")

    return build


def ingest(workspace: Workspace, path: Path, *, dry_run: bool = False) -> list[tuple[str, str]]:
    return [(one.path, one.became) for one in wiki.ingest(workspace, "caldwell", str(path), dry_run=dry_run)]


def distil(workspace: Workspace, source: str | None = None, *, most: Decimal | None = None) -> Distilled:
    return wiki.distil(
        workspace, "caldwell", source, model_id=None, critical=False, max_cost=most, on_notice=lambda _: None,
        progress=lambda *_: None,
    )  # fmt: skip


def text(workspace: Workspace, path: str) -> str:
    blob = workspace.store.read(f"caldwell/{path}")
    return blob.data.decode() if blob else ""


def everything(workspace: Workspace) -> dict[str, bytes]:
    blobs = {path: workspace.store.read(path) for path in workspace.store.paths()}
    return {path: blob.data for path, blob in blobs.items() if blob}


def test_a_source_is_kept_byte_for_byte_with_its_hash(build: Build, tmp_path: Path) -> None:
    workspace = build()
    (tmp_path / "glue.txt").write_bytes(b"caf\xe9\r\nglue\r\n")

    assert ingest(workspace, tmp_path / "glue.txt") == [("raw/glue.txt", "new")]

    assert everything(workspace)["caldwell/raw/glue.txt"] == b"caf\xe9\r\nglue\r\n"
    digest = hashlib.sha256(b"caf\xe9\r\nglue\r\n").hexdigest()
    assert f"sha256: {digest}\n" in text(workspace, "raw/glue.txt.source.md")


def test_the_same_again_changes_nothing(build: Build, tmp_path: Path) -> None:
    workspace = build()
    ingest(workspace, tmp_path / "glue.txt")
    before = everything(workspace)

    assert ingest(workspace, tmp_path / "glue.txt") == [("raw/glue.txt", "unchanged")]

    assert everything(workspace) == before


def test_a_folder_is_taken_in_file_by_file(build: Build, tmp_path: Path) -> None:
    workspace = build()
    folder = tmp_path / "My docs"
    (folder / "deep").mkdir(parents=True)
    for name in ("a b.html", "deep/c.md", ".hidden.md", "x.exe", "empty.txt"):
        (folder / name).write_text("" if name == "empty.txt" else f"<p>{name}</p>")

    assert sorted(ingest(workspace, folder)) == [
        ("", "skipped"), ("", "skipped"), ("raw/My_docs/a_b.html", "new"), ("raw/My_docs/deep/c.md", "new"),
    ]  # fmt: skip
    assert text(workspace, "raw/My_docs/a_b.html.source.md").endswith("---\n\na b.html\n")


@pytest.mark.parametrize("path", ["https://example.org/a.html", "/no/such/file.txt", "raw/../persona/IDENTITY.md"])
def test_what_is_no_file_is_refused(build: Build, path: str) -> None:
    with pytest.raises((UsageError, PathRefused)):
        list(wiki.ingest(build(), "caldwell", path, dry_run=False))


def test_a_page_cites_the_words_and_where_they_stand(build: Build, tmp_path: Path) -> None:
    workspace = build([answer(PAGE)])
    ingest(workspace, tmp_path / "glue.txt")

    done = distil(workspace)

    page = text(workspace, "wiki/hide_glue.md")
    assert done.pages == [("raw/glue.txt", "hide_glue.md", False)]
    assert page.endswith(
        "# Hide glue\n\nIt sets in four minutes [^1].\n\n- Keep it warm. [^2]\n\n## Sources\n\n"
        '[^1]: raw/glue.txt:3 — "Hide glue sets in four minutes"\n[^2]: raw/glue.txt:6 — "Keep it "warm""\n'
    )
    assert "provenance: document\n" in page
    assert "schema_version: 2\n" in page
    assert text(workspace, "wiki/INDEX.md") == "# Wiki Index\n\n- [Hide glue](hide_glue.md) — sets in four minutes\n"
    assert wiki.verify(workspace, "caldwell") == []


def test_a_quote_that_is_not_in_the_source_goes_back_and_then_is_refused(build: Build, tmp_path: Path) -> None:
    wrong = {
        **PAGE,
        "name": "Invented",
        "citations": [{"mark": 1, "quote": "sets in five minutes"}, {"mark": 2, "quote": "x" * 9}],
    }
    model = ScriptedModel([answer(wrong, PAGE), answer(wrong, PAGE)], local=False)
    workspace = build(model)
    ingest(workspace, tmp_path / "glue.txt")

    done = distil(workspace)

    assert (
        "- page Invented: the quote [1] is not in raw/glue.txt: 'sets in five minutes'"
        in model.requests[1].messages[-1].text
    )
    assert [file for _, file, _ in done.pages] == ["hide_glue.md"]
    assert done.refused[0] == "page Invented: the quote [1] is not in raw/glue.txt: 'sets in five minutes'"
    assert done.cost == Decimal("0.0022")
    assert text(workspace, "wiki/invented.md") == ""


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ({**PAGE, "body": "It sets."}, "no citation is marked in its body"),
        ({**PAGE, "body": "It sets [1] [3]."}, "[3] has no citation"),
        ({**PAGE, "citations": []}, "citations: [] should be non-empty"),
        (
            {**PAGE, "body": "It sets [2].", "citations": [{"mark": 2, "quote": "glue"}]},
            "the quote [2] is too short to be looked up: 'glue'",
        ),
        (
            {**PAGE, "body": f"{PAGE['body']} The key: AKIAIOSFODNN7EXAMPLE"},
            "it holds what looks like a key or a password",
        ),
        ("x", "page: 'x' is not of type 'object'"),
    ],
)
def test_an_answer_without_sound_citations_is_refused(build: Build, tmp_path: Path, page: object, why: str) -> None:
    workspace = build([answer(page), answer(page)])
    ingest(workspace, tmp_path / "glue.txt")

    done = distil(workspace)

    assert isinstance(done.failure, ProviderFailed)
    assert why in done.failure.message
    assert done.pages == []


def test_a_changed_source_keeps_what_it_was_and_makes_its_pages_stale(build: Build, tmp_path: Path) -> None:
    workspace = build([answer(PAGE)])
    ingest(workspace, tmp_path / "glue.txt")
    distil(workspace)
    (tmp_path / "glue.txt").write_text(GLUE.replace("four", "five"))

    (found,) = wiki.ingest(workspace, "caldwell", str(tmp_path / "glue.txt"), dry_run=False)

    assert (found.became, found.stale) == ("changed", ("hide_glue.md",))
    assert "stale_sources:\n- raw/glue.txt\n" in text(workspace, "wiki/hide_glue.md")
    (kept,) = workspace.store.paths("caldwell/raw/.versions/glue/")
    assert everything(workspace)[kept] == GLUE.encode()
    assert [(problem.severity, problem.message) for problem in wiki.verify(workspace, "caldwell")] == [
        ("warning", "is stale: raw/glue.txt has changed since"),
        ("error", 'cites words that are not in raw/glue.txt: "Hide glue sets in four minutes"'),
    ]


def test_a_stale_page_is_made_anew_and_its_former_text_is_kept(build: Build, tmp_path: Path) -> None:
    five = {**PAGE, "citations": [{"mark": 1, "quote": "sets in five"}, {"mark": 2, "quote": 'Keep it "warm"'}]}
    model = ScriptedModel([answer(PAGE), answer(five)], local=False)
    workspace = build(model)
    ingest(workspace, tmp_path / "glue.txt")
    distil(workspace)
    (tmp_path / "glue.txt").write_text(GLUE.replace("four", "five"))
    ingest(workspace, tmp_path / "glue.txt")

    done = distil(workspace)

    assert done.pages == [("raw/glue.txt", "hide_glue.md", True)]
    assert 'path="caldwell/wiki/hide_glue.md"' in model.requests[1].messages[0].text
    assert "stale_sources" not in text(workspace, "wiki/hide_glue.md")
    assert len(list(workspace.store.paths("caldwell/wiki/.versions/hide_glue/"))) == 1
    assert text(workspace, "wiki/INDEX.md").count("hide_glue.md") == 1
    assert wiki.verify(workspace, "caldwell") == []


def test_a_page_of_the_same_name_from_elsewhere_is_left_alone(build: Build, tmp_path: Path) -> None:
    head = b"name: Hide glue\ndescription: mine\ntype: wiki_page\nschema_version: 2\nprovenance: operator\n"
    mine = b"---\n" + head + b"---\n\nMine.\n"
    workspace = build([answer(PAGE)], Put("caldwell/wiki/hide_glue.md", mine))
    ingest(workspace, tmp_path / "glue.txt")

    done = distil(workspace)

    assert done.pages == [("raw/glue.txt", "hide_glue_2.md", False)]
    assert everything(workspace)["caldwell/wiki/hide_glue.md"] == mine


def test_only_what_is_new_or_has_changed_is_asked_about(build: Build, tmp_path: Path) -> None:
    workspace = build([answer(PAGE)])
    ingest(workspace, tmp_path / "glue.txt")
    distil(workspace)

    planned = wiki.plan(workspace, "caldwell", None, model_id=None)

    assert (planned.parts, planned.idle) == ((), ("raw/glue.txt",))
    assert len(wiki.plan(workspace, "caldwell", "glue.txt", model_id=None).parts) == 1


def test_a_long_source_is_read_in_parts_to_its_end(build: Build, tmp_path: Path) -> None:
    asked: list[str] = []

    def said(request: Request) -> Answer:
        asked.append(request.messages[0].text)
        return answer()

    workspace = build(said)
    lines = [f"Line {number} of a long source, which goes on." for number in range(4_000)]
    (tmp_path / "long.txt").write_text("\n".join(lines))
    ingest(workspace, tmp_path / "long.txt")

    distil(workspace)

    assert len(asked) > 3
    assert all(any(f"{line}\n" in part for part in asked) for line in lines[::97])


def test_a_run_of_it_is_logged_and_stays_below_what_it_may_cost(build: Build, tmp_path: Path) -> None:
    workspace = build([])
    ingest(workspace, tmp_path / "glue.txt")

    done = distil(workspace, most=Decimal("0.001"))

    assert done.failure is not None
    assert done.failure.code == "budget-exceeded"
    (line,) = text(workspace, "log/2026-11/2026-11-22.jsonl").splitlines()
    assert (json.loads(line)["trigger"], json.loads(line)["status"]) == ("distill", "skipped")


def test_a_model_that_only_quotes_is_refused_and_so_is_a_source_that_is_not_there(build: Build, tmp_path: Path) -> None:
    workspace = build()
    ingest(workspace, tmp_path / "glue.txt")

    with pytest.raises(ProviderFailed, match="distilling needs a model that writes"):
        wiki.plan(workspace, "caldwell", None, model_id="embedded:quote")
    with pytest.raises(DocumentMissing) as missing:
        wiki.plan(workspace, "caldwell", "glu.txt", model_id=None)
    assert missing.value.hint == "did you mean raw/glue.txt"


def test_what_does_not_hold_is_named_with_its_line(build: Build) -> None:
    page = (
        "---\nname: P\ndescription: d\ntype: wiki_page\nschema_version: 2\nprovenance: document\n"
        "sources:\n- raw/gone.txt\n- raw/a.txt\n---\n\nSaid [^1], and [^2].\n\n"
        '[^1]: raw/a.txt:1 — "not in it"\n[^3]: raw/b.txt — "x"\n'
    )
    puts = (Put("caldwell/wiki/p.md", page.encode()), Put("caldwell/raw/a.txt", b"words\n"))
    side = b"---\nsha256: 00\n---\n"

    found = wiki.verify(build((), *puts, Put("caldwell/raw/a.txt.source.md", side)), "caldwell")

    assert [(problem.where.removeprefix("caldwell/"), problem.message) for problem in found] == [
        ("wiki/p.md:7", "cites raw/gone.txt, which is not there"),
        ("wiki/p.md:14", 'cites words that are not in raw/a.txt: "not in it"'),
        ("wiki/p.md:15", "cites raw/b.txt, which is not there"),
        ("wiki/p.md:12", "has no footnote 2"),
        ("raw/a.txt", "is not what was ingested: its hash differs"),
    ]


def test_a_published_wiki_holds(vault_copy: Callable[[str], Path]) -> None:
    workspace = scripted_workspace(FolderStore(vault_copy("samples")), [])

    assert wiki.verify(workspace, "caldwell") == []
    assert wiki.show(workspace, "caldwell", "Hardwax oil").startswith("---\ncaptured:")
    assert wiki.show(workspace, "caldwell", "raw/2026-03-30_hardwax_oil_trials.txt").startswith("HARDWAX OIL")
