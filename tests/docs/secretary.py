"""A model that writes a letter and says so; serves until its parent is gone: `secretary.py URL_FILE`."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from atomic_agents.core.model import ToolCall
from atomic_agents.testing.servers import OpenAIServer, Reply

LETTER = ToolCall("c1", "send_letter", json.dumps({"to": "Mrs Halloran", "text": "Your desk is ready on Friday."}))


QUESTION = ToolCall(
    "c1", "ask_operator", json.dumps({"question": "Which day suits you?", "choices": ["Thursday", "Friday"]})
)


def reply(body: dict[str, Any]) -> Reply:
    last = body["messages"][-1]
    if last["role"] != "tool" and "ask me" in str(last["content"]):
        return Reply("I ask.", calls=[QUESTION])
    if "the operator answers" in str(last["content"]):
        return Reply(f"Noted: {last['content']}")
    if last["role"] != "tool":
        return Reply("I tell Mrs Halloran.", calls=[LETTER])
    return Reply("The letter is on its way." if "posted" in str(last["content"]) else "I leave it, then.")


if __name__ == "__main__":
    parent = os.getppid()
    with OpenAIServer(reply) as server:
        Path(sys.argv[1]).write_text(server.url, encoding="utf-8")
        while os.getppid() == parent:
            time.sleep(0.2)
