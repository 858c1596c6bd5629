import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from scripts import changelog, generate_docs

from atomic_agents.budget import prices
from atomic_agents.cli.main import COMMANDS
from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.core.document import parse
from atomic_agents.core.errors import AtomicAgentsError
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.vault import schedules, settings
from atomic_agents.vault.vault import Vault

Play = Callable[[str, Path], "subprocess.CompletedProcess[str]"]

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "changes/*.md", "tests/transcripts/*.md")
    for path in ROOT.glob(pattern)
)
TRANSCRIPTS = [path for path in PAGES if "```console" in path.read_text(encoding="utf-8")]
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"^```(yaml|toml|json) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXAMPLE = re.compile(r"^```yaml (\S+\.md)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


EXAMPLES = [
    (name(path), found[1], found[2])
    for path in PAGES
    for found in _EXAMPLE.finditer(path.read_text(encoding="utf-8"))
    if found[1] in settings.RULES
]
ERRORS = generate_docs.errors()


def test_generated_pages_are_what_the_code_says() -> None:
    assert generate_docs.stale() == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for link in _LINK.findall(without_code(path.read_text(encoding="utf-8"))):
        target, _, anchor = link.partition("#")
        if "://" in link:
            continue
        there = path if not target else (path.parent / target).resolve()
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize(("page", "file", "text"), EXAMPLES)
def test_an_example_of_settings_is_right(page: str, file: str, text: str) -> None:
    found = settings.read(file, parse(f"{page}/{file}", f"---\n{text}---\n".encode()))

    assert (found.problems, found.version) == ((), 2)
    assert found.values


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_an_example_says_what_it_is_of_and_is_right(path: Path) -> None:
    for kind, file, text in _CODE.findall(path.read_text(encoding="utf-8")):
        if kind == "yaml" and file == "schedule.md":
            document = parse(f"{path}/{file}", f"---\n{text}---\n".encode())
            assert schedules.read("a", "s", document, "").problems == ()
        elif kind == "yaml":
            assert file in settings.RULES, f"it names no settings file: {text}"
        elif kind == "toml":
            store = MemoryStore()
            store.apply(ChangeSet("state prices", (Put(prices.PRICES_FILE, text.encode()),)))
            assert prices.load(Vault(store)).own
        else:
            json.loads(text)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=name)
def test_commands_print_what_their_page_says(path: Path, play: Play) -> None:
    done = play("check", path)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_is_documented(error: type[AtomicAgentsError]) -> None:
    assert error.__doc__
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", error.__dict__["code"])
    assert error.code in anchors(ROOT / "docs" / "reference" / "errors.md")
    assert error.exit_status in generate_docs.EXIT_CODES


def test_errors_have_codes_of_their_own() -> None:
    codes = [error.code for error in ERRORS]

    assert sorted(set(codes)) == sorted(codes)


def test_every_settings_file_is_described() -> None:
    assert list(generate_docs.SETTINGS) == list(settings.RULES)


def test_fragments_go_below_what_is_not_released() -> None:
    before = "# Changelog\n\n## [Unreleased]\n\n### Fixed\n\n- Old.\n\n## [2.0.0]\n\n### Added\n\n- Older.\n"
    fragments = {"fixed": ["New\nin two lines.\n"], "breaking": ["Broken.\n"]}

    after = changelog.merged(before, fragments)

    unreleased = "### BREAKING\n\n- Broken.\n\n### Fixed\n\n- Old.\n- New\n  in two lines.\n"
    assert after == f"# Changelog\n\n## [Unreleased]\n\n{unreleased}\n## [2.0.0]\n\n### Added\n\n- Older.\n"


def test_fragments_go_below_the_heading_of_a_version_again_and_again() -> None:
    before = "# Changelog\n\n## [Unreleased]\n\n## [3.0.0] - 2026-12-01\n\n## [2.0.0]\n\n### Added\n\n- Older.\n"

    once = changelog.merged(before, {"removed": ["Gone.\n"], "added": ["New.\n"]}, "3.0.0")
    twice = changelog.merged(once, {"removed": ["Gone too.\n"]}, "3.0.0")

    ours = "### Removed\n\n- Gone.\n- Gone too.\n\n### Added\n\n- New.\n"
    head, older = before.split("\n\n## [2.0.0]")
    assert twice == f"{head}\n\n{ours}\n## [2.0.0]{older}"
    assert changelog.merged(twice, {}, "3.0.0") == twice
    assert (changelog.target(before, "3.0.0"), changelog.target(before, "3.0.1")) == ("3.0.0", "Unreleased")


def test_every_fragment_names_its_kind() -> None:
    fragments = [path for path in (ROOT / "changes").glob("*.md") if path.name != "README.md"]

    assert [path.name for path in fragments if path.stem.rpartition(".")[2] not in changelog.KINDS] == []


def test_the_manual_has_every_command_and_nothing_that_its_reader_takes_for_a_macro() -> None:
    lines = (ROOT / "man" / "atomic-agents.1").read_text().splitlines()

    sections = {line.removeprefix(".SS ").replace("\\-", "-") for line in lines if line.startswith(".SS ")}
    macros = {line.split()[0] for line in lines if line.startswith((".", "'"))}
    assert {
        name for name in COMMANDS if not any(each.startswith(f"atomic-agents {name}") for each in sections)
    } == set()
    assert macros == {'.\\"', ".TH", ".SH", ".SS", ".B", ".TP", ".PP"}


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_the_manual_is_set_without_a_warning() -> None:
    line = ["groff", "-man", "-Tutf8", "-ww", "-z", str(ROOT / "man" / "atomic-agents.1")]

    assert subprocess.run(line, check=True, capture_output=True, text=True).stderr == ""
