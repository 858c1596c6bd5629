import datetime
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.core.errors import Conflict, DocumentMissing, ProviderFailed, UsageError
from atomic_agents.core.model import Answer, Request, Usage
from atomic_agents.memory.dream import Dream
from atomic_agents.operations import dreaming, dreams
from atomic_agents.operations.dreaming import Dreamt, Wish
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.sizes import request_tokens
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.scripted import ScriptedModel
from atomic_agents.testing.workspaces import NOON, add_agent, run, scripted_workspace

INDEX = "# Mine\n\n## User Profile\n\n- [Tea](user_tea.md) — by hand\n- [Scones](user_scones.md) — h\n"
MERGE = {
    "kind": "merge", "files": ["user_tea.md", "user_scones.md"], "into": "user_tea.md", "name": "Tea",
    "description": "tea and scones", "body": "Tea at 4, with scones.", "reason": "one tea",
}  # fmt: skip
STALE = {"kind": "stale", "file": "user_plan.md", "reason": "it was for March"}

Build = Callable[..., Workspace]


def note(name: str, body: str, **facts: str) -> Put:
    meta = {"schema_version": "2", "name": name, "description": "h", "type": "user", "captured": "'2026-03-01'",
            "last_seen": "'2026-03-01'", "sources": "[operator]", "confidence": "high", "provenance": "operator",
            **facts}  # fmt: skip
    head = "".join(f"{key}: {value}\n" for key, value in meta.items())
    return Put(f"caldwell/memory/user_{name.lower()}.md", f"---\n{head}---\n\n{body}\n".encode())


def answer(*decisions: Mapping[str, object]) -> Answer:
    return Answer(json.dumps({"decisions": list(decisions)}), (), Usage(1000, 100))


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def build(said: object, *more: Put, caps: str = "", local: bool = False) -> Workspace:
        store = FolderStore(tmp_path / "vault")
        add_agent(store, caps=caps)
        notes = (note("Tea", "Tea at 4."), note("Scones", "With tea, £3.", sources="[nell]", provenance="inference"))
        prices = Put("prices.toml", b'["scripted:model"]\ninput = 1.0\noutput = 1.0\n')
        index = Put("caldwell/memory/INDEX.md", INDEX.encode())
        store.apply(ChangeSet("plant", (*notes, note("Plan", "March."), prices, index, *more)))
        model = said if isinstance(said, ScriptedModel) else ScriptedModel(said, local=local)  # type: ignore[arg-type]
        return scripted_workspace(store, model, root=tmp_path / "vault")

    return build


def have(workspace: Workspace, wish: Wish | None = None) -> Dreamt:
    return dreaming.have(
        workspace, "caldwell", wish or Wish(), model_id=None, on_notice=lambda _: None, progress=lambda *_: None
    )


def accepted(workspace: Workspace, *numbers: int) -> Dream:
    return dreams.review(workspace, dreams.find(workspace, "caldwell", None), dict.fromkeys(numbers, True))


def text(workspace: Workspace, path: str) -> str:
    blob = workspace.store.read(f"caldwell/{path}")
    return blob.data.decode() if blob else ""


def logged(workspace: Workspace) -> list[dict[str, object]]:
    return [json.loads(line) for line in text(workspace, "log/2026-11/2026-11-22.jsonl").splitlines()]


def write(workspace: Workspace, path: str, data: str) -> None:
    workspace.store.apply(ChangeSet("edit", (Put(f"caldwell/{path}", data.encode()),)))


def test_a_decision_is_a_hunk_with_its_reason_and_both_texts(build: Build) -> None:
    workspace = build([answer(MERGE, STALE)])

    found = have(workspace).dream

    merge, stale = found.hunks
    assert (merge.kind, merge.reason, merge.files) == ("merge", "one tea", ("user_tea.md", "user_scones.md"))
    assert (merge.left_out, [piece.before for piece in merge.pieces]) == (
        ("3",), [text(workspace, "memory/user_tea.md"), text(workspace, "memory/user_scones.md")],
    )  # fmt: skip
    assert "expires_at: '2026-12-22'" in (stale.pieces[0].after or "")
    assert dreams.find(workspace, "caldwell", found.id).hunks == found.hunks
    assert "## 1. merge user_tea.md, user_scones.md\n\none tea\n" in text(workspace, f"dreams/{found.id}/report.md")


