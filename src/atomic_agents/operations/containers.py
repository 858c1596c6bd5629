"""A container file and a compose file for the services of a vault; they are written, and nothing is run."""

import json
import os
from collections.abc import Mapping, Sequence

from atomic_agents._version import __version__
from atomic_agents.operations.deploying import DEPLOYABLES
from atomic_agents.operations.service_options import Options
from atomic_agents.operations.workspace import Workspace

_USER = 10001
_GRACE = "60s"
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - within the container; beyond it `ports` says who reaches it
_MARK = "# atomic-agents deploy plan --target container"


def files(workspace: Workspace, names: Sequence[str], options: Options) -> Mapping[str, str]:
    """The texts by file name: how the image is made, and what is run of it."""
    workspace.require()
    return {"Containerfile": _image(names), "compose.yaml": _compose(workspace, names, options)}


def _image(names: Sequence[str]) -> str:
    extras = sorted({extra for name in names if (extra := DEPLOYABLES[name].extra)})
    package = f"atomic-agents-stack[{','.join(extras)}]" if extras else "atomic-agents-stack"
    return f"""{_MARK}
FROM python:3.12-slim
RUN useradd --create-home --uid {_USER} agents \\
    && pip install --no-cache-dir '{package}=={__version__}'
USER agents
ENV ATOMIC_AGENTS_ROOT=/vault
VOLUME /vault
ENTRYPOINT ["atomic-agents"]
CMD ["worker"]
"""


def _compose(workspace: Workspace, names: Sequence[str], options: Options) -> str:
    """Strings are JSON, which YAML reads: no path can break out of its quotes. `$` is doubled for compose."""
    root = workspace.config.root
    status = root.stat() if os.name == "posix" else None
    lines = [_MARK, "services:"]
    for name in names:
        deployable = DEPLOYABLES[name]
        port = options.port or deployable.port
        own = options.listening(_EVERYWHERE, port) if deployable.port else ()
        lines += [
            f"  {name}:",
            "    build: {context: ., dockerfile: Containerfile}",
            f"    image: atomic-agents:{__version__}",
            f"    command: {json.dumps([*deployable.words, *own])}",
            "    init: true",
            "    restart: on-failure",
            f"    stop_grace_period: {_GRACE}",
        ]
        if status is not None:
            lines.append(f'    user: "{status.st_uid}:{status.st_gid}"')
        if options.env_file:
            lines.append(f"    env_file: [{_quoted(options.env_file)}]")
        lines.append(f"    volumes: [{{type: bind, source: {_quoted(str(root))}, target: /vault}}]")
        if deployable.port:
            lines.append(f'    ports: ["127.0.0.1:{port}:{port}"]')
        lines += _health(name, port)
    return "\n".join(lines) + "\n"


def _health(name: str, port: int) -> list[str]:
    deployable = DEPLOYABLES[name]
    ask = ["CMD", "atomic-agents", "worker", "--list"]
    if deployable.port:
        code = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{port}{deployable.asks}', timeout=2)"
        ask = ["CMD", "python", "-c", code]
    return ["    healthcheck:", f"      test: {json.dumps(ask)}", "      interval: 30s", "      start_period: 15s"]


def _quoted(text: str) -> str:
    return json.dumps(text.replace("$", "$$"), ensure_ascii=False)
