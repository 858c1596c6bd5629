import datetime
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dashboard_house import DREAM, Served, build, line, say  # type: ignore[import-not-found]  # beside this file

from atomic_agents.core.change import Append, ChangeSet
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.servers import OpenAIServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = (
    os.environ.get("ATOMIC_AGENTS_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""
)
SHOTS = os.environ.get("ATOMIC_AGENTS_TEST_SCREENSHOTS", "")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PAGES = {
    "now": "/",
    "agents": "/agents",
    "agent": "/agent?name=caldwell",
    "runs": "/runs",
    "run": "/run?id=caldwell:last",
    "cost": "/cost",
    "memory": "/memory",
    "notes": "/notes?agent=caldwell",
    "note": "/note?agent=caldwell&file=user_evil.md",
    "found": "/notes?agent=caldwell&q=ferry",
    "lint": "/lint?agent=caldwell",
    "wiki": "/wiki?agent=caldwell&page=harbour.md",
    "journal": "/journal?agent=caldwell",
    "conversations": "/conversations?agent=caldwell",
    "dream": f"/dream?agent=caldwell&id={DREAM}",
    "cap": "/cap?agent=caldwell&daily=3&monthly=40",
    "upgrade": "/upgrade?plan=1",
}
_SOON = 15_000

pytest.importorskip("playwright", reason="the extra browser is not installed")
if not CHROMIUM:
    pytest.skip("there is no chromium here", allow_module_level=True)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = build(tmp_path_factory.mktemp("browser"))
    with OpenAIServer(say) as model:
        found = Served(root, model.url)
        found.command("run", "caldwell", "--work-item", "what is in the margin?")
        found.command("run", "caldwell", "--work-item", "a letter to Ada")
        yield found
        assert found.end() == 0


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def opened(browser: "Browser") -> "Iterator[Any]":
    """Opens pages, and fails where one of them says anything to its console."""
    said: list[str] = []
    contexts = []

    def open_page(*, theme: Any = "light", width: int = 1280, **more: Any) -> "Page":
        context = browser.new_context(color_scheme=theme, viewport={"width": width, "height": 844}, **more)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(_SOON)
        page.on("console", lambda message: said.append(f"{page.url}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"{page.url}: {error}"))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)])
def test_every_page_fits_can_be_read_and_says_nothing_to_the_console(
    served: Served, opened: Any, theme: str, width: int
) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="the extra browser is not installed"
    ).Axe()
    page = opened(theme=theme, width=width)
    wide: list[str] = []
    serious: list[str] = []

    for name, path in PAGES.items():
        page.goto(served.url + path)
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            wide.append(name)
        found = axe.run(page).response["violations"] if (theme == "dark") == (width < 1000) else []
        serious += [
            f"{name}: {v['id']} {v['nodes'][0]['html']}" for v in found if v["impact"] in ("serious", "critical")
        ]
        if SHOTS:
            page.screenshot(path=str(Path(SHOTS, f"{name}-{theme}-{width}.png")), full_page=True)

    assert wide == []
    assert serious == []


def test_a_page_is_up_to_date_by_itself(served: Served, opened: Any) -> None:
    page = opened()
    page.goto(served.url)
    page.get_by_text("live", exact=True).wait_for()
    page.wait_for_timeout(300)
    now = datetime.datetime.now().astimezone()
    path = f"scout/log/{now:%Y-%m}/{now:%Y-%m-%d}.jsonl"

    FolderStore(served.root).apply(ChangeSet("run", (Append(path, line(now, 4242, summary="a heron on the quay")),)))

    page.get_by_role("link", name="a heron on the quay").first.wait_for()
    assert page.title() == "Now · atomic-agents"


def test_a_list_is_filtered_and_the_theme_is_kept(served: Served, opened: Any) -> None:
    page = opened()
    page.goto(f"{served.url}/agents")
    page.keyboard.press("/")
    page.keyboard.type("writer")
    shown = page.locator("tbody tr:visible").count()
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Switch between light and dark").click()
    page.goto(f"{served.url}/cost")
    after = page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert (shown, before != after) == (1, True)
    assert page.locator(".chart canvas").count() == 1


def test_everything_can_be_reached_by_keyboard(served: Served, opened: Any) -> None:
    page = opened()
    page.goto(f"{served.url}/memory")

    page.keyboard.press("Tab")
    first = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    second = page.evaluate("document.activeElement.textContent.trim()")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{served.url}/")

    assert (first, second[:3]) == ("Skip to the content", "Now")


def test_a_change_of_memory_is_looked_at_and_taken_back(served: Served, opened: Any) -> None:
    served.command("memory", "edit", "caldwell", "user_ferry.md", "--body", "The ferry leaves at ten.")
    page = opened()
    page.goto(f"{served.url}/note?agent=caldwell&file=user_ferry.md")

    page.locator("section", has_text="Former texts").get_by_role("link").first.click()
    page.locator(".diff .added", has_text="The ferry leaves at ten.").wait_for()
    page.get_by_role("link", name=re.compile("Undo")).first.click()
    page.get_by_role("button", name="Take it back").click()
    page.get_by_text("Taken back.").wait_for()

    assert "at nine" in (served.root / "caldwell/memory/user_ferry.md").read_text()


def test_a_request_is_approved_without_any_script(served: Served, opened: Any) -> None:
    page = opened(java_script_enabled=False)
    page.goto(served.url)

    page.get_by_role("button", name="Approve").click()
    page.get_by_text("Approved; the run goes on.").wait_for()

    sent = served.root.parent / "out/sent.txt"
    for _ in range(100):
        if sent.exists():
            break
        page.wait_for_timeout(100)
    assert sent.read_text() == "ada\n"


def test_a_dream_is_reviewed_hunk_by_hunk(served: Served, opened: Any) -> None:
    page = opened()
    page.goto(f"{served.url}/memory")

    page.get_by_role("link", name=re.compile("1 hunk")).click()
    page.get_by_role("button", name="Accept hunk 1").click()
    page.get_by_role("button", name="Apply 1 accepted hunk").click()
    page.get_by_text("Applied.").wait_for()

    assert "with scones" in (served.root / "caldwell/memory/user_tea.md").read_text()


def test_a_cap_that_fits_is_looked_at_and_stated(served: Served, opened: Any) -> None:
    page = opened()
    page.goto(f"{served.url}/cost")

    page.get_by_role("link", name="Show the change for scout").click()
    page.locator(".diff .added", has_text="daily_cap_usd: 4.5").wait_for()
    page.get_by_role("button", name="Apply").click()
    page.get_by_text("The caps are stated").wait_for()

    assert "monthly_cap_usd: " in (served.root / "scout/model.md").read_text()


def test_an_export_works_from_the_disk(served: Served, opened: Any, tmp_path: Path) -> None:
    served.command("dashboard", "render", "--out", str(tmp_path))
    page = opened()

    page.goto((tmp_path / "index.html").as_uri())
    page.get_by_role("link", name="Cost").click()
    page.locator(".chart canvas").wait_for()

    assert page.title() == "Cost · atomic-agents"