def test_the_manifest_has_the_published_keys(build: Build) -> None:
    workspace = build([answer(MERGE, STALE)])

    found = have(workspace).dream

    manifest = json.loads(text(workspace, f"dreams/{found.id}/manifest.json"))
    assert manifest["consolidated"] == [{"new": "user_tea.md", "supersedes": ["user_scones.md"], "reason": "one tea"}]
    assert manifest["marked_stale"] == [{"note": "user_plan.md", "new_expires_at": "2026-12-22"}]
    assert (manifest["status"], manifest["total_cost_usd"], manifest["inputs"]["memory_count"]) == (
        "completed",
        0.0011,
        3,
    )


def test_every_question_is_one_log_line_and_is_counted_once(build: Build) -> None:
    workspace = build([Answer("no", (), Usage(1000, 100)), answer(MERGE)])

    found = have(workspace)

    assert [(line["primitive"], line["trigger"], line["cost_usd"]) for line in logged(workspace)] == [
        ("dream", "dream", 0.0011), ("dream", "dream", 0.0011),
    ]  # fmt: skip
    assert found.dream.cost == Decimal("0.0022")
    assert found.runs == tuple(line["run_id"] for line in logged(workspace))


def test_a_wrong_answer_goes_back_once_with_what_is_wrong(build: Build) -> None:
    model = ScriptedModel([answer({**MERGE, "into": "user_x.md"}, {"kind": "burn"}), answer(MERGE)])
    workspace = build(model)

    found = have(workspace)

    asked = model.requests[1].messages
    assert [message.role for message in asked] == ["user", "assistant", "user"]
    assert "- decision 1: into is none of its files" in asked[2].text
    assert "- decision 2: kind is one of merge, stale, contradiction" in asked[2].text
    assert len(found.dream.hunks) == 1


def test_an_answer_that_is_wrong_twice_ends_the_dream(build: Build) -> None:
    workspace = build([answer({**STALE, "file": "user_x.md"}), answer({**STALE, "file": "user_x.md"})])

    found = have(workspace)

    assert isinstance(found.failure, ProviderFailed)
    assert "did not answer as asked, twice: decision 1: there is no user_x.md below" in found.failure.message
    assert (found.dream.status, found.dream.hunks) == ("failed", ())


BURN = {"kind": "burn", "file": "user_tea.md", "reason": "why not"}
UNKNOWN = {**STALE, "file": "user_x.md"}
JOURNAL = Put("caldwell/journal/2026-11/2026-11-21.md", b"# A day\n\nTea was drunk, as every day.\n")
PROMOTE = {
    "kind": "promote", "type": "user", "name": "Tea every day", "description": "d", "body": "Tea is drunk every day.",
    "confidence": "high", "sources": ["journal/2026-11/2026-11-21.md"], "reason": "again and again",
}  # fmt: skip


