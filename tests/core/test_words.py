import contextlib
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.core.errors import AtomicAgentsError, PathRefused, SettingsInvalid
from atomic_agents.core.store import check_new_path, check_path, normal_name
from atomic_agents.core.values import Problem, is_agent_name, parse_date

NOWHERE = ("", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/./b", "a\0b")
UNSHAREABLE = (
    "a:b", "a.", "a ", "a./b", "a\nb", "a\x7fb", "a\\b", "a?", "a*", 'a"', "a<b", "a>b", "a|b", "x" * 256,
    "é" * 128, "\udcff.md", "con", "a/NUL.md", "Com1.tar.gz", "lpt9/x",
)  # fmt: skip
GOOD = ("a", "a/b.md", ".git", "a b/c", "日本.md", "x" * 255, "console.md", "com10", "a/nul_x.md", "...a", "~", "a'b")


@pytest.mark.parametrize("path", NOWHERE)
def test_a_path_names_something_below_the_vault(path: str) -> None:
    for check in (check_path, check_new_path):
        with pytest.raises(PathRefused):
            check(path)


@pytest.mark.parametrize("path", UNSHAREABLE)
def test_a_new_path_can_be_held_everywhere(path: str) -> None:
    assert check_path(path) == path
    with pytest.raises(PathRefused):
        check_new_path(path)


@pytest.mark.parametrize("path", GOOD)
def test_a_path_that_all_systems_hold_is_returned(path: str) -> None:
    assert check_path(path) == check_new_path(path) == path


@given(st.text(st.characters(), max_size=20))
def test_every_text_is_a_path_or_is_refused(path: str) -> None:
    said = path
    with contextlib.suppress(PathRefused):
        said = check_new_path(path)

    assert said == path


def test_names_that_differ_in_form_alone_are_one() -> None:
    assert normal_name("e\u0301") == normal_name("é")


@pytest.mark.parametrize(
    "name", ["a", "caldwell", "muse/projects/p/agents/writer", "日本", "a.b-c_d", "@home", "+x", "(old) a"]
)
def test_a_folder_can_be_an_agent(name: str) -> None:
    assert is_agent_name(name)


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", ".a", "_a", "a/_b", "a/.b", "..", "a.", "a ", " a", "a:b", "a\\b", "a\nb", "a\0"]
)
def test_hidden_private_and_odd_folders_cannot(name: str) -> None:
    assert not is_agent_name(name)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-05-05", datetime.date(2026, 5, 5)),
        (" 2026-05-05 ", datetime.date(2026, 5, 5)),
        ("2026-05-05T10:00:00+02:00", datetime.date(2026, 5, 5)),
        ("2026-05-05 10:00", datetime.date(2026, 5, 5)),
        (datetime.date(2026, 5, 5), datetime.date(2026, 5, 5)),
        (datetime.datetime(2026, 5, 5, 23, tzinfo=datetime.UTC), datetime.date(2026, 5, 5)),
        ("2026-99-99", None),
        ("2026-05-050", None),
        ("2026-05-05 or later", None),
        ("20260505", None),
        ("2026-W19-2", None),
        ("soon", None),
        ("", None),
        (5, None),
        (None, None),
        ([], None),
        (True, None),
    ],
)
def test_a_day_is_a_whole_date_and_nothing_is_guessed(value: object, expected: datetime.date | None) -> None:
    assert parse_date(value) == expected


def test_a_problem_says_where_so_that_editors_jump() -> None:
    assert [Problem("a.md", line, "x").where for line in (0, 7)] == ["a.md", "a.md:7"]


def test_an_error_is_json_with_its_code_hint_and_context() -> None:
    error = PathRefused("no", hint="type this", context={"path": "a"})

    assert error.as_json() == {"code": "path-refused", "message": "no", "hint": "type this", "context": {"path": "a"}}


def test_settings_errors_are_told_together() -> None:
    error = SettingsInvalid([Problem("a.md", 3, "is wrong", "write this"), Problem("b.md", 0, "too", "and this")])

    assert (error.message, error.hint) == ("a.md:3: is wrong (and 1 more)", "write this\nand this")


def test_every_error_has_a_code_of_its_own_and_says_what_it_means() -> None:
    tree: list[type[AtomicAgentsError]] = [AtomicAgentsError]
    for kind in tree:
        tree += kind.__subclasses__()
    ours = [kind for kind in tree if kind.__module__ == "atomic_agents.core.errors"]

    assert len({kind.code for kind in ours}) == len(ours)
    assert all(kind.__doc__ and kind.exit_status in (1, 2, 3, 4, 5, 6, 7, 8, 130) for kind in ours)
