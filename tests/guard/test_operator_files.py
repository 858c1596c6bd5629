"""No spelling of a path leads a tool that writes to what is the operator's."""

import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atomic_agents.core.model import ToolCall
from atomic_agents.guard.paths import policy
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.shell import tree
from atomic_agents.tools import files
from atomic_agents.tools.edits import Edits
from atomic_agents.tools.tool import ToolResult, answer
from atomic_agents.vault.settings import ToolSettings

OWN = (
    "persona/IDENTITY.md", "tools.md", "model.md", "judges.md", "mandates.md", "policy.md", "mcp.md", "mcp.pins.json",
    ".mcp.json", "roster.md", "serve.md", "goal.md", "AGENTS.md", "skills/x/SKILL.md", "tools/mail.py", "evals/a.md",
    "log/2026-11/2026-11-22.jsonl", "runs/2026-11/r.jsonl", "conversations/c.md", "memory/.versions/x/1.md",
    "schedules/morning.md",
)  # fmt: skip
SHARED = (
    "policy.md", "prices.toml", "AGENTS.md", "_migrations/v2_to_v3.py", "_runs/x.jsonl", ".atomic/x", ".git/config",
    "skills/y/SKILL.md", "other/tools.md", "other/persona/SOUL.md", "roles/r/tools.md", ".personas/p/SOUL.md",
    "_schedules/a/m.json",
)  # fmt: skip
OPERATORS = (*(f"a/{path}" for path in OWN), *SHARED)


def vault(folder: Path) -> Path:
    root = folder / "vault"
    for path in (*OPERATORS, "a/out/plain.md"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("the operator's\n")
    (root / "a/out/door").symlink_to(root / "a/persona")
    (root / "a/out/up").symlink_to(root)
    (root / "a/out/alias.md").symlink_to(root / "a/tools.md")
    os.link(root / "a/model.md", root / "a/out/hard.md")
    return root


def tools(root: Path, *, write: str = "<agents_root>/") -> Any:
    store = FolderStore(root)
    paths = policy("a", ToolSettings(read_paths=("<agents_root>/",), write_paths=(write,)), str(root))
    edits = Edits(store, "a", "run-x", paths, lambda _event, _facts: None)
    both = (*files.reading(store, paths), *files.writing(edits))

    def call(name: str, **arguments: object) -> ToolResult:
        return answer(both, ToolCall("c", name, json.dumps(arguments)))

    return call


def same(path: str) -> str:
    """What a disk that is kind to people takes for one name."""
    seen = "".join(sign for sign in unicodedata.normalize("NFC", path) if unicodedata.category(sign) != "Cf")
    return "/".join(part.rstrip(". ") for part in unicodedata.normalize("NFC", seen.casefold()).split("/"))


HOSTILE = ("", "./", "out/../", "../a/", "/", "out/door/", "out/up/", "out/up/a/", "a/", "//", "\\", "~/", " ")
TAILS = ("", "/", ".", " ", "..", "/.", "\0", "::$DATA", "\u200d", "/x", "~1", ".md", "\n", "\\x", "/../tools.md")


@st.composite
def spellings(draw: st.DrawFn) -> str:
    path = draw(st.sampled_from((*OWN, *(f"../{each}" for each in SHARED), *OPERATORS)))
    signs = [draw(st.sampled_from((sign, sign.upper(), sign.swapcase()))) if sign.isalpha() else sign for sign in path]
    if draw(st.booleans()):
        signs.insert(draw(st.integers(0, len(signs))), draw(st.sampled_from(("\u200b", "\u00ad", "\ufeff", "/", "./"))))
    spelled = unicodedata.normalize(draw(st.sampled_from(("NFC", "NFD"))), "".join(signs))
    return draw(st.sampled_from(HOSTILE)) + spelled + draw(st.sampled_from(TAILS))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spelled=spellings(), name=st.sampled_from(("write_file", "edit_file", "move_file", "to")))
def test_no_spelling_reaches_an_operator_file(
    tmp_path_factory: pytest.TempPathFactory, spelled: str, name: str
) -> None:
    root = vault(tmp_path_factory.mktemp("v"))
    before = tree(root)

    call = tools(root)
    if name == "write_file":
        call(name, path=spelled, text="PWNED")
    elif name == "edit_file":
        call(name, path=spelled, old="the operator's\n", new="PWNED")
    elif name == "move_file":
        call(name, path=spelled, to="out/taken.md")
    else:
        call("move_file", path="out/plain.md", to=spelled)

    after = tree(root)
    assert {path: after.get(path) for path in OPERATORS} == {path: before[path] for path in OPERATORS}
    forbidden = {same(path) for path in OPERATORS}
    made = {path for path in after if path not in before and not path.startswith("a/runs/changes/")}
    assert [path for path in made if same(path) in forbidden] == []
    assert not list(root.parent.glob("*.txt"))


@pytest.mark.parametrize("path", ["out/door/IDENTITY.md", "out/up/policy.md", "out/alias.md", "out/up/a/tools.md"])
def test_a_link_lends_no_leave(tmp_path: Path, path: str) -> None:
    root = vault(tmp_path)
    before = tree(root)

    assert tools(root)("write_file", path=path, text="PWNED").failed
    assert tree(root) == before


def test_a_hard_link_is_parted_and_what_it_was_linked_to_stays(tmp_path: Path) -> None:
    root = vault(tmp_path)

    tools(root)("write_file", path="out/hard.md", text="mine")

    assert (root / "a/model.md").read_text() == "the operator's\n"
    assert (root / "a/out/hard.md").read_text() == "mine"


def test_a_folder_that_the_operator_has_linked_is_read_and_written_there(tmp_path: Path) -> None:
    root = vault(tmp_path)
    (root / "shared").mkdir()
    (root / "a/drafts").symlink_to(root / "shared")

    call = tools(root, write="drafts/")

    assert not call("write_file", path="drafts/x.md", text="mine").failed
    assert (root / "shared/x.md").read_text() == "mine"


def test_reading_follows_no_link_out_of_what_is_granted(tmp_path: Path) -> None:
    root = vault(tmp_path)
    store = FolderStore(root)
    paths = policy("a", ToolSettings(read_paths=("out/",)), str(root))

    found = [
        answer(files.reading(store, paths), ToolCall("c", "read_file", json.dumps({"path": f"out/{path}"}))).failed
        for path in ("plain.md", "door/IDENTITY.md", "up/policy.md", "alias.md")
    ]

    assert found == [False, True, True, True]
