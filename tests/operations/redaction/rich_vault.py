"""A vault in which everything that is kept of an agent says something, made by real runs of a scripted model."""

import functools
import json
import re
from collections.abc import Mapping

from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.core.errors import ProviderFailed
from atomic_agents.core.model import Answer, ToolCall, Usage
from atomic_agents.memory import edits
from atomic_agents.operations import changes, dreaming, dreams, finishing, journal
from atomic_agents.operations.dreaming import Wish
from atomic_agents.runtime.conversation import Talk
from atomic_agents.runtime.order import Order
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.scripted import Script
from atomic_agents.testing.workspaces import add_agent, run, scripted_workspace

NAME = "caldwell"
TEA: Mapping[str, object] = {
    "type": "user", "name": "Green tea", "description": "drinks green tea at four, instead of coffee",
    "confidence": "high", "sources": ["operator", "what Miriam said on Monday"], "body": "Green tea at four. "
    "See [the cost](project_cost_of_tea.md), [[user_green_tea|his tea]] and <https://tea.example/tea>.",
    "tags": ["tea", "memory"],
}  # fmt: skip
COST: Mapping[str, object] = {
    "type": "project", "name": "Cost of tea", "description": "what the status of the cost is, in 2026",
    "confidence": "medium", "sources": ["run-20260101-000000-000000-00000001"],
    "body": "The cost is ok. The user pays, true, null or not; the run of 2026-05-01 was instead of the model's. "
    "Café and naïve Zoë; memory/user_green_tea.md says more, and [wiki](../wiki/oolong.md).",
}  # fmt: skip
CAPTURE = {
    "type": "decision", "name": "Memory of the run", "description": "the status is ok", "confidence": "high",
    "sources": ["user"], "body": "The operator decides: memory first, cost last.", "provenance": "inference",
}  # fmt: skip
OOLONG = """---
schema_version: 2
name: Oolong
description: a page on oolong tea
type: wiki_page
provenance: document
captured: '2026-10-01'
last_seen: '2026-10-01'
sources:
- raw/oolong.txt
supersedes: []
---

Oolong is [green](../memory/user_green_tea.md) tea.[^1]

[^1]: raw/oolong.txt:1 — "Oolong costs more than green tea does."
"""
BOOK = """---
schema_version: 2
name: 'The memory: a user''s guide'
description: "ok, true and null"
# a comment about tea, by hand
type: reference
captured: 2026-10-01
last_seen: 2026-10-02
sources: [operator]
confidence: high
provenance: operator
author: Miriam Status
rating: 2026
supersedes: []
---

## Cost

`status` is what the **model** of the user says. Tea-time, user's tea; teapot, instead, costly.

```yaml
cost: 4
status: ok
```
"""


def usage() -> Usage:
    return Usage(1200, 80)


def call(tool: str, **arguments: object) -> ToolCall:
    return ToolCall(f"call-{tool}", tool, json.dumps(arguments))


def put(store: MemoryStore, **documents: str) -> None:
    changes_ = [Put(f"{NAME}/{path}", text.encode()) for path, text in documents.items()]
    store.apply(ChangeSet("plant", tuple(changes_)))


def make() -> MemoryStore:
    """The documents of the vault."""
    store = MemoryStore()
    add_agent(store, NAME, caps="daily_cap_usd: 5\nmonthly_cap_usd: 20")
    add_agent(store, "other")
    store.apply(ChangeSet("plant", (
        Put("prices.toml", b'["scripted:model"]\ninput = 1.0\noutput = 2.0\n'),
        Put("other/memory/reference_book.md", BOOK.encode() + b"\n[tea](../../caldwell/memory/user_green_tea.md)\n"),
    )))  # fmt: skip
    put(store, **{
        "memory/reference_book.md": BOOK, "raw/oolong.txt": "Oolong costs more than green tea does.\n",
        "wiki/oolong.md": OOLONG, "wiki/INDEX.md": "# Wiki Index\n\n- [Oolong](oolong.md) — a page on oolong tea\n",
        "goal.md": "# Goal\n\nKeep the cost of tea low.\n",
    })  # fmt: skip
    _remember(store)
    _run(store)
    _talk(store)
    _dream(store)
    return store


