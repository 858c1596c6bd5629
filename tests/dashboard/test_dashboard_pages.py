import datetime
import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import httpx2
import pytest
from dashboard_house import AGENTS, DREAM, Served, build, line, say  # type: ignore[import-not-found]  # beside this file

from atomic_agents.core.change import Append, ChangeSet
from atomic_agents.core.store import Blob
from atomic_agents.operations import costs
from atomic_agents.operations.rollups import Kept
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.servers import OpenAIServer
from atomic_agents.testing.workspaces import NOON, scripted_workspace
from atomic_agents.web.dashboard.look import Look

PAGES = (
    "/",
    "/agents",
    "/agents?q=cald",
    "/agent?name=caldwell",
    "/agent?name=projects/press/agents/writer",
    "/runs",
    "/runs?agent=scout&status=error",
    "/run?id=caldwell:last",
    "/cost",
    "/cost?agent=caldwell&month=2026-10",
    "/memory",
    "/cap?agent=caldwell&daily=2&monthly=30",
    "/notes?agent=caldwell",
    "/notes?agent=scout&page=2",
    "/lint?agent=caldwell",
    "/notes?agent=caldwell&q=ferry",
    "/note?agent=caldwell&file=user_evil.md",
    "/wiki?agent=caldwell&page=harbour.md",
    "/journal?agent=caldwell",
    "/conversations?agent=caldwell",
    f"/dream?agent=caldwell&id={DREAM}",
    "/upgrade",
    "/upgrade?plan=1",
)
A_PAGE = 300_000


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = build(tmp_path_factory.mktemp("dashboard"))
    with OpenAIServer("hello") as model:
        found = Served(root, model.url)
        yield found
        assert found.end() == 0


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    return Path(build(tmp_path))


def render(root: Path, *arguments: str) -> dict[str, object]:
    line = [sys.executable, "-m", "atomic_agents.dashboard", "render", "--root", str(root), "--json", *arguments]
    done = subprocess.run(line, check=True, capture_output=True, text=True, timeout=60)
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_shown_and_nothing_in_the_vault_becomes_markup(served: Served, path: str) -> None:
    answer = served.get(path)

    assert answer.status_code == 200
    assert len(answer.content) < A_PAGE
    assert "<script>document" not in answer.text
    assert "<img" not in answer.text
    assert "\u202e" not in answer.text
    assert not re.search(r'(href|src)="(?!/|#|data:,)', answer.text)
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy


def test_what_the_vault_says_is_shown_as_it_stands(served: Served) -> None:
    page = served.get("/note?agent=caldwell&file=user_evil.md").text

    assert "&lt;script&gt;document.title=&#39;taken&#39;&lt;/script&gt;" in page
    assert "\\u202e" in page


def test_what_is_not_there_is_told_in_words(served: Served) -> None:
    missing = [
        served.get(path) for path in ("/nix", "/agent?name=nobody", "/run?id=run-0", "/note?agent=scout&file=../../x")
    ]

    assert [answer.status_code for answer in missing] == [404, 404, 404, 404]
    assert "there is no agent nobody" in missing[1].text


def test_strangers_and_forged_forms_change_nothing(served: Served) -> None:
    fields = {"agent": "caldwell", "id": DREAM, "hunk": "1", "verb": "accept"}

    def sent(**more: object) -> int:
        return int(served.post("dream", **{**fields, **more}).status_code)

    no_token, elsewhere = sent(csrf="0" * 64), sent(headers={"Origin": "https://evil.example"})
    silent, rebound = sent(headers={}), sent(headers={"Origin": "http://evil.example", "Host": "evil.example"})
    as_json = httpx2.post(f"{served.url}/dream", json=fields, headers={"Origin": served.url}).status_code
    reading = served.get("/", headers={"Host": "evil.example"}).status_code

    assert (no_token, elsewhere, silent, rebound, as_json, reading) == (403, 403, 403, 421, 415, 421)
    assert '"state": "open"' in (served.root / f"caldwell/dreams/{DREAM}/manifest.json").read_text()


def test_a_dream_is_reviewed_applied_and_taken_back_by_plain_forms(served: Served) -> None:
    fields = {"agent": "caldwell", "id": DREAM}
    tea = served.root / "caldwell/memory/user_tea.md"

    answers = [served.post("dream", **fields, hunk="1", verb="accept"), served.post("dream", **fields, verb="apply")]
    applied = tea.read_text()
    answers.append(served.post("dream", **fields, verb="revert"))

    assert [answer.status_code for answer in answers] == [303, 303, 303]
    assert ("with scones" in applied, "with scones" in tea.read_text()) == (True, False)


