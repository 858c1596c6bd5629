import datetime
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from atomic_agents.core.document import parse, render
from atomic_agents.guard import policy
from atomic_agents.guard.policy import Authority, Verdict
from atomic_agents.guard.wanted import Wanted
from atomic_agents.vault import settings
from atomic_agents.vault.authority import LEVELS, TOOL_CLASSES, JudgeSettings, Place, Said, tool_policy

NOON = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
TOOLS = ("send_email", "send_letter", "fetch_url", "files__read")


def authority(values: Mapping[str, Any], agent: str = "caldwell", *judges: JudgeSettings) -> Authority:
    """What a `policy.md` with these settings says."""
    found = settings.read("policy.md", parse("policy.md", render({"schema_version": 2, **values}, "")))

    assert found.problems == ()
    place = Place(found.path, found.lines)
    return Authority(tool_policy(found.values, place), tool_policy(found.values, place, ("agents", agent)), judges)


def verdict(found: Authority, tool: str = "send_email", kind: str = "external_side_effect", **more: Any) -> Verdict:
    return policy.decide(found, Wanted("caldwell", tool, kind, more.pop("arguments", {}), **more), lambda _: (), NOON)


@pytest.mark.parametrize(
    ("kind", "action"),
    [("read_only", "allow"), ("reversible_write", "audit"), ("external_side_effect", "ask"), ("high_risk", "ask")],
)
def test_without_any_policy_what_acts_outside_is_asked_about(kind: str, action: str) -> None:
    assert action == verdict(Authority(), kind=kind).action


def test_a_verdict_names_the_line_it_comes_from() -> None:
    found = verdict(authority({"cost_caps": {"daily_usd": 1}, "tools": {"deny": ["send_*"]}}))

    assert (found.action, found.where) == ("deny", "policy.md:6")


def test_a_group_stands_for_its_tools_and_wildcards_for_any() -> None:
    found = authority({"groups": {"mail": ["send_email", "mail__*"]}, "tools": {"deny": ["@mail"]}})

    assert [verdict(found, tool).action for tool in ("send_email", "mail__x", "send_letter")] == ["deny", "deny", "ask"]


def test_a_group_that_is_not_there_is_an_error_with_the_nearest() -> None:
    document = parse(
        "policy.md", render({"schema_version": 2, "groups": {"mail": ["x"]}, "tools": {"deny": ["@mial"]}}, "")
    )

    (problem,) = settings.read("policy.md", document).problems

    assert (problem.message, problem.hint) == ("there is no group @mial", "write @mail")


def test_a_level_that_is_misspelt_is_an_error_with_the_nearest() -> None:
    document = parse("policy.md", render({"schema_version": 2, "class_policy": {"high_rsk": "ask"}}, ""))

    (problem,) = settings.read("policy.md", document).problems

    assert (problem.message, problem.hint) == ("class_policy.high_rsk is not a setting", "write high_risk")


def test_an_agents_allow_list_narrows_the_vaults_and_never_widens_it() -> None:
    found = authority(
        {"tools": {"allow": ["send_email"]}, "agents": {"caldwell": {"tools": {"allow": ["send_letter"]}}}}
    )

    assert [verdict(found, tool).action for tool in ("send_email", "send_letter")] == ["deny", "deny"]


def test_an_allow_list_leaves_an_agent_its_memory_and_a_deny_list_does_not() -> None:
    allowed, denied = authority({"tools": {"allow": ["x"]}}), authority({"tools": {"deny": ["recall"]}})

    assert verdict(allowed, "recall", "read_only", memory=True).action == "allow"
    assert verdict(denied, "recall", "read_only", memory=True).action == "deny"


def test_a_server_is_denied_by_its_name() -> None:
    found = authority({"mcp_servers": {"deny": ["Shop"]}})

    assert verdict(found, "shop__order", server="shop").action == "deny"


def test_what_is_said_of_one_tool_is_nearer_than_what_is_said_of_its_class() -> None:
    found = authority({"class_policy": {"external_side_effect": "ask"}, "tool_policy": {"fetch_*": "audit"}})

    assert [verdict(found, tool).action for tool in ("fetch_url", "send_email")] == ["audit", "ask"]


levels = st.sampled_from((*LEVELS, "allow_with_audit", "judge_required", "escalate"))
parts = st.fixed_dictionaries(
    {},
    optional={
        "class_policy": st.dictionaries(st.sampled_from(TOOL_CLASSES), levels),
        "tool_policy": st.dictionaries(st.sampled_from((*TOOLS, "send_*", "*")), levels),
        "tools": st.fixed_dictionaries(
            {}, optional={key: st.lists(st.sampled_from((*TOOLS, "send_*"))) for key in ("allow", "deny")}
        ),
    },
)
own_judges = st.dictionaries(st.sampled_from(TOOL_CLASSES), st.sampled_from(LEVELS)).map(
    lambda stated: JudgeSettings("judges.md", classes={key: Said(level, "judges.md") for key, level in stated.items()})
)


@hypothesis_settings(deadline=None)
@given(parts, parts, own_judges, st.sampled_from(TOOLS), st.sampled_from(TOOL_CLASSES))
def test_what_is_said_for_one_agent_never_loosens_what_the_vault_says(
    vault: dict[str, Any], own: dict[str, Any], judges: JudgeSettings, tool: str, kind: str
) -> None:
    strict = {"allow": 0, "audit": 1, "judge": 2, "ask": 3, "deny": 4}

    before = authority(vault)
    floor = verdict(before, tool, kind).action
    stated = bool(policy._nearest(before.vault, tool) or kind in before.vault.classes)

    with_part = verdict(authority({**vault, "agents": {"caldwell": own}}), tool, kind).action
    with_judges = verdict(authority(vault, "caldwell", judges), tool, kind).action

    assert strict[with_part] >= strict[floor]
    assert not stated or strict[with_judges] >= strict[floor]
