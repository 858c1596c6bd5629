"""An MCP server over stdio that speaks its protocol by hand: SAYS is JSON with what it says instead of the right thing.

`tools` are its tools as they are listed, `prints` is printed before each answer, `after` are its tools from the second
time on that they are listed.
"""

import json
import os
import sys

SAYS = json.loads(os.environ.get("SAYS", "{}"))
GET = {"name": "get", "description": "Gets.", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
listed = 0


def say(answer: object) -> None:
    sys.stdout.buffer.write(SAYS.get("prints", "").encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
    sys.stdout.buffer.flush()


for line in sys.stdin:
    message = json.loads(line)
    number, method = message.get("id"), message.get("method")
    if method == "initialize":
        version = message["params"]["protocolVersion"]
        about = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {"name": "c", "version": "1"}}
        say({"jsonrpc": "2.0", "id": number, "result": about})
    elif method == "tools/list":
        tools = SAYS.get("after" if listed and "after" in SAYS else "tools", [GET])
        listed += 1
        say({"jsonrpc": "2.0", "id": number, "result": {"tools": tools}})
    elif method == "tools/call":
        content = [{"type": "text", "text": f"called {message['params']['name']}"}]
        say({"jsonrpc": "2.0", "id": number, "result": {"content": content}})
    elif number is not None:
        say({"jsonrpc": "2.0", "id": number, "error": {"code": -32601, "message": "no such method"}})