@pytest.mark.parametrize(
    ("second", "kept", "named"),
    [
        pytest.param(answer(STALE, BURN), ["stale"], "decision 2: kind is one of", id="wrong-again"),
        pytest.param(answer(MERGE, STALE), ["merge", "stale"], "", id="mended"),
        pytest.param(Answer("I cannot."), ["merge"], "decision 2: there is no user_x.md", id="no-json"),
        pytest.param(answer(BURN), ["merge"], "decision 2: there is no user_x.md", id="nothing-right"),
        pytest.param(Answer("{", finish="length"), ["merge"], "decision 2: there is no user_x.md", id="cut-short"),
        pytest.param(ProviderFailed("away"), ["merge"], "decision 2: there is no user_x.md", id="provider-away"),
    ],
)
def test_a_wrong_decision_is_left_out_and_named_and_the_others_are_kept(
    build: Build, second: Answer | Exception, kept: list[str], named: str
) -> None:
    workspace = build([answer(MERGE, UNKNOWN), second])

    found = have(workspace)

    assert [hunk.kind for hunk in found.dream.hunks] == kept
    assert dreams.find(workspace, "caldwell", None).hunks == found.dream.hunks
    assert (named == "") == (found.dream.dropped == ())
    assert any(named in each for each in (*found.dream.dropped, ""))
    assert all(any(each in warning for warning in found.warnings) for each in found.dream.dropped)
    assert named in text(workspace, f"dreams/{found.dream.id}/report.md")


@pytest.mark.parametrize(
    "wrong",
    [
        [answer(UNKNOWN), answer(UNKNOWN)],
        [Answer("no"), Answer("no")],
        [Answer("", finish="refused")],
        [Answer("{", finish="length")],
        [Answer(""), Answer("")],
    ],
    ids=["wrong", "no-json", "refused", "cut-short", "empty"],
)
def test_a_part_that_is_not_answered_keeps_no_other_from_being_asked(build: Build, wrong: list[Answer]) -> None:
    workspace = build([*wrong, answer(PROMOTE)], JOURNAL)

    found = have(workspace)

    assert [hunk.kind for hunk in found.dream.hunks] == ["promote"]
    assert (found.failure, found.dream.status) == (None, "completed")
    assert found.dream.dropped[0].startswith("part 1: ")
    assert dreams.find(workspace, "caldwell", None).dropped == found.dream.dropped


def test_a_provider_that_fails_still_ends_a_dream_with_what_it_has(build: Build) -> None:
    workspace = build([answer(MERGE), ProviderFailed("away")], JOURNAL)

    found = have(workspace)

    assert found.failure is not None
    assert (found.failure.message, found.dream.status) == ("away", "failed")
    assert [hunk.kind for hunk in dreams.find(workspace, "caldwell", None).hunks] == ["merge"]


def test_a_wrong_decision_takes_no_note_from_a_right_one(build: Build) -> None:
    wrong = {**MERGE, "into": "user_x.md"}
    workspace = build([answer(wrong, MERGE), answer(wrong, MERGE)])

    found = have(workspace)

    assert [hunk.kind for hunk in found.dream.hunks] == ["merge"]
    assert found.dream.dropped == ("part 1: decision 1: into is none of its files",)


def test_every_question_of_a_dream_is_within_the_input_limit(build: Build) -> None:
    model = ScriptedModel(lambda _: Answer("wrong " * 2_000, (), Usage(1000, 100)))
    notes = [note(f"N{number}", 'a "quoted" line\n' * (40 * number)) for number in range(1, 14)]
    workspace = build(model, *notes, JOURNAL)

    have(workspace)

    sizes = [request_tokens(request) for request in model.requests]
    assert len(sizes) > 4
    assert max(sizes) <= 12_000


def test_notes_are_read_whole_or_not_at_all(build: Build) -> None:
    model = ScriptedModel(lambda _: answer())
    long = note("Long", "word " * 9_000 + "the end of it")
    huge = note("Huge", "a line of a note of a megabyte\n" * 34_000)
    workspace = build(model, long, huge)

    found = have(workspace)

    asked = "\n".join(request.messages[-1].text for request in model.requests)
    assert "the end of it" in asked
    assert "note of a megabyte" not in asked
    assert found.dream.facts["too_long"] == ["user_huge.md"]


