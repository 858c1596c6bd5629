"""What an operator does with notes, through the operations that every door calls."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from atomic_agents import bootstrap, config
from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.core.document import parse
from atomic_agents.core.errors import Conflict, DocumentMissing, UsageError
from atomic_agents.memory import edits, history
from atomic_agents.operations import changes
from atomic_agents.operations.changes import Plan, Verb
from atomic_agents.operations.workspace import Workspace

NAME = "caldwell"
TEA: Mapping[str, object] = {
    "type": "user", "name": "Tea", "description": "drinks tea", "confidence": "high", "sources": ["operator"],
    "body": "Green tea at four.",
}  # fmt: skip
BANK: Mapping[str, object] = {**TEA, "type": "decision", "name": "Database of the ledger", "body": "It is Postgres."}


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    home = tmp_path / "vault" / NAME
    (home / "persona").mkdir(parents=True)
    (home / "memory").mkdir()
    (home / "persona" / "IDENTITY.md").write_text("# Caldwell\n")
    (home / "persona" / "USER.md").write_text("# USER\n\nHe is old.\n")
    opened = bootstrap.open_workspace(config.load(str(tmp_path / "vault")))
    yield opened
    opened.close()


def do(workspace: Workspace, verb: Verb, what: str = "test") -> Plan:
    return changes.do(workspace, NAME, verb, what=what, reason="a test")


def add(workspace: Workspace, **fields: object) -> Plan:
    return do(workspace, lambda book: edits.add(book, {**TEA, **fields}), "add")


def undo(workspace: Workspace, wanted: str = "") -> Plan:
    verb, undone = changes.undo(workspace, NAME, wanted)
    return changes.do(workspace, NAME, verb, what="undo", reason="a test", undoes=undone)


def text(workspace: Workspace, file: str) -> str:
    blob = workspace.store.read(f"{NAME}/memory/{file}")
    return blob.data.decode() if blob else ""


def meta(workspace: Workspace, file: str) -> Mapping[str, object]:
    return parse(file, text(workspace, file).encode()).meta


def write(workspace: Workspace, file: str, content: str) -> None:
    workspace.store.apply(ChangeSet("by hand", (Put(f"{NAME}/memory/{file}", content.encode()),)))


def documents(workspace: Workspace) -> dict[str, bytes]:
    paths = [path for path in workspace.store.paths(f"{NAME}/") if "/.versions/" not in path]
    return {path: blob.data for path in paths if (blob := workspace.store.read(path))}


def test_a_note_is_added_with_its_provenance_reason_and_diff(workspace: Workspace) -> None:
    plan = add(workspace)

    assert meta(workspace, "user_tea.md")["provenance"] == "operator"
    assert "+Green tea at four." in plan.diff
    assert not [line for line in plan.diff if ".versions" in line]
    (entry,) = history.entries(workspace.vault, NAME)
    assert (entry.what, entry.by, entry.reason, entry.files) == ("add", "operator", "a test", ("user_tea.md",))


def test_every_verb_is_undone_to_the_byte(workspace: Workspace) -> None:
    add(workspace)
    add(workspace, name="Coffee", body="Coffee at nine, black.")
    verbs: list[Verb] = [
        lambda book: edits.add(book, {**TEA, "name": "Milk"}, supersedes=["user_tea"]),
        lambda book: edits.edit(book, "user_tea", {"description": "no tea"}, "None any more."),
        lambda book: edits.merge(book, "user_tea", ["user_coffee"], None),
        lambda book: edits.supersede(book, "user_tea", "user_coffee"),
        lambda book: edits.pin(book, "user_tea"),
        lambda book: edits.archive(book, "user_tea"),
        changes.promote(workspace, NAME, ["user_tea"]),
    ]
    before = documents(workspace)

    for verb in verbs:
        do(workspace, verb)
        assert before != documents(workspace)
        undo(workspace)
        assert before == documents(workspace)


def test_an_undo_is_undone_like_any_other_change(workspace: Workspace) -> None:
    add(workspace)
    after = documents(workspace)
    undone = undo(workspace)

    undo(workspace, undone.id)

    assert after == documents(workspace)
    assert [entry.undone for entry in history.entries(workspace.vault, NAME)] == [False, True, False]


def test_an_undo_refuses_where_somebody_has_written_since(workspace: Workspace) -> None:
    add(workspace)
    do(workspace, lambda book: edits.pin(book, "user_tea"), "pin")
    write(workspace, "user_tea.md", text(workspace, "user_tea.md") + "\nBy hand.\n")
    before = documents(workspace)

    with pytest.raises(Conflict, match="was edited since"):
        undo(workspace)

    assert before == documents(workspace)


def test_an_undo_keeps_what_was_added_to_the_index_since(workspace: Workspace) -> None:
    first = add(workspace)
    add(workspace, name="Coffee", body="Coffee at nine.")

    undo(workspace, first.id)

    assert "user_coffee.md" in text(workspace, "INDEX.md")
    assert "user_tea.md" not in text(workspace, "INDEX.md")
    with pytest.raises(UsageError, match="taken back already"):
        undo(workspace, first.id)


def test_a_decision_that_contradicts_an_older_one_is_told_before_it_is_written(workspace: Workspace) -> None:
    add(workspace, **BANK)
    other = {**BANK, "name": "Ledger database", "body": "It is SQLite."}
    before = documents(workspace)

    with pytest.raises(Conflict, match=r"decision_database_of_the_ledger\.md decides the same differently") as told:
        add(workspace, **other)

    assert before == documents(workspace)
    assert "--supersede decision_database_of_the_ledger.md" in told.value.hint
    do(workspace, lambda book: edits.add(book, other, supersedes=["decision_database_of_the_ledger"]))
    assert meta(workspace, "decision_ledger_database.md")["supersedes"] == ["decision_database_of_the_ledger.md"]
    assert meta(workspace, "decision_database_of_the_ledger.md")["superseded_by"] == "decision_ledger_database.md"
    do(workspace, lambda book: edits.add(book, {**BANK, "body": "It is a book."}, anyway=True))


def test_a_decision_on_another_subject_is_none_of_it(workspace: Workspace) -> None:
    add(workspace, **BANK)

    add(workspace, **{**BANK, "name": "Database of the ledger 2", "body": "It is SQLite."})
    add(workspace, **{**BANK, "name": "Paper of the ledger", "body": "It is thick."})

    assert len(history.entries(workspace.vault, NAME)) == 3


def test_merging_joins_texts_sources_and_tags_and_keeps_the_others(workspace: Workspace) -> None:
    add(workspace, tags=["drink"])
    add(workspace, name="Cup", body="From the blue cup.", sources=["letter"], tags=["cup"])

    do(workspace, lambda book: edits.merge(book, "user_tea", ["user_cup"], None))

    assert text(workspace, "user_tea.md").endswith("\n\nGreen tea at four.\n\nFrom the blue cup.\n")
    merged = meta(workspace, "user_tea.md")
    assert (merged["sources"], merged["tags"]) == (["operator", "letter"], ["drink", "cup"])
    assert meta(workspace, "user_cup.md")["superseded_by"] == "user_tea.md"


def test_supersession_in_a_circle_is_refused(workspace: Workspace) -> None:
    add(workspace)
    add(workspace, name="Cup", body="From the blue cup.")
    do(workspace, lambda book: edits.supersede(book, "user_tea", "user_cup"))

    with pytest.raises(UsageError, match="itself"):
        do(workspace, lambda book: edits.supersede(book, "user_cup", "user_tea"))


def test_what_was_archived_or_superseded_is_brought_back_with_its_line(workspace: Workspace) -> None:
    add(workspace)
    add(workspace, name="Cup", body="From the blue cup.")
    index = text(workspace, "INDEX.md").replace("drinks tea\n", "my own words\n", 1)
    write(workspace, "INDEX.md", index)
    do(workspace, lambda book: edits.supersede(book, "user_cup", "user_tea"))
    do(workspace, lambda book: edits.archive(book, "user_tea"))

    do(workspace, lambda book: edits.restore(book, "user_tea", ""))
    do(workspace, lambda book: edits.restore(book, "user_cup", ""))

    assert meta(workspace, "user_tea.md")["supersedes"] == []
    assert "superseded_by" not in meta(workspace, "user_cup.md")
    above = text(workspace, "INDEX.md").partition("## Archive")[0]
    assert above.count("user_tea.md") == above.count("user_cup.md") == 1
    assert "my own words" in above


def test_a_former_text_is_restored_by_the_name_of_its_version(workspace: Workspace) -> None:
    add(workspace)
    before = text(workspace, "user_tea.md")
    do(workspace, lambda book: edits.edit(book, "user_tea", {}, "None any more."))
    (version,) = history.versions(workspace.vault, NAME, "user_tea.md")

    do(workspace, lambda book: edits.restore(book, "user_tea", version))

    assert before == text(workspace, "user_tea.md")
    with pytest.raises(DocumentMissing, match="has no version"):
        do(workspace, lambda book: edits.restore(book, "user_tea", "2020"))


def test_a_note_that_is_not_there_is_told_with_the_nearest(workspace: Workspace) -> None:
    add(workspace)

    with pytest.raises(DocumentMissing, match=r"has no note user_te\.md") as told:
        do(workspace, lambda book: edits.pin(book, "user_te"))

    assert told.value.hint == "did you mean user_tea.md"


def test_a_note_that_is_read_only_is_not_changed_by_the_operator_either(workspace: Workspace) -> None:
    add(workspace)
    tools = b"---\nschema_version: 2\nread_only_paths: [memory/user_tea.md]\n---\n"
    workspace.store.apply(ChangeSet("by hand", (Put(f"{NAME}/tools.md", tools),)))

    with pytest.raises(Exception, match=r"tools\.md allows no writing in user_tea\.md"):
        do(workspace, lambda book: edits.pin(book, "user_tea"))


def test_a_promoted_note_and_the_persona_name_each_other(workspace: Workspace) -> None:
    add(workspace)

    do(workspace, changes.promote(workspace, NAME, ["user_tea"]))

    blob = workspace.store.read(f"{NAME}/persona/USER.md")
    assert blob is not None
    assert blob.data.decode() == (
        "# USER\n\nHe is old.\n\n## Promoted from memory\n\n"
        "- **Tea**: Green tea at four.\n  <!-- from memory/user_tea.md -->\n"
    )
    assert meta(workspace, "user_tea.md")["superseded_by"] == "persona/USER.md#promoted-from-memory"
    with pytest.raises(UsageError, match="is not loaded"):
        do(workspace, changes.promote(workspace, NAME, ["user_tea"]))


def test_eight_processes_write_twenty_five_notes_each_and_none_is_lost(workspace: Workspace) -> None:
    script = (
        "import sys\nfrom atomic_agents import bootstrap, config\nfrom atomic_agents.memory import edits\n"
        "from atomic_agents.operations import changes\nroot, one = sys.argv[1:]\n"
        "w = bootstrap.open_workspace(config.load(root))\n"
        "for i in range(25):\n"
        f"    fields = {dict(TEA)!r} | {{'name': f'Fact {{one}} {{i}}', 'body': f'{{one}} {{i}}'}}\n"
        "    changes.do(w, 'caldwell', lambda book: edits.add(book, fields), what='add', reason='')\n"
    )
    root = str(workspace.config.root)
    writers = [subprocess.Popen([sys.executable, "-c", script, root, letter]) for letter in "abcdefgh"]

    assert [writer.wait(timeout=120) for writer in writers] == [0] * 8
    notes, _ = workspace.vault.notes(NAME)
    assert len(notes) == 200
    assert text(workspace, "INDEX.md").count("](user_fact_") == 200
    assert changes.examine(workspace, NAME, audited=False)[0].rule == "index-long"