def _remember(store: MemoryStore) -> None:
    opened = scripted_workspace(store, [])
    for fields in (TEA, COST):
        changes.do(opened, NAME, functools.partial(edits.add, fields=fields), what="add", reason="about tea")
    changes.do(
        opened, NAME, lambda book: edits.edit(book, "user_green_tea", {"description": "tea, always"}, None),
        what="edit", reason="the user said so",
    )  # fmt: skip
    changes.do(opened, NAME, changes.reindex(opened), what="reindex", reason="memory")
    _, entry = journal.adding(opened, NAME, "The user asked about the cost of tea in 2026; all is ok.")
    store.apply(entry)


def _run(store: MemoryStore) -> None:
    block = f"Noted, the cost is ok.\n\n```atomic_capture\n{json.dumps(CAPTURE)}\n```\n"
    read = call("read_note", name="user_green_tea.md")
    black = {**TEA, "name": "Black tea", "body": "Black tea, the user says, is null."}
    script = [
        Answer("I look.", (call("recall", query="cost of tea"), read), usage(), "tool_calls"),
        Answer(block, (call("remember", **black),), usage(), "tool_calls"),
        Answer("The status of the tea is true.", (), usage()),
    ]  # fmt: skip
    run(scripted_workspace(store, script), "What does the user's tea cost in 2026? remember: tea is ok.")
    failing: Script = [
        Answer("First I look at memory.", (call("recall", query="status"),), usage(), "tool_calls"),
        ProviderFailed("the model is down, said the provider about tea", context={"status": 400}),
    ]  # fmt: skip
    cut_off = run(scripted_workspace(store, failing), "the status of the user")
    going_on = scripted_workspace(store, [Answer("All is ok, user.", (), usage())])
    finishing.resume(going_on, cut_off.run_id, finishing.Wish(), on_text=lambda _: None, on_notice=lambda _: None)
    summary = json.dumps({
        "ts": "2026-11-02T10:00:00+00:00", "run_id": "run-20261102-100000-000001-00000001", "primitive": "agent_call",
        "status": "ok", "summary": "the cost of tea", "model": "gpt-5-mini", "input_tokens": 1, "output_tokens": 1,
        "cost_usd": 0.950, "cost_source": "actor", "trigger": "cron", "agent_name": NAME,
    })  # fmt: skip
    put(store, **{"log/2026-11/2026-11-02.jsonl": f"{summary}\n"})


def _talk(store: MemoryStore) -> None:
    script = [Answer("Tea, dear user, is memory.", (), usage()), Answer("It ran instead.", (), usage())]
    opened = scripted_workspace(store, script)
    for asked in ("tell me about the tea", "what was the run of 2026?"):
        run(opened, asked, order=Order(asked, conversation="kitchen-plans"), talk=Talk("kitchen-plans"))


def _dream(store: MemoryStore) -> None:
    decision = {
        "kind": "merge", "files": ["user_green_tea.md", "user_black_tea.md"], "into": "user_green_tea.md",
        "name": "Green tea", "description": "tea", "body": "Green tea at four, black tea never.", "reason": "one tea",
    }  # fmt: skip
    opened = scripted_workspace(store, [Answer(json.dumps({"decisions": [decision]}), (), usage())] * 4)
    dreaming.have(
        opened, NAME, Wish(), model_id=None, on_notice=lambda _: None, progress=lambda *_: None
    )  # fmt: skip
    assert dreams.find(opened, NAME, None).hunks


def words_of(store: MemoryStore) -> list[str]:
    """Every word of the agent's documents, in lower case."""
    texts = (blob.data.decode() for path in store.paths(f"{NAME}/") if (blob := store.read(path)))
    return sorted({word.lower() for text in texts for word in re.findall(r"[^\W_]+", text)})