def test_notes_of_a_megabyte_are_changed_and_put_back(build: Build) -> None:
    huge = note("Huge", "a line of a note of a megabyte, 1234567\n" * 27_000)
    model_md = Put(
        "caldwell/model.md", b"---\nschema_version: 2\nmodel: scripted:model\nmax_input_tokens: 400000\n---\n"
    )
    workspace = build([answer({**STALE, "file": "user_huge.md"})], huge, model_md)
    before = text(workspace, "memory/user_huge.md")
    have(workspace)

    done = dreams.apply(workspace, accepted(workspace, 1), dry_run=False)

    assert done.refused == ()
    assert "expires_at" in text(workspace, "memory/user_huge.md")
    dreams.revert(workspace, dreams.find(workspace, "caldwell", None), dry_run=False)
    assert text(workspace, "memory/user_huge.md") == before


def test_a_plan_prices_a_dream_and_asks_nothing(build: Build) -> None:
    model = ScriptedModel([])
    workspace = build(model)

    found = dreaming.plan(workspace, "caldwell", Wish(), model_id="openai:gpt-x")

    assert (found.notes, len(found.questions), found.most, model.requests) == (3, 1, None, [])
    workspace.store.apply(ChangeSet("price", (Put("prices.toml", b'["openai:gpt-x"]\ninput = 1.0\noutput = 1.0\n'),)))
    priced = dreaming.plan(workspace, "caldwell", Wish(), model_id="openai:gpt-x").most
    assert priced is not None
    assert Decimal("0.008") < priced < Decimal("0.04")  # all output twice, and the first answer sent back


def test_a_dream_stops_at_a_cap_and_keeps_what_it_has(build: Build) -> None:
    notes = [note(f"N{number}", f"word{number} " * 3_000) for number in range(4)]

    def said(request: Request) -> Answer:
        found = answer(STALE) if "user_plan.md" in request.messages[0].text else answer()
        return replace(found, usage=Usage(10_000, 1_000))

    workspace = build(said, *notes, caps="daily_cap_usd: 0.030")

    found = have(workspace)

    assert found.failure is not None
    assert (found.failure.code, found.dream.status) == ("budget-exceeded", "failed")
    assert sum(float(str(line.get("cost_usd", 0))) for line in logged(workspace)) <= 0.030
    assert dreams.find(workspace, "caldwell", None).status == "failed"


def test_a_dream_costs_no_more_than_it_may(build: Build) -> None:
    workspace = build([])

    found = have(workspace, Wish(max_cost=Decimal("0.001")))

    assert found.failure is not None
    assert found.failure.code == "budget-exceeded"
    with pytest.raises(DocumentMissing, match="has not dreamt yet"):
        dreams.find(workspace, "caldwell", None)


def test_a_model_that_only_quotes_is_refused(build: Build) -> None:
    workspace = build([])

    with pytest.raises(ProviderFailed, match="embedded:quote only quotes") as refused:
        dreaming.plan(workspace, "caldwell", Wish(), model_id="embedded:quote")

    assert refused.value.exit_status == 7


def test_the_operators_words_go_along(build: Build) -> None:
    model = ScriptedModel([answer()])

    have(build(model), Wish(instructions="look at the plans"))

    assert "The operator adds: look at the plans" in "\n".join(model.requests[0].system)


def test_what_the_journal_shows_becomes_a_note_once_accepted(build: Build) -> None:
    day = Put("caldwell/journal/2026-11/2026-11-20.md", b"# 20 November\n\nAsh again.\n")
    promote = {
        "kind": "promote", "type": "user", "name": "Ash", "description": "asked for ash", "body": "Clients want ash.",
        "confidence": "medium", "sources": ["journal/2026-11/2026-11-20.md"], "reason": "every week",
    }  # fmt: skip
    workspace = build([answer(), answer(promote)], day)
    have(workspace)

    dreams.apply(workspace, accepted(workspace, 1), dry_run=False)

    written = text(workspace, "memory/user_ash.md")
    assert "provenance: inference\n" in written
    assert "- journal/2026-11/2026-11-20.md\n" in written
    assert "- [Ash](user_ash.md) — asked for ash\n" in text(workspace, "memory/INDEX.md")


