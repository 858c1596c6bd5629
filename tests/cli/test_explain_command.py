import re
from pathlib import Path

import pytest

from atomic_agents.operations import explaining
from atomic_agents.testing.shell import Shell

ROOT = Path(__file__).parents[2]
TOPICS = explaining.topics()


@pytest.mark.parametrize("code", TOPICS)
def test_each_code_has_a_meaning_a_remedy_with_a_command_and_a_heading(code: str) -> None:
    found = TOPICS[code]
    page, _, anchor = found.page.partition("#")
    headings = re.findall(r"^#+ (.*)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)

    assert found.meaning.endswith(".")
    assert found.remedy.endswith(".")
    assert anchor in headings


def test_errors_and_checks_share_no_code() -> None:
    assert len({error.code for error in explaining.errors()}) == sum(each.kind == "error" for each in TOPICS.values())


def test_a_code_is_explained_without_a_vault(shell: Shell) -> None:
    done = shell("explain", "budget-exceeded")

    assert done.out.splitlines()[0] == "budget-exceeded: error, exit code 3"
    assert done.out.splitlines()[-1] == "page: docs/reference/errors.md#budget-exceeded"
    assert shell("explain", "schema", "--json").value["kind"] == "check"
    assert [each["code"] for each in shell("explain", "--json").value] == list(TOPICS)


def test_a_code_that_is_almost_one_names_the_nearest(shell: Shell) -> None:
    done = shell("explain", "budget_exeeded")

    assert done.code == 2
    assert "hint: atomic-agents explain budget-exceeded" in done.err
