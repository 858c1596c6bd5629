import json

import pytest

from atomic_agents.config import load
from atomic_agents.guard.secrets import REDACTED, redact, redacted

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC\n-----END RSA PRIVATE KEY-----"
SHAPES = (
    "sk-ant-api03-abcDEF123456_7890-xyz",
    "sk-proj-1234567890abcdefghij",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "11ABCDEFG0" * 4,
    "glpat-" + "x1" * 10,
    "xoxb-123456789012-abcdefghijkl",
    "AIza" + "Sy1_-" * 7,
    "sk_live_" + "a1" * 12,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N",
    PEM,
)


@pytest.mark.parametrize("secret", SHAPES)
def test_the_shape_of_a_key_is_blacked_out(secret: str) -> None:
    assert redact(f"use {secret}, then go on") == f"use {REDACTED}, then go on"


@pytest.mark.parametrize("before", ["钥", "é", "=", "\n", "(", '"'])
def test_it_is_so_whatever_writing_stands_before_it(before: str) -> None:
    assert redact(f"{before}{SHAPES[0]}") == f"{before}{REDACTED}"


@pytest.mark.parametrize("part", ["sk-", "eyJ", "ghp_", "-----BEGIN PRIVATE KEY", "eyJabcdefghijk.", "AKIA", "sk-1"])
def test_a_text_that_is_almost_a_key_again_and_again_is_done_with(part: str) -> None:
    assert redact(part * 100_000)


@pytest.mark.parametrize("secret", SHAPES)
def test_so_it_is_inside_of_json(secret: str) -> None:
    text = json.dumps({"body": f"first\n{secret}"})

    assert redact(text) == json.dumps({"body": f"first\n{REDACTED}"})


@pytest.mark.parametrize(
    "text",
    [
        "the task-force-that-met-in-2026-about-risk-2",
        "sk-learn",
        "ASIAN",
        "a PRIVATE KEY",
        "user_sk_notes.md",
        "ghost_x",
    ],
)
def test_words_stay_as_they_are(text: str) -> None:
    assert redact(text) == text


def test_a_private_key_that_does_not_end_is_blacked_out_to_the_end() -> None:
    assert redact("see -----BEGIN PRIVATE KEY-----\nMIIE") == f"see {REDACTED}"


def test_the_environment_says_what_is_secret() -> None:
    environ = {
        "HOME": "/nowhere-at-all",
        "MY_PASSWORD": 'quo"ted-and-long',
        "DEPLOY_TOKEN": "abcdefgh",
        "LONGER_TOKEN": "abcdefgh-and-more",
        "SHORT_KEY": "k",
        "KEYBOARD": "qwertyuiop",
    }

    secrets = load("vault", environ).secrets

    assert secrets == ("abcdefgh-and-more", 'quo\\"ted-and-long', 'quo"ted-and-long', "abcdefgh")
    assert redact("abcdefgh-and-more abcdefgh k qwertyuiop", secrets) == f"{REDACTED} {REDACTED} k qwertyuiop"
    assert redact(json.dumps('a quo"ted-and-long one'), secrets) == f'"a {REDACTED} one"'


def test_every_text_of_a_value_is_redacted() -> None:
    value = {"a": ["hidden!!", ("hidden!!", 1)], "b": {"c": "hidden!!"}, "d": None, "e": 1.5}

    assert redacted(value, ("hidden!!",)) == {
        "a": [REDACTED, [REDACTED, 1]],
        "b": {"c": REDACTED},
        "d": None,
        "e": 1.5,
    }
