from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.guard.paths import PathPolicy, policy
from atomic_agents.vault import layout
from atomic_agents.vault.settings import ToolSettings

ROOT = "/vault"


def allowed(*, read: str = "", write: str = "", read_only: str = "", agent: str = "a", root: str = ROOT) -> PathPolicy:
    """What an agent may touch that states at most one path of each kind."""
    tools = ToolSettings(
        read_paths=(read,) if read else (),
        write_paths=(write,) if write else (),
        read_only_paths=(read_only,) if read_only else (),
    )
    return policy(agent, tools, root)


@pytest.mark.parametrize(
    ("stated", "covered", "other"),
    [
        ("memory/", "a/memory/x.md", "a/wiki/x.md"),
        ("memory", "a/memory/x.md", "a/memory.archived/x.md"),
        ("./memory/", "a/memory/x.md", "a/x.md"),
        ("./", "a/out/x.md", "b/x.md"),
        (".", "a/out/x.md", "ab/x.md"),
        ("out.d", "a/out.d/x.md", "a/out.dx"),
        ("out/x.md", "a/out/x.md", "a/out/x.md.txt"),
        ("../b", "b/out/x.md", "c/x.md"),
        ("../b/", "b/memory/x.md", "a/out/x.md"),
        ("memory/../out/", "a/out/x.md", "a/memory/x.md"),
        ("<agents_root>/b/out/", "b/out/x.md", "a/out/x.md"),
        ("<agents_root>", "b/out/x.md", "b/tools.md"),
        ("/vault/b/out", "b/out/x.md", "a/out/x.md"),
        ("/vault/b/../c/", "c/x.md", "b/x.md"),
        ("/vault", "z/out/x.md", "_migrations/x.py"),
        ("  out/  ", "a/out/x.md", "a/x.md"),
        ("a b/c", "a/a b/c/x.md", "a/a b/d"),
        ("b..c", "a/b..c/x.md", "a/x.md"),
    ],
)
def test_a_path_covers_what_it_names_and_no_more(stated: str, covered: str, other: str) -> None:
    found = allowed(write=stated)

    assert (found.may_write(covered), found.may_write(other)) == (True, False)
    assert found.may_read(covered)


@pytest.mark.parametrize(
    "stated",
    [
        "../..",
        "../../x",
        "/",
        "/etc",
        "/vaulted/x",
        "/vault/../etc",
        "~",
        "~/x",
        "~nobody/x",
        "<agents_root>/../x",
        " ",
        "/vault/..",
    ],
)
def test_a_path_that_leads_out_of_the_vault_allows_nothing(stated: str) -> None:
    found = allowed(read=stated, write=stated)

    assert not any(
        found.may_write(path) or found.may_read(path) for path in ("b/x.md", "etc/passwd", "x", "x.md", "a/out/x.md")
    )


def test_a_home_path_is_the_vaults_where_the_vault_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))

    found = allowed(write="~/docs/agents/a/out/", root=str(tmp_path / "docs" / "agents"))

    assert found.may_write("a/out/x.md")


def test_without_a_root_on_this_disk_an_absolute_path_allows_nothing() -> None:
    assert not allowed(write="/vault/b", root="").may_write("b/x.md")


def test_what_an_agent_remembers_it_may_read_and_nothing_else() -> None:
    found = allowed()

    mine = [layout.note("a", "x.md"), layout.wiki("a") + "x.md", "a/journal/2026-05/2026-05-09.md"]
    assert [found.may_read(path) for path in (*mine, "a/tools.md", "a/raw/x.md", "b/memory/x.md")] == [True] * 3 + [
        False
    ] * 3
    assert not any(found.may_write(path) for path in mine)