def test_a_change_of_memory_is_shown_and_taken_back(served: Served) -> None:
    served.command("memory", "edit", "caldwell", "user_ferry.md", "--body", "The ferry leaves at ten.")
    ferry = served.root / "caldwell/memory/user_ferry.md"
    change = re.findall(
        r"/undo\?agent=caldwell&amp;change=([^\"]+)", served.get("/note?agent=caldwell&file=user_ferry.md").text
    )[0]

    shown = served.get(f"/undo?agent=caldwell&change={change}").text
    answer = served.post("undo", agent="caldwell", change=change)

    assert 'class="gone">-The ferry leaves at ten.' in shown
    assert (answer.status_code, "at nine" in ferry.read_text()) == (303, True)


def test_caps_are_stated_as_shown_or_not_at_all(served: Served) -> None:
    model = served.root / "caldwell/model.md"
    page = served.get("/cap?agent=caldwell&daily=3&monthly=40").text
    was = re.findall(r'name="was" value="(\w+)"', page)[0]
    fields = {"agent": "caldwell", "daily": "3", "monthly": "40"}

    stale = served.post("cap", **fields, was="0" * 64)
    done = served.post("cap", **fields, was=was)

    assert (stale.status_code, done.status_code) == (409, 303)
    assert "daily_cap_usd: 3" in model.read_text()
    assert "enabled: true # mine" in model.read_text()


def test_a_token_becomes_a_cookie_and_opens_what_it_is_for(vault: Path) -> None:
    def token(name: str, *more: str) -> str:
        line = [sys.executable, "-m", "atomic_agents", "serve", "token", "add", name, *more, "--root", str(vault)]
        return subprocess.run(line, check=True, capture_output=True, text=True, timeout=60).stdout.split()[-1]

    whole, part = token("nell", "--verb", "admin"), token("guest", "--agent", "scout", "--verb", "read")
    served = Served(vault, "http://127.0.0.1:9", "--auth")

    def login(secret: str, where: str = "/") -> httpx2.Response:
        fields = {"token": secret, "next": where}
        return httpx2.post(f"{served.url}/login", data=fields, headers={"Origin": served.url}, timeout=30)

    closed, wrong, opened = served.get("/agents"), login("aat_wrong"), login(whole, "//evil.example")
    cookie = opened.headers["set-cookie"]
    guest = {"Cookie": login(part).headers["set-cookie"].partition(";")[0]}
    seen = served.get("/agents", headers=guest).text
    others = [
        served.get(path, headers=guest).status_code
        for path in ("/agent?name=caldwell", "/run?id=caldwell:last", "/upgrade")
    ]
    forged = served.post("dream", csrf="", headers={"Origin": served.url, **guest}).status_code
    nell = served.get("/agents", headers={"Cookie": cookie.partition(";")[0]}).text
    served.end()

    assert (
        closed.status_code,
        wrong.status_code,
        opened.status_code,
        opened.headers["location"],
    ) == (401, 401, 303, "/")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert ("caldwell" in nell, "caldwell" in seen, "scout" in seen) == (True, False, True)
    assert (others, forged) == ([404, 404, 404], 403)


def test_pages_are_told_when_the_vault_changes(served: Served) -> None:
    with httpx2.stream("GET", f"{served.url}/events", timeout=30) as stream:
        lines = (text for text in stream.iter_lines() if text.startswith("data:"))
        first = next(lines)
        (served.root / "scout/memory/user_new.md").write_text("# new\n")
        second = next(lines)

    assert first != second


def test_an_approval_is_given_and_the_run_goes_on(tmp_path: Path) -> None:
    root = build(tmp_path)
    with OpenAIServer(say) as model:
        served = Served(root, model.url)
        served.command("run", "caldwell", "--work-item", "a letter to Ada")
        shown = served.get("/").text
        item = re.findall(r'name="id" value="([^"]+)"', shown)[0]
        answer = served.post("approval", id=item, decision="revised", arguments='{"to": "bo"}')
        again = served.post("approval", id=item, decision="approved")
        sent, deadline = tmp_path / "out/sent.txt", time.monotonic() + 20
        while not sent.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        code = served.end()

    assert "document.title=&#39;taken" in shown
    assert (answer.status_code, again.status_code, code) == (303, 409, 0)
    assert sent.read_text() == "bo\n"


