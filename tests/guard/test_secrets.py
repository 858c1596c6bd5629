import json
import re
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.core.errors import SecretRefused
from atomic_agents.guard.secrets import REDACTED, lines_with_secrets, redact, redacted, refuse

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


def test_every_text_of_a_value_is_redacted() -> None:
    value = {"a": ["hidden!!", ("hidden!!", 1)], "b": {"c": "hidden!!"}, "d": None, "e": 1.5}

    assert redacted(value, ("hidden!!",)) == {
        "a": [REDACTED, [REDACTED, 1]],
        "b": {"c": REDACTED},
        "d": None,
        "e": 1.5,
    }


B64, WORD, HEX = "[A-Za-z0-9+/]", "[A-Za-z0-9_-]", "[0-9a-f]"
REAL_SHAPES = {
    "Anthropic": rf"sk-ant-api03-{WORD}{{93}}AA",
    "OpenAI": r"sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}",
    "OpenAI project": rf"sk-proj-{WORD}{{40,156}}",
    "OpenAI service account": rf"sk-svcacct-{WORD}{{40,156}}",
    "OpenRouter": rf"sk-or-v1-{HEX}{{64}}",
    "DeepSeek": rf"sk-{HEX}{{32}}",
    "Google": rf"AIza{WORD}{{35}}",
    "Google OAuth": rf"ya29\.{WORD}{{60,200}}",
    "Google client secret": rf"GOCSPX-{WORD}{{28}}",
    "AWS access key": r"(AKIA|ASIA)[A-Z2-7]{16}",
    "Azure OpenAI": r"[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{26}",
    "Azure client secret": r"[A-Za-z0-9]{3}[0-9]Q~[A-Za-z0-9_~-]{34}",
    "Groq": r"gsk_[A-Za-z0-9]{52}",
    "xAI": r"xai-[A-Za-z0-9]{80}",
    "Cerebras": r"csk-[a-z0-9]{48}",
    "Hugging Face": r"hf_[A-Za-z]{34}",
    "Fireworks": r"fw_[A-Za-z0-9]{22}",
    "NVIDIA": rf"nvapi-{WORD}{{64}}",
    "GitHub": r"gh[pousr]_[A-Za-z0-9]{36}",
    "GitHub fine-grained": r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
    "GitLab": rf"glpat-{WORD}{{20}}",
    "Slack bot": r"xoxb-[0-9]{10,13}-[0-9]{10,13}-[A-Za-z0-9]{24}",
    "Slack app": r"xapp-1-A[A-Z0-9]{10}-[0-9]{13}-[0-9a-f]{64}",
    "Stripe": r"(sk|rk)_(live|test)_[A-Za-z0-9]{24,99}",
    "SendGrid": rf"SG\.{WORD}{{22}}\.{WORD}{{43}}",
    "Telegram": rf"[0-9]{{9,10}}:AA{WORD}{{33}}",
    "npm": r"npm_[A-Za-z0-9]{36}",
    "Linear": r"lin_api_[A-Za-z0-9]{40}",
    "JWT": rf"eyJ{WORD}{{20,80}}\.eyJ{WORD}{{20,200}}\.{WORD}{{43}}",
    "private key": rf"-----BEGIN (RSA |)PRIVATE KEY-----(\n{B64}{{64}}){{1,4}}\n-----END (RSA |EC |)PRIVATE KEY-----",
}
SHAPELESS = {
    "Mistral": ("MISTRAL_API_KEY=", r"a1[A-Za-z0-9]{30}"),
    "Cohere": ("api_key: ", r"[0-9][A-Za-z]{1}[A-Za-z0-9]{38}"),
    "Azure": ('"api-key": "', rf"a1{HEX}{{30}}"),
    "Azure storage": ("AccountKey=", rf"a1{B64}{{84}}=="),
    "AWS secret": ("aws_secret_access_key = ", rf"a1{B64}{{38}}"),
    "a header": ("Authorization: Bearer ", r"a1[A-Za-z0-9._-]{30,80}"),
    "a database": ("postgres://nell:", r"[A-Za-z0-9!$%]{8,30}"),
    "a Slack hook": ("https://hooks.slack.com/services/", r"T[A-Z0-9]{8}/B[A-Z0-9]{8}/[A-Za-z0-9]{24}"),
}


@pytest.mark.parametrize("provider", REAL_SHAPES)
@given(data=st.data())
def test_any_key_of_a_provider_is_blacked_out(provider: str, data: st.DataObject) -> None:
    key = data.draw(st.from_regex(re.compile(REAL_SHAPES[provider], re.ASCII), fullmatch=True))

    assert redact(f"use {key}, then go on") == f"use {REDACTED}, then go on"


@pytest.mark.parametrize("provider", SHAPELESS)
@given(data=st.data())
def test_a_key_without_a_shape_is_known_by_what_it_is_said_to_be(provider: str, data: st.DataObject) -> None:
    before, shape = SHAPELESS[provider]
    key = data.draw(st.from_regex(re.compile(shape, re.ASCII), fullmatch=True))
    after = "@db/main" if provider == "a database" else '", next'

    found = redact(f"{before}{key}{after}")

    assert (found.startswith(before), found.endswith(after)) == (True, True)
    assert key not in found
    assert REDACTED in found


