import concurrent.futures
import json
from collections.abc import Iterator

import httpx2
import openai
import pytest
from openai.types.chat.chat_completion import Choice
from scripted_door import DECLINED  # type: ignore[import-not-found]  # beside this file
from served import Door, scripted  # type: ignore[import-not-found]  # beside this file

HELLO = "hello from the agent"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with scripted(tmp_path_factory.mktemp("endings")) as started:
        yield started


def chat(door: Door, item: str) -> Choice:
    messages = [{"role": "user", "content": item}]
    found: Choice = door.client().chat.completions.create(model="ada", messages=messages).choices[0]
    return found


def chat_in_pieces(door: Door, item: str) -> tuple[str, str, str | None]:
    """The content, the refusal and the last finish reason of a streamed completion."""
    messages = [{"role": "user", "content": item}]
    chunks = door.client().chat.completions.create(model="ada", messages=messages, stream=True)
    choices = [choice for chunk in chunks for choice in chunk.choices]
    return (
        "".join(choice.delta.content or "" for choice in choices),
        "".join(choice.delta.refusal or "" for choice in choices),
        choices[-1].finish_reason,
    )


def run(door: Door, item: str, mode: str = "wait", key: str = "") -> httpx2.Response:
    body = {"agent": "ada", "work_item": item, "mode": mode}
    headers = {"Idempotency-Key": key} if key else {}
    return httpx2.post(f"{door.url}/api/runs", json=body, headers=headers, timeout=60)


CHAT = [
    ("hi", HELLO, None, "stop"),
    ("truncated", "half of the ans", None, "length"),
    ("cut-at-nothing", "", None, "length"),
    ("filtered", "half", None, "content_filter"),
    ("declined", None, DECLINED, "content_filter"),
    ("half-declined", "Well,", DECLINED, "content_filter"),
]


@pytest.mark.parametrize(("item", "content", "refusal", "finish"), CHAT)
def test_a_completion_says_why_it_ends(
    item: str, content: str | None, refusal: str | None, finish: str, door: Door
) -> None:
    whole, pieces = chat(door, item), chat_in_pieces(door, item)

    assert (whole.message.content, whole.message.refusal, whole.finish_reason) == (content, refusal, finish)
    assert (pieces[0].strip(), *pieces[1:]) == (content or "", refusal or "", finish)


RESPONSES = [
    ("hi", [HELLO], "completed", None),
    ("truncated", ["half of the ans"], "incomplete", "max_output_tokens"),
    ("cut-at-nothing", [""], "incomplete", "max_output_tokens"),
    ("filtered", ["half"], "incomplete", "content_filter"),
    ("declined", [DECLINED], "incomplete", "content_filter"),
    ("half-declined", ["Well,", DECLINED], "incomplete", "content_filter"),
]


@pytest.mark.parametrize(("item", "parts", "status", "reason"), RESPONSES)
def test_a_response_says_why_it_ends(item: str, parts: list[str], status: str, reason: str | None, door: Door) -> None:
    whole = door.client().responses.create(model="ada", input=item)
    events = list(door.client().responses.create(model="ada", input=item, stream=True))

    for response in (whole, events[-1].response):
        details = response.incomplete_details
        said = [getattr(part, "refusal", None) or part.text for part in response.output[0].content]
        kinds = ["refusal" if text == DECLINED else "output_text" for text in parts]
        assert (said, [part.type for part in response.output[0].content]) == (parts, kinds)
        assert (response.status, response.output[0].status, details and details.reason) == (status, status, reason)
    assert events[-1].type == f"response.{status}"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    added = [event.content_index for event in events if event.type == "response.content_part.added"]
    done = [event.content_index for event in events if event.type == "response.content_part.done"]
    assert added == done == list(range(len(parts)))
    declined = "".join(event.delta for event in events if event.type == "response.refusal.delta")
    assert declined == (DECLINED if DECLINED in parts else "")


