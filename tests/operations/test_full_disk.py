"""What is said where the disk is full while a run, a dream or a wiki is being written: a real small file system."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.core.errors import AtomicAgentsError
from atomic_agents.core.model import Answer, Request
from atomic_agents.operations import conversations, dreaming, dreams, wiki
from atomic_agents.operations.dreaming import Wish
from atomic_agents.operations.workspace import Workspace
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.workspaces import add_agent, run, scripted_workspace

PAGE = 4096
NOTE = """---
schema_version: 2
name: {name}
description: h
type: user
captured: '2026-03-01'
last_seen: '2026-03-01'
sources: [operator]
confidence: high
provenance: operator
---

{name} at 4.
"""
STALE = {"kind": "stale", "file": "user_tea.md", "reason": "it was for March " * 400}


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[None]:
    """A small file system of its own."""
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


class House:
    """A vault on a disk that is full, but for a few pages, once its model has answered `full_at` questions."""

    def __init__(self, root: Path, answer: str, free: int, full_at: int = 1) -> None:
        self.root, self.answer, self.free, self.full_at = root, answer, free, full_at
        self.asked = 0
        store = FolderStore(root)
        add_agent(store)
        tea = Put("caldwell/memory/user_tea.md", NOTE.format(name="Tea").encode())
        days = [Put(f"caldwell/journal/2026-11/2026-11-{day}.md", b"# A day\n\nTea again.\n") for day in (20, 21)]
        store.apply(ChangeSet("plant", (tea, *days)))
        # The index of memory stands elsewhere: only the vault's own disk is full.
        self.workspace: Workspace = scripted_workspace(store, self._say)

    def _say(self, _request: Request) -> Answer:
        self.asked += 1
        if self.asked == self.full_at:
            fill(self.root, self.free)
        return Answer(self.answer)


def fill(root: Path, free: int) -> None:
    """Fill a disk up to so many pages."""
    pad = root / "pad"
    with pad.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"0" * PAGE)
        except OSError:
            pass
    os.truncate(pad, max(pad.stat().st_size - free * PAGE, 0))


def check(error: AtomicAgentsError | None) -> None:
    if error is not None:
        assert error.code == "storage-failed", error.message
        assert "the disk is full" in error.message


@pytest.mark.parametrize("full_at", [1, 2])
def test_a_dream_on_a_full_disk_says_that_it_is_full_and_can_be_had_again(tmp_path: Path, full_at: int) -> None:
    failed = 0
    for free in range(0, 26, 2):
        root = tmp_path / f"disk{full_at}-{free}"
        with mounted(root, "1m"):
            house = House(root, json.dumps({"decisions": [STALE]}), free, full_at)
            try:
                found = dreaming.have(
                    house.workspace, "caldwell", Wish(), model_id=None, on_notice=lambda _: None,
                    progress=lambda *_: None,
                )  # fmt: skip
                check(found.failure)
                failed += found.failure is not None
            except AtomicAgentsError as error:
                check(error)
                failed += 1
            (root / "pad").unlink()
            kept, problems = dreams.dreams(house.workspace, "caldwell")
            house.full_at = 0
            again = dreaming.have(
                house.workspace, "caldwell", Wish(), model_id=None, on_notice=lambda _: None, progress=lambda *_: None
            )
            assert problems == []
            assert all(hunk.reason == STALE["reason"].strip() for dream in kept for hunk in dream.hunks)
            assert (again.failure, len(again.dream.hunks)) == (None, 1)

    assert failed > 3


def test_pages_that_could_not_be_written_are_not_told_as_written(tmp_path: Path) -> None:
    page = {"name": "Glue", "description": "d", "body": "It sets [1].",
            "citations": [{"mark": 1, "quote": "Hide glue sets in four minutes"}]}  # fmt: skip
    told = 0
    for free in range(0, 20, 2):
        root = tmp_path / f"disk{free}"
        with mounted(root, "1m"):
            house = House(root, json.dumps({"pages": [page]}), free)
            source = tmp_path / "glue.txt"
            source.write_text("Hide glue sets in four minutes.\n" * 200)
            list(wiki.ingest(house.workspace, "caldwell", str(source), dry_run=False))
            try:
                done = wiki.distil(
                    house.workspace, "caldwell", None, model_id=None, critical=False, max_cost=None,
                    on_notice=lambda _: None, progress=lambda *_: None,
                )  # fmt: skip
            except AtomicAgentsError as error:
                check(error)
                continue
            check(done.failure)
            there = [file for _, file, _ in done.pages]
            told += bool(there)
            assert there == [path.name for path in (root / "caldwell/wiki").glob("glue*.md")]

    assert 0 < told < 10


def test_a_run_on_a_full_disk_says_that_it_is_full(tmp_path: Path) -> None:
    failed = 0
    for free in range(0, 16, 2):
        root = tmp_path / f"disk{free}"
        with mounted(root, "1m"):
            house = House(root, "yes " * 3_000, free)
            try:
                result = run(house.workspace, "go", talk=conversations.talk(house.workspace, "kitchen"))
            except AtomicAgentsError as error:
                check(error)
                failed += 1
                continue
            check(result.failure)
            failed += result.failure is not None

    assert failed > 2