def test_a_merge_keeps_sources_and_is_vouched_for_by_the_weakest(build: Build) -> None:
    workspace = build([answer(MERGE)])
    have(workspace)

    dreams.apply(workspace, accepted(workspace, 1), dry_run=False)

    merged = text(workspace, "memory/user_tea.md")
    assert "provenance: inference\n" in merged
    assert "sources: [operator, nell]\n" in merged
    assert "supersedes:\n- user_scones.md\n" in merged
    assert merged.endswith("Tea at 4, with scones.\n")
    assert "superseded_by: user_tea.md\n" in text(workspace, "memory/user_scones.md")
    index = text(workspace, "memory/INDEX.md")
    assert "- [Tea](user_tea.md) — by hand\n" in index
    assert index.index("## Archive") < index.index("user_scones.md")


def test_a_note_that_was_edited_keeps_its_edit_and_its_hunk_is_refused(build: Build) -> None:
    workspace = build([answer(MERGE, STALE)])
    have(workspace)
    edited = text(workspace, "memory/user_scones.md").replace("£3", "£4")
    write(workspace, "memory/user_scones.md", edited)

    done = dreams.apply(workspace, accepted(workspace, 1, 2), dry_run=False)

    assert done.refused == ((1, "user_scones.md has changed since"),)
    assert text(workspace, "memory/user_scones.md") == edited
    assert "superseded" not in text(workspace, "memory/user_tea.md")
    assert "expires_at" in text(workspace, "memory/user_plan.md")
    assert [hunk.state for hunk in dreams.find(workspace, "caldwell", None).hunks] == ["accepted", "applied"]


def test_a_note_that_was_only_read_since_is_not_taken_for_changed(build: Build) -> None:
    workspace = build([answer(MERGE)])
    have(workspace)
    seen = text(workspace, "memory/user_tea.md").replace("'2026-03-01'\nsources", "'2026-11-21'\nsources")
    write(workspace, "memory/user_tea.md", seen)

    done = dreams.apply(workspace, accepted(workspace, 1), dry_run=False)

    assert done.refused == ()
    assert "last_seen: '2026-11-21'" in text(workspace, "memory/user_tea.md")


def test_captures_made_meanwhile_and_former_texts_stay(build: Build) -> None:
    capture = '{"type": "user", "name": "New", "description": "d", "confidence": "high", "sources": ["x"], "body": "b"}'
    workspace = build([answer(MERGE), f"Noted.\n```atomic_capture\n{capture}\n```"])
    write(workspace, "memory/.versions/user_tea/20260101T000000Z_00000000.md", "former")
    have(workspace)
    run(workspace, "remember")

    dreams.apply(workspace, accepted(workspace, 1), dry_run=False)

    assert "name: New\n" in text(workspace, "memory/user_new.md")
    assert "user_new.md" in text(workspace, "memory/INDEX.md")
    assert len(list(workspace.store.paths("caldwell/memory/.versions/user_tea/"))) == 2


def test_the_way_back_keeps_captures_made_since(build: Build) -> None:
    capture = '{"type": "user", "name": "New", "description": "d", "confidence": "high", "sources": ["x"], "body": "b"}'
    workspace = build([answer(MERGE), f"Noted.\n```atomic_capture\n{capture}\n```"])
    before = text(workspace, "memory/user_tea.md")
    have(workspace)
    dreams.apply(workspace, accepted(workspace, 1), dry_run=False)
    run(workspace, "remember")

    dreams.revert(workspace, dreams.find(workspace, "caldwell", None), dry_run=False)

    assert text(workspace, "memory/user_tea.md") == before
    entries = [line for line in text(workspace, "memory/INDEX.md").splitlines() if line.startswith("- ")]
    assert sorted(entries) == sorted(
        ["- [New](user_new.md) — d", "- [Tea](user_tea.md) — by hand", "- [Scones](user_scones.md) — h"]
    )


