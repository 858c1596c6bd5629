import concurrent.futures
import json
import time
from collections.abc import Iterator

import httpx2
import openai
import pytest
from served import AGENTS, Door, ended, opened, served  # type: ignore[import-not-found]  # beside this file


@pytest.fixture(scope="module", params=["1", "2"], ids=["threads", "processes"])
def door(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A server whose runs go on in its own process, then one that has processes for them."""
    with served(tmp_path_factory.mktemp("serve"), "--processes", request.param) as started:
        yield started


def post(door: Door, **body: object) -> httpx2.Response:
    return httpx2.post(f"{door.url}/api/runs", json=body, timeout=60)


def test_the_published_client_is_answered_whole_and_in_pieces(door: Door) -> None:
    client = door.client()
    asked = [{"role": "system", "content": "be a pirate"}, {"role": "user", "content": "hi"}]

    names = [model.id for model in client.models.list()]
    whole = client.chat.completions.create(model="ada", messages=asked)
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(model="ada", messages=asked, stream=True, stream_options=options))

    assert list(AGENTS) == names
    assert whole.choices[0].message.content == "hello from the agent"
    assert whole.usage is not None
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (1200, 3)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "hello from the agent"
    assert chunks[-1].usage.total_tokens == 1203


def test_responses_are_answered_whole_and_in_pieces(door: Door) -> None:
    client = door.client()

    whole = client.responses.create(model="ada", input="hi")
    with client.responses.stream(model="ada", input="hi") as stream:
        final = stream.get_final_response()

    assert (whole.output_text, final.output_text) == ("hello from the agent", "hello from the agent")
    assert final.usage is not None
    assert final.usage.total_tokens == 1203


def test_errors_have_the_shape_that_the_client_knows(door: Door) -> None:
    client = door.client()
    hi = [{"role": "user", "content": "hi"}]

    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="adda", messages=hi)
    with pytest.raises(openai.BadRequestError) as unsupported:
        client.chat.completions.create(model="ada", messages=hi, n=2)
    with pytest.raises(openai.APIStatusError) as failed:
        client.chat.completions.create(model="ada", messages=[{"role": "user", "content": "fail"}])

    assert (missing.value.code, unsupported.value.code) == ("model_not_found", "unsupported_parameter")
    assert failed.value.status_code == 502


def test_what_a_caller_calls_the_system_is_data_below_the_persona(door: Door) -> None:
    client = door.client()

    client.chat.completions.create(
        model="bo",
        messages=[{"role": "system", "content": "be a pirate"}, {"role": "user", "content": "hi"}],
    )

    run_id = door.log("bo")[-1]["run_id"]
    events = httpx2.get(f"{door.url}/api/runs/{run_id}").json()["events"]
    asking = next(event for event in events if event["event"] == "asking")
    assert not any("pirate" in part for part in asking["system"])
    assert "<document" in asking["messages"][-1]["text"]


def test_a_history_that_is_too_long_is_cut_and_the_caller_is_told(door: Door) -> None:
    long = [{"role": role, "content": f"{number} " + "lorem " * 60} for number in range(300)
            for role in ("user", "assistant")]  # fmt: skip
    messages = [*long, {"role": "user", "content": "hi"}]
    told = "messages were left out, and long ones cut, to keep within 12,000 tokens (max_input_tokens)"
    client = door.client()

    chat = client.chat.completions.with_raw_response.create(model="ada", messages=messages)
    response = client.responses.create(model="ada", input=messages)
    *_, last = client.chat.completions.create(model="ada", messages=messages, stream=True)

    assert told in chat.headers["warning"]
    assert all(told in found.model_extra["warnings"][0] for found in (chat.parse(), response, last))
    assert chat.parse().choices[0].message.content == "hello from the agent"
    assert told in door.log("ada")[-1]["warnings"][0]


def test_a_question_that_is_too_long_is_the_callers_fault_and_costs_nothing(door: Door) -> None:
    with pytest.raises(openai.BadRequestError, match="the work item is too long") as refused:
        door.client().chat.completions.create(model="bo", messages=[{"role": "user", "content": "lorem " * 20_000}])

    assert refused.value.code == "input-too-long"
    assert door.log("bo")[-1]["cost_usd"] == 0


def test_a_client_that_goes_away_ends_its_run_with_one_log_line(door: Door) -> None:
    before = len(door.log("cy"))
    stream = door.client().chat.completions.create(
        model="cy", messages=[{"role": "user", "content": "slowly"}], stream=True
    )
    next(iter(stream))
    stream.close()

    deadline = time.monotonic() + 15
    while len(door.log("cy")) == before and time.monotonic() < deadline:
        time.sleep(0.05)

    lines = door.log("cy")[before:]
    assert [line["ending"] for line in lines] == ["interrupted"]


def test_a_run_is_submitted_and_fetched(door: Door) -> None:
    taken = post(door, agent="ada", work_item="hi", mode="submit")
    where = door.url + taken.headers["location"]
    found = httpx2.get(where).json()
    deadline = time.monotonic() + 15
    while found["status"] in ("queued", "open") and time.monotonic() < deadline:
        time.sleep(0.05)
        found = httpx2.get(where).json()

    assert taken.status_code == 202
    assert (found["status"], found["text"]) == ("ok", "hello from the agent")
    assert found["run_id"] == taken.json()["run_id"]


def test_a_run_comes_in_pieces(door: Door) -> None:
    text = post(door, agent="ada", work_item="hi", mode="stream").text

    assert text.startswith("event: text\n")
    assert json.loads(text.rpartition("event: end\ndata: ")[2])["text"] == "hello from the agent"


def test_a_key_gives_the_stored_answer_and_no_other(door: Door) -> None:
    def ask(item: str) -> httpx2.Response:
        body = {"agent": "ada", "work_item": item}
        return httpx2.post(f"{door.url}/api/runs", json=body, headers={"Idempotency-Key": "monday"}, timeout=30)

    first, again, other = ask("hi"), ask("hi"), ask("something else")

    assert (first.json()["replayed"], again.json()["replayed"]) == (False, True)
    assert again.json()["run_id"] == first.json()["run_id"]
    assert other.status_code == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Authorization": "Bearer aat_made_up"}, 401),
    ],
)
def test_strangers_are_turned_away(door: Door, headers: dict[str, str], status: int) -> None:
    sent = {"Content-Type": "application/json", **headers}

    answer = httpx2.post(f"{door.url}/api/runs", content=b'{"agent": "ada", "work_item": "hi"}', headers=sent)

    assert (status, True) == (answer.status_code, bool(answer.json()["error"]["code"]))


def test_a_body_that_is_too_long_is_refused(door: Door) -> None:
    assert post(door, agent="ada", work_item="x" * 1_100_000).status_code == 413


def test_a_token_opens_what_it_is_for_until_it_is_revoked(door: Door) -> None:
    secret = door.command("serve", "token", "add", "bar", "--agent", "ada", "--verb", "run").stdout.split()[-1]
    headers = {"Authorization": f"Bearer {secret}"}

    def ask(agent: str) -> int:
        body = {"agent": agent, "work_item": "hi"}
        return httpx2.post(f"{door.url}/api/runs", json=body, headers=headers, timeout=30).status_code

    allowed, elsewhere = ask("ada"), ask("bo")
    reading = httpx2.get(f"{door.url}/api/runs", headers=headers).status_code
    door.command("serve", "token", "revoke", "bar")

    kept = door.root / "_serve/tokens.json"
    assert (allowed, elsewhere, reading, ask("ada")) == (200, 404, 403, 401)
    assert kept.stat().st_mode & 0o777 == 0o600
    assert secret not in kept.read_text()


def test_an_open_bind_without_tokens_is_refused(door: Door) -> None:
    done = door.command("serve", "--host", "0.0.0.0", "--port", "0")  # noqa: S104 - it is what is refused

    assert (done.returncode, "serve token add" in done.stderr) == (2, True)


def test_what_is_known_is_told(door: Door) -> None:
    paths = ("/healthz", "/readyz", "/api/agents/ada", "/api/runs", "/api/cost", "/api/memory?agent=ada",
             "/api/conversations", "/api/approvals", "/metrics", "/openapi.json")  # fmt: skip

    assert {200} == {httpx2.get(door.url + path, timeout=30).status_code for path in paths}


@pytest.mark.parametrize(
    "path",
    ["agents/%00", "agents/..%2f..", "agents/%ff", "memory/..%2f..%2fx?agent=ada", "memory/%00?agent=ada", "runs/%00",
     "runs/last", "runs?limit=0", "runs?since=x", "conversations/%20?agent=ada", "conversations/new?agent=ada",
     "cost?month=0000-00", "approvals/%00", "nothing", "runs?limit=1e3", "memory?agent=%00&q=x"],
)  # fmt: skip
def test_nonsense_is_no_fault_of_the_server(door: Door, path: str) -> None:
    assert httpx2.get(f"{door.url}/api/{path}", timeout=30).status_code < 500


@pytest.mark.parametrize("count", [50, pytest.param(2000, marks=pytest.mark.soak)])
def test_fifty_clients_at_once_lose_nothing(door: Door, count: int) -> None:
    before = sum(len(door.log(agent)) for agent in AGENTS)

    with httpx2.Client(limits=httpx2.Limits(max_connections=50), timeout=60) as client:

        def ask(at: int) -> httpx2.Response:
            return client.post(f"{door.url}/api/runs", json={"agent": AGENTS[at % 6], "work_item": f"hi {at}"})

        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(ask, range(count)))

    assert {200} == {answer.status_code for answer in answers}
    assert sum(len(door.log(agent)) for agent in AGENTS) == before + count


def test_told_to_end_it_lets_a_run_end(door: Door) -> None:
    other = opened(door.root, door.environ, "serve", "ed", "--port", "0")
    before = len(door.log("ed"))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(post, other, agent="ed", work_item="slowly")
        while not list((door.root / "_runs").glob("*")):
            time.sleep(0.02)
        code = ended(other.process)
        answer = asked.result()

    assert (code, answer.status_code) == (0, 200)
    assert [line["ending"] for line in door.log("ed")[before:]] == ["ok"]