@given(st.binary(min_size=64, max_size=64), st.uuids(), st.sampled_from(["sha256", "revision", "id", "key", "token"]))
def test_hashes_and_ids_stay_as_they_are(data: bytes, some: uuid.UUID, name: str) -> None:
    text = " ".join(f"{name}: {part}" for part in (data.hex(), data.hex()[:64], data.hex()[:40], data.hex()[:32], some))

    assert redact(text) == text


WORDS = st.from_regex(re.compile(r"[A-Za-z]{1,12}([-'_.][a-z]{1,9})?[,.:;?]?", re.ASCII), fullmatch=True)


@given(st.lists(WORDS | st.integers().map(str) | st.dates().map(str), max_size=30))
def test_prose_stays_as_it_is(words: list[str]) -> None:
    text = " ".join(words)

    assert redact(text) == text


def test_what_is_written_about_the_program_stays_as_it_is() -> None:
    root = Path(__file__).parents[2]
    pages = [*root.glob("docs/**/*.md"), *root.glob("src/atomic_agents/samples/**/*.md"), root / "README.md"]
    texts = {path: path.read_text(encoding="utf-8") for path in pages}

    assert [path.name for path, text in texts.items() if redact(text) != text] == []
    assert len(texts) > 20


@pytest.mark.parametrize("secret", SHAPES)
def test_the_line_on_which_a_key_stands_is_told(secret: str) -> None:
    assert lines_with_secrets(f"one\ntwo\nuse {secret}, then go on\nfour") == [3]


@given(st.data())
@pytest.mark.parametrize("shape", REAL_SHAPES.values(), ids=REAL_SHAPES)
def test_real_keys_are_told_whatever_stands_around_them(shape: str, data: st.DataObject) -> None:
    secret = data.draw(st.from_regex(re.compile(shape, re.ASCII), fullmatch=True))

    assert lines_with_secrets(f"a\nthe key: {secret} , and more") == [2]


@pytest.mark.parametrize(
    "text",
    [
        "my password is hunter22!", "Password: tr0ub4dor", "passphrase = correct1horse", "secret: s3cr3tvalue99",
        '"api_key": "abcdefgh1234"', "API key: k3y-0f-the-d00r", "postgres://app:s3cr3t@db/x",
    ],
)  # fmt: skip
def test_what_is_said_to_be_a_password_is_told(text: str) -> None:
    assert lines_with_secrets(f"{text}\n") == [1]


@pytest.mark.parametrize(
    "text",
    [
        "550e8400-e29b-41d4-a716-446655440000",
        "commit dbba237b7730a008bf96df18c3905f8f0f48cbb51e6ddaf637c13b7c217643f6",
        "sha256:132a223225748501578caac80b64a90f26b2892a3c05749881ceb3a5905f3473",
        "secret: sha256:132a223225748501578caac80b64a90f",
        "VGhpcyBpcyBhIGxvbmcgYmFzZTY0IHN0cmluZyBmb3IgdGVzdGluZyAxMjM0NTY3ODkw",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG1234567890abcdefghijklmnopqrstuvwx me@host",
        "sk-learn-0-24-migration-guide",
        "run-20261122-100000-000001-00000001",
        "password: ${DB_PASSWORD_1}", "api_key: $OPENAI_API_KEY_2024", "api_key: YOUR_API_KEY_HERE_123",
        "password: see https://vault.example/item9", "secret: /run/secrets/db1", "password: 2026-11-22-changed",
        "the password is 1password-managed", "the secret is 3-ingredient pancakes",
        "postgres://user:password@host/db", "postgres://app:${DB_PASSWORD}@host/db", "the password is in 1Password",
        "token count: 123456789012345678901", f"password: {REDACTED}", "passwords and keys are kept elsewhere",
        "the API key is kept in the keyring since 2024-05-01", "ISBN 978-3-16-148410-0, IBAN DE89370400440532013000",
    ],
)  # fmt: skip
def test_ids_hashes_placeholders_and_prose_are_no_secrets(text: str) -> None:
    assert lines_with_secrets(text) == []


@given(st.uuids(), st.binary(min_size=16, max_size=64))
def test_random_ids_and_hashes_are_no_secrets(name: uuid.UUID, data: bytes) -> None:
    assert lines_with_secrets(f"{name} {data.hex()} key {name.hex}\nhash: {data.hex()}") == []


def test_a_secret_that_is_known_is_told_where_it_is_a_word_of_its_own() -> None:
    assert lines_with_secrets("so\nhidden!! it is", ["hidden!!"]) == [2]
    assert lines_with_secrets("the productionline", ["production"]) == []


@pytest.mark.parametrize(
    "part", ["sk-", "eyJ", "ghp_", "password: a1", "://a:b", "api_key=", "-----BEGIN PRIVATE KEY-----"]
)
def test_a_text_that_is_full_of_beginnings_is_done_with(part: str) -> None:
    assert len(lines_with_secrets(part * 50_000 + f"\n{part}" * 2_000)) <= 2_001


def test_only_what_is_new_is_refused_and_never_shown() -> None:
    before = f"old {SHAPES[2]}\n"

    refuse("a/memory/x.md", f"first\n{before}", before=before)
    with pytest.raises(SecretRefused) as refused:
        refuse("a/memory/x.md", f"first\n{before}new {SHAPES[3]}\n", before=before)

    assert refused.value.message.startswith("a/memory/x.md:3 would hold")
    assert SHAPES[3] not in str(refused.value.as_json())
    assert "--anyway" in refused.value.hint