@pytest.mark.parametrize(
    ("item", "code"), [("empty", "answer-empty"), ("thought", "answer-empty"), ("exhausted", "rounds-exhausted")]
)
def test_an_answer_that_never_came_is_an_error_that_is_not_asked_again(item: str, code: str, door: Door) -> None:
    client = openai.OpenAI(base_url=f"{door.url}/v1", api_key="none", max_retries=2)
    before = len(door.log("ada"))

    with pytest.raises(openai.InternalServerError) as whole:
        client.chat.completions.create(model="ada", messages=[{"role": "user", "content": item}])
    with pytest.raises(openai.InternalServerError) as response:
        client.responses.create(model="ada", input=item)
    with pytest.raises(openai.APIError) as pieces:
        list(client.chat.completions.create(model="ada", messages=[{"role": "user", "content": item}], stream=True))

    assert [error.value.code for error in (whole, response, pieces)] == [code] * 3
    assert (whole.value.status_code, whole.value.response.headers["x-should-retry"]) == (502, "false")
    assert len(door.log("ada")) - before == 3


@pytest.mark.parametrize(
    ("item", "status", "text"),
    [
        ("truncated", "truncated", "half of the ans"), ("filtered", "refused", "half"), ("declined", "refused", ""),
        ("empty", "empty", ""), ("exhausted", "exhausted", ""),
    ],
)  # fmt: skip
def test_a_run_without_a_whole_answer_is_502_with_what_came(item: str, status: str, text: str, door: Door) -> None:
    waited, keyed, streamed = run(door, item), run(door, item, key=item), run(door, item, "stream")
    again = run(door, item, key=item)
    fetched = httpx2.get(door.url + waited.headers["location"]).json()

    assert (waited.status_code, waited.json()["status"], waited.json()["text"]) == (502, status, text)
    assert waited.json()["error"]["code"] in ("answer-truncated", "answer-refused", "answer-empty", "rounds-exhausted")
    assert waited.headers["x-should-retry"] == "false"
    assert fetched["status"] == status
    if text:
        told = json.loads(streamed.text.rpartition("event: end\ndata: ")[2])
        assert (streamed.status_code, told["status"], told["text"]) == (200, status, text)
    else:
        assert (streamed.status_code, streamed.json()["status"]) == (502, status)
    assert keyed.json()["run_id"] != again.json()["run_id"]


UPSTREAM = [
    ("status-429-wait-7", 429, "7", None),
    ("status-429-wait-0.3", 429, "1", None),
    ("status-429-wait-3600", 429, "3600", "false"),
    ("status-429-wait-none", 429, None, "false"),
    ("status-503-wait-12.2", 503, "13", None),
    ("status-529-wait-30", 503, "30", None),
    ("status-401-wait-none", 502, None, "false"),
    ("status-403-wait-none", 502, None, "false"),
    ("status-500-wait-none", 502, None, "false"),
    ("status-400-wait-none", 502, None, "false"),
]


@pytest.mark.parametrize(("item", "status", "retry_after", "retry"), UPSTREAM)
def test_what_a_provider_answers_is_passed_on_where_it_concerns_the_caller(
    item: str, status: int, retry_after: str | None, retry: str | None, door: Door
) -> None:
    messages = {"model": "ada", "messages": [{"role": "user", "content": item}]}
    answers = [
        run(door, item),
        run(door, item, "stream"),
        httpx2.post(f"{door.url}/v1/chat/completions", json=messages, timeout=60),
        httpx2.post(f"{door.url}/v1/chat/completions", json={**messages, "stream": True}, timeout=60),
        httpx2.post(f"{door.url}/v1/responses", json={"model": "ada", "input": item}, timeout=60),
        httpx2.post(f"{door.url}/v1/responses", json={"model": "ada", "input": item, "stream": True}, timeout=60),
    ]

    for answer in answers:
        headers = answer.headers
        assert (answer.status_code, headers.get("retry-after")) == (status, retry_after), answer.text
        assert headers.get("x-should-retry") == retry
        assert "its own words" in answer.json()["error"]["message"]


def test_the_published_client_waits_as_long_as_the_provider_asks(door: Door) -> None:
    with pytest.raises(openai.RateLimitError) as refused:
        chat(door, "status-429-wait-9")

    assert (refused.value.response.headers["retry-after"], refused.value.type) == ("9", "rate_limit_error")


def test_who_leaves_before_the_first_word_of_a_stream_stops_the_run(door: Door) -> None:
    before = len(door.log("bo"))
    body = {"model": "bo", "messages": [{"role": "user", "content": "sleep-4"}], "stream": True}

    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(f"{door.url}/v1/chat/completions", json=body, timeout=1)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        after = pool.submit(httpx2.post, f"{door.url}/api/runs", json={"agent": "bo", "work_item": "hi"}, timeout=60)

    assert after.result().status_code == 200
    assert [line["ending"] for line in door.log("bo")[before:]] == ["interrupted", "ok"]