def test_an_export_is_written_once_and_redrawn_where_something_changed(vault: Path) -> None:
    first, again = render(vault), render(vault)
    now = datetime.datetime.now().astimezone()
    FolderStore(vault).apply(ChangeSet("run", (Append(f"scout/log/{now:%Y-%m}/{now:%Y-%m-%d}.jsonl", line(now, 99)),)))
    before = {path.name: path.stat().st_mtime_ns for path in (vault / "_dashboard").glob("agent-*.html")}
    third = render(vault)
    after = {path.name: path.stat().st_mtime_ns for path in (vault / "_dashboard").glob("agent-*.html")}

    assert (first["written"], again["written"]) == (first["pages"], 0)
    assert int(str(third["written"])) >= 3
    assert {name for name in after if after[name] != before[name]} == {"agent-scout.html"}


def test_every_link_of_an_export_leads_somewhere(vault: Path, tmp_path: Path) -> None:
    out = tmp_path / "pages"
    render(vault, "--out", str(out))

    for page in out.glob("*.html"):
        for target in re.findall(r'(?:href|src)="([^"#]+)"', page.read_text()):
            assert target == "data:," or (out / target).exists(), (page.name, target)
    assert not (vault / "_dashboard").exists()
    assert {f"agent-{name.replace('/', '~2F')}.html" for name in AGENTS} <= {path.name for path in out.glob("agent-*")}


def test_rollups_say_what_the_costs_say(vault: Path) -> None:
    log = vault / "scout/log/2026-01/2026-01-02.jsonl"
    log.parent.mkdir(parents=True)
    at = datetime.datetime(2026, 1, 2, 9, tzinfo=datetime.UTC)
    repeats = {"trigger": "delegate", "delegate_run_id": "run-1"}
    lines = (line(at, 1), line(at, 2, **repeats), line(at, 3, cost_usd="much"), "{torn", line(at, 4, status="deduped"))
    log.write_text("".join(f"{text}\n" for text in lines))
    workspace = scripted_workspace(
        FolderStore(vault), [], root=vault, clock=lambda: datetime.datetime.now().astimezone()
    )
    today = workspace.clock().date()

    said = costs.costs(workspace, by="model", since=datetime.date(2026, 1, 1), until=today)
    kept = Kept(workspace)
    look = Look(workspace, kept)
    found = look.rollups.by(lambda cell: cell.model)

    assert {name: (s.runs, s.cost, s.input_tokens) for name, s in said.groups} == {
        name: (s.runs, s.cost, s.input_tokens) for name, s in found.items()
    }
    assert [(p.path, p.line, p.message) for p in said.problems] == [
        (p.path, p.line, p.message) for p in look.rollups.problems
    ]
    assert said.month.spent == look.spent()[1]
    assert {(c.agent, c.period, c.spent) for c in said.caps} == {
        (c.agent, c.period, c.spent) for caps in look.caps.values() for c in caps
    }
    kept.close()
    workspace.close()


def test_logs_that_have_not_changed_are_not_read_again(vault: Path) -> None:
    class Watched(FolderStore):
        def read(self, path: str) -> Blob | None:
            reads.append(path)
            return super().read(path)

    reads: list[str] = []
    workspace = scripted_workspace(Watched(vault), [], root=vault)

    def look() -> int:
        reads.clear()
        kept = Kept(workspace)
        total = sum(each.runs for each in Look(workspace, kept).rollups.by(lambda cell: cell.day).values())
        kept.close()
        return total

    first = look(), len(reads)
    again = look(), len(reads)
    workspace.store.apply(ChangeSet("run", (Append("scout/log/2026-11/2026-11-22.jsonl", line(NOON, 7)),)))
    grown = look(), list(reads)
    (vault / "scout/log/2026-11/2026-11-22.jsonl").unlink()
    fewer = look(), len(reads)

    assert (first, again) == ((50, 50), (50, 0))
    assert grown[0] == 51
    assert grown[1] == ["scout/log/2026-11/2026-11-22.jsonl"]
    assert (fewer[0] < 51, fewer[1]) == (True, 0)


def test_what_is_vendored_is_what_was_pinned() -> None:
    static = resources.files("atomic_agents.web.dashboard") / "static"

    lines = (text.split() for text in (static / "VENDORED.txt").read_text().splitlines()[1:])
    pinned = {name: digest for digest, name in lines}

    assert len(pinned) == 2
    assert pinned == {name: hashlib.sha256((static / name).read_bytes()).hexdigest() for name in pinned}