@pytest.mark.parametrize(
    "read_only",
    [
        "memory/archive/",
        "memory/archive",
        "./memory/ARCHIVE",
        "../a/memory/archive",
        "/vault/a/memory/archive",
        "memory/archive/x.md",
    ],
)
def test_read_only_beats_write(read_only: str) -> None:
    found = allowed(write="memory/", read_only=read_only)

    assert found.may_write("a/memory/x.md")
    assert not found.may_write("a/memory/archive/x.md")
    assert not found.may_write("a/memory/Archive/X.md")


def test_a_read_only_folder_with_a_dot_in_its_name_is_a_folder() -> None:
    assert not allowed(write="./", read_only="notes.2025").may_write("a/notes.2025/x.md")


OPERATORS = (
    *layout.SETTINGS_FILES, "persona.link.md", "goal.md", "persona/SOUL.md", "persona/x/y.md", "skills/x/SKILL.md",
    "tools/x.py", "evals/rubric.md", "log/2026-05/2026-05-09.jsonl", "runs/2026-05/r.jsonl", ".git/hooks/x",
    "memory/.versions/x/1.md",
)  # fmt: skip


@pytest.mark.parametrize("write", ["./", "..", "<agents_root>/", "/vault"])
@pytest.mark.parametrize("agent", ["a", "memory", "s/projects/p/agents/writer"])
def test_no_write_path_covers_what_is_the_operators(agent: str, write: str) -> None:
    found = allowed(write=write, agent=agent)

    assert [path for path in OPERATORS if found.may_write(f"{agent}/{path}")] == []
    assert [
        path
        for path in OPERATORS
        if found.may_write(f"{agent}/{path.title()}") or found.may_write(f"{agent}/{path.upper()}")
    ] == []


def test_no_write_path_covers_what_is_another_agents_operators() -> None:
    found = allowed(write="<agents_root>/")
    theirs = (
        "policy.md",
        "prices.toml",
        "s/roles/w/PROMPT.md",
        "s/projects/p/canon.md",
        "s/projects/p/style_guide.md",
        "s/projects/p/policy/x.md",
        ".personas/x/SOUL.md",
        "_migrations/v1_to_v2.py",
        "_runs/x.jsonl",
        ".atomic/index.sqlite",
    )

    assert [path for path in (*theirs, *(f"b/{path}" for path in OPERATORS)) if found.may_write(path)] == []
    assert all(map(found.may_write, ("b/memory/x.md", "b/drafts/x.md", "s/projects/p/notes.md")))


@pytest.mark.parametrize(
    "path", ["a/wiki/tools.md", "a/wiki/model.md", "a/memory/tools/x.md", "a/wiki/policy/x.md", "a/raw/log/x.txt"]
)
def test_an_agents_own_pages_may_have_any_name(path: str) -> None:
    assert allowed(write="./").may_write(path)


@pytest.mark.parametrize(
    "path", ["", "/a/out/x", "a/out/../tools.md", "a/./tools.md", "a//tools.md", "..", "a/out/", "../vault/a/out/x"]
)
def test_what_is_no_plain_path_is_refused(path: str) -> None:
    found = allowed(read="<agents_root>/", write="<agents_root>/")

    assert (found.may_read(path), found.may_write(path)) == (False, False)


SEGMENTS = st.sampled_from(
    ("a", "b", ".", "..", "memory", "tools.md", "persona", "TOOLS.md", "x.md", ".x", "_x", "é", "e\u0301", "log")
)
PATHS = st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join)


@given(PATHS, PATHS, PATHS)
def test_no_path_is_written_that_is_read_only_hidden_or_cannot_be_read(write: str, read_only: str, path: str) -> None:
    with_limit, without = allowed(write=write, read_only=read_only), allowed(write=write)

    if with_limit.may_write(path):
        assert without.may_write(path)
        assert with_limit.may_read(path)
        assert not allowed(write=read_only).may_write(path)
        assert not any(part.startswith(".") for part in path.split("/"))
        assert path.split("/")[1:] not in (["tools.md"], ["TOOLS.md"])
