from decimal import Decimal

import pytest

from atomic_agents.stores.memory import MemoryStore
from atomic_agents.vault.vault import Vault

POLICY = """---
schema_version: 2
cost_caps:
  daily_usd: 0.20
agents:
  scout:
    cost_caps:
      daily_usd: 0.10
      monthly_usd: 3
---
"""


def guardrails(
    model: str, agent: str = "scout", policy: str = POLICY
) -> tuple[bool, Decimal | None, Decimal | None, str]:
    documents = {
        f"{agent}/persona/IDENTITY.md": b"# x\n",
        f"{agent}/model.md": model.encode(),
        "policy.md": policy.encode(),
    }
    vault = Vault(MemoryStore(documents))
    found = vault.settings(vault.agent(agent)).model.guardrails
    return found.enabled, found.daily_cap, found.monthly_cap, found.daily_action


@pytest.mark.parametrize(
    ("caps", "expected"),
    [
        ("", (True, Decimal("0.10"), Decimal(3), "skip")),
        (
            "cost_guardrails:\n  enabled: true\n  daily_cap_usd: 0.05\n  daily_cap_action: alert\n",
            (True, Decimal("0.05"), Decimal(3), "alert"),
        ),
        (
            "cost_guardrails:\n  enabled: true\n  daily_cap_usd: 5\n  daily_cap_action: alert\n",
            (True, Decimal("0.10"), Decimal(3), "skip"),
        ),
        ("cost_guardrails:\n  enabled: false\n  daily_cap_usd: 0.01\n", (True, Decimal("0.10"), Decimal(3), "skip")),
    ],
)
def test_of_the_agents_and_the_vaults_caps_the_lower_one_holds(
    caps: str, expected: tuple[bool, Decimal | None, Decimal | None, str]
) -> None:
    model = f"---\nschema_version: 2\nmodel: gpt-5\n{caps}---\n"

    assert guardrails(model) == expected


def test_an_agent_that_the_policy_does_not_name_has_the_caps_of_all() -> None:
    model = "---\nschema_version: 2\nmodel: gpt-5\n---\n"

    assert guardrails(model, "keeper") == (True, Decimal("0.20"), None, "skip")


def test_a_policy_that_does_not_parse_stops_every_agent() -> None:
    vault = Vault(
        MemoryStore({"scout/persona/IDENTITY.md": b"# x\n", "policy.md": b"```yaml\ncost_caps:\n daily_usd: [\n```\n"})
    )

    assert [p.path for p in vault.settings(vault.agent("scout")).problems if p.severity == "error"] == ["policy.md"]