def test_a_patch_is_not_taken_back_over_an_edit(build: Build) -> None:
    workspace = build([answer(MERGE, STALE)])
    have(workspace)
    dreams.apply(workspace, accepted(workspace, 1, 2), dry_run=False)
    write(workspace, "memory/user_plan.md", text(workspace, "memory/user_plan.md").replace("March", "May"))
    merged = text(workspace, "memory/user_tea.md")

    with pytest.raises(Conflict, match=r"hunk 2: user_plan.md has changed since"):
        dreams.revert(workspace, dreams.find(workspace, "caldwell", None), dry_run=False)

    assert text(workspace, "memory/user_tea.md") == merged


def test_a_dry_run_writes_nothing(build: Build) -> None:
    workspace = build([answer(MERGE)])
    have(workspace)
    found = accepted(workspace, 1)
    before = {path: workspace.store.read(path) for path in workspace.store.paths()}

    done = dreams.apply(workspace, found, dry_run=True)

    assert len(done.changes) > 3
    assert {path: workspace.store.read(path) for path in workspace.store.paths()} == before


def test_nothing_is_carried_out_that_nobody_accepted(build: Build) -> None:
    workspace = build([answer(MERGE)])
    have(workspace)

    with pytest.raises(UsageError, match=r"no hunk of drm_.* is accepted"):
        dreams.apply(workspace, dreams.find(workspace, "caldwell", None), dry_run=False)


def test_a_contradiction_is_settled_where_the_notes_say_which_holds_and_else_left_to_the_operator(build: Build) -> None:
    found = {"kind": "contradiction", "files": ["user_tea.md", "user_scones.md"], "reason": "3 or 4"}
    workspace = build([answer({**found, "keep": "user_tea.md"})])

    (settled,) = have(workspace).dream.hunks
    (left,) = have(build([answer({**found, "keep": None})])).dream.hunks

    assert [piece.file for piece in settled.pieces] == ["user_tea.md", "user_scones.md"]
    assert left.pieces == ()


def test_a_note_is_changed_by_one_hunk_only(build: Build) -> None:
    model = ScriptedModel([answer(MERGE, {**STALE, "file": "user_tea.md"}), answer(MERGE)])

    found = have(build(model))

    assert len(found.dream.hunks) == 1
    assert "user_tea.md stands in another decision too" in model.requests[1].messages[-1].text


def test_a_dream_is_thrown_away_unless_it_is_carried_out(build: Build) -> None:
    workspace = build([answer(MERGE)])
    have(workspace)
    found = accepted(workspace, 1)
    applied = dreams.apply(workspace, found, dry_run=False).dream

    with pytest.raises(UsageError, match="carried out"):
        dreams.discard(workspace, applied, dry_run=False)

    dreams.revert(workspace, dreams.find(workspace, "caldwell", None), dry_run=False)
    dreams.discard(workspace, dreams.find(workspace, "caldwell", None), dry_run=False)
    assert list(workspace.store.paths("caldwell/dreams/")) == []


@pytest.mark.parametrize("name", ["../persona", "drm_../../persona", "x", ""])
def test_an_id_leads_nowhere_else(build: Build, name: str) -> None:
    workspace = build([answer(MERGE)])
    have(workspace)

    with pytest.raises(DocumentMissing):
        dreams.find(workspace, "caldwell", name)


def published(root: Path, begun: datetime.datetime) -> None:
    """What another program that writes the published format leaves behind."""
    folder = root / "caldwell" / "dreams" / "drm_2026-11-21T100000_0a1b2c"
    (folder / "memory").mkdir(parents=True)
    manifest = {
        "dream_id": folder.name, "agent_name": "caldwell", "status": "completed", "model": "m", "instructions": "",
        "inputs": {"memory_count": 3}, "output_memory_count": 2, "total_cost_usd": 0.0048, "applied_at": None,
        "consolidated": [
            {"new": "user_all_tea.md", "supersedes": ["user_tea.md", "user_scones.md"], "reason": "twins"}
        ],
        "promoted": [{"new": "feedback_ash.md", "from_journal_entries": ["2026-11-20.md"], "reason": "often"}],
        "marked_stale": [{"note": "user_plan.md", "new_expires_at": "2026-12-21"}],
        "started_at": begun.isoformat(), "archived_path": None,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "report.md").write_text("# Dream Report\n")
    plan = (root / "caldwell/memory/user_plan.md").read_text().replace("schema_version: 2\n", "archived: false\n")
    texts = {
        "user_all_tea.md": "---\nname: All tea\ndescription: tea\ntype: user\nschema_version: 1\n---\n\nTea, scones.\n",
        "feedback_ash.md": "---\nname: Ash\ntype: feedback\nconfidence: medium\nschema_version: 1\n---\n\nAsh sells.\n",
        "user_plan.md": plan,
    }
    for file, content in texts.items():
        (folder / "memory" / file).write_text(content)


def test_a_published_dream_is_listed_reviewed_applied_and_taken_back(build: Build, tmp_path: Path) -> None:
    workspace = build([])
    before = {path.name: path.read_text() for path in (tmp_path / "vault/caldwell/memory").glob("user_*.md")}
    published(tmp_path / "vault", datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=1))

    (found,), problems = dreams.dreams(workspace, "caldwell")
    done = dreams.apply(workspace, dreams.review(workspace, found, dict.fromkeys((1, 2, 3), True)), dry_run=False)

    assert (problems, done.refused, found.cost) == ([], (), Decimal("0.0048"))
    assert [hunk.kind for hunk in found.hunks] == ["merge", "promote", "stale"]
    tea = text(workspace, "memory/user_tea.md")
    assert ("name: All tea\n" in tea, "Tea, scones." in tea, "nell" in tea) == (True, True, True)
    assert "schema_version: 2\n" in text(workspace, "memory/feedback_ash.md")
    assert "expires_at: '2026-12-21'" in text(workspace, "memory/user_plan.md")
    assert text(workspace, f"dreams/{found.id}/report.md") == "# Dream Report\n"
    dreams.revert(workspace, dreams.find(workspace, "caldwell", None), dry_run=False)
    after = {path.name: path.read_text() for path in (tmp_path / "vault/caldwell/memory").glob("user_*.md")}
    assert after == before


def test_a_published_dream_does_not_touch_notes_written_since(build: Build, tmp_path: Path) -> None:
    workspace = build([])
    published(tmp_path / "vault", NOON)
    for path in (tmp_path / "vault/caldwell/memory").glob("*.md"):
        os.utime(path, (NOON.timestamp() - 60,) * 2)
    write(workspace, "memory/user_scones.md", text(workspace, "memory/user_scones.md").replace("£3", "£4"))
    write(workspace, "memory/user_plan.md", text(workspace, "memory/user_plan.md").replace("March", "May"))

    merge, promote, stale = dreams.find(workspace, "caldwell", None).hunks

    assert merge.blocked == "user_scones.md was written after the dream began"
    assert stale.blocked == "user_plan.md was written after the dream began"
    assert (promote.blocked, len(promote.pieces)) == ("", 1)


def test_a_damaged_manifest_is_named_and_the_others_are_listed(build: Build) -> None:
    workspace = build([answer(MERGE)])
    have(workspace)
    write(workspace, "dreams/drm_2026-01-01T000000_000000/manifest.json", "{")
    evil = {"hunks": [{"number": 1, "kind": "stale", "state": "open", "reason": "", "files": [], "left_out": [],
                       "blocked": "", "changes": [{"file": "../tools.md", "before": None, "after": ""}]}]}  # fmt: skip
    write(workspace, "dreams/drm_2026-01-02T000000_000000/manifest.json", json.dumps(evil))

    found, problems = dreams.dreams(workspace, "caldwell")

    assert len(found) == 1
    assert [problem.path.split("/")[2] for problem in problems] == [
        "drm_2026-01-02T000000_000000", "drm_2026-01-01T000000_000000",
    ]  # fmt: skip
