"""Routes as a table: what each takes is checked by the same schemas that the OpenAPI document shows."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jsonschema import Draft202012Validator
from starlette.requests import Request
from starlette.responses import Response

from atomic_agents._version import __version__
from atomic_agents.vault.tokens import Verb
from atomic_agents.web import limits
from atomic_agents.web.auth import Caller
from atomic_agents.web.desk import Desk
from atomic_agents.web.refusals import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

Schema = Mapping[str, object]

TEXT: Schema = {"type": "string", "minLength": 1}
NOT_FOUND = "there is none of that name"
_BODY_METHODS = ("POST",)


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was let in, with what it says checked."""

    desk: Desk
    request: Request
    caller: Caller
    query: Mapping[str, object]
    body: Mapping[str, object]

    def path(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def text(self, name: str, default: str = "") -> str:
        """What the query or the body says, as text."""
        value = self.body.get(name, self.query.get(name))
        return default if value is None else str(value)

    def agent(self, name: str = "") -> str:
        """The agent that is meant, within the caller's reach."""
        found = (name or self.text("agent")).strip("/")
        if found and not self.caller.reaches(found):
            raise Refused(404, "agent-missing", f"there is no agent {found}", hint="GET /api/agents")
        return found

    async def known(self, name: str = "") -> str:
        """The same, as an agent that is there.

        Raises:
            AgentMissing: with the nearest names there are.
        """
        wanted = self.agent(name)
        return await self.desk.read(lambda workspace: workspace.vault.agent(wanted).name)


@dataclass(frozen=True, slots=True)
class Route:
    """One thing that can be asked for. `query` has a schema for each parameter, `body` one for the whole."""

    method: str
    path: str
    words: str
    verb: Verb
    act: Callable[[Call], Awaitable[Response]]
    query: Mapping[str, Schema] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    body: Schema | None = None
    answers: Mapping[int, str] = field(default_factory=lambda: {200: "what was asked for"})
    loose: bool = False
    """Whether errors have OpenAI's shape, and parameters that are not known are let be."""

    async def admitted(self, desk: Desk, request: Request, caller: Caller) -> Call:
        """A request as a call.

        Raises:
            Refused: it does not say what it must.
        """
        caller.require(self.verb)
        query = self._query(request)
        body: Mapping[str, object] = {}
        if self.body is not None:
            body = self._body(request, await limits.body(request, desk.limits.body))
        return Call(desk, request, caller, query, body)

    def _query(self, request: Request) -> Mapping[str, object]:
        found: dict[str, object] = {}
        for name, value in request.query_params.items():
            schema = self.query.get(name)
            if schema is None:
                if self.loose:
                    continue
                raise Refused(400, "usage", f"there is no parameter {name}", hint=f"known: {', '.join(self.query)}")
            number = schema["type"] == "integer" and value.isascii() and value.isdecimal() and len(value) < 10
            found[name] = int(value) if number else value
        schema = {"type": "object", "properties": self.query, "required": list(self.required)}
        _check(schema, found)
        return found

    def _body(self, request: Request, data: bytes) -> Mapping[str, object]:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":  # which a page of another site cannot send unasked
            raise Refused(415, "not-json", "the body must be application/json")
        try:
            value = json.loads(data, parse_constant=_no_number)
            json.dumps(value, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise Refused(400, "not-json", f"the body is not JSON: {error}") from None
        assert self.body is not None  # noqa: S101 - the caller looked
        _check(self.body, value)
        return value if isinstance(value, dict) else {}


def document(routes: "Sequence[Route]", open_paths: Mapping[str, str]) -> Mapping[str, object]:
    """The OpenAPI document of a table of routes, and of paths that need no token."""
    paths: dict[str, dict[str, object]] = {}
    for route in routes:
        path = route.path.replace(":path}", "}")
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, path)
    for path, words in open_paths.items():
        answers = {"200": {"description": words}, "default": {"description": "it is not so"}}
        paths[path] = {"get": {"summary": words, "operationId": path.strip("/"), "security": [], "responses": answers}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "atomic-agents", "version": __version__},
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": _ERROR},
        },
        "security": [{"token": []}, {}],
    }


def _operation(route: Route, path: str) -> Mapping[str, object]:
    names = [part.partition("}")[0] for part in path.split("{")[1:]]
    parameters: list[Mapping[str, object]] = [
        {"name": name, "in": "path", "required": True, "schema": TEXT} for name in names
    ]
    parameters += [
        {"name": name, "in": "query", "required": name in route.required, "schema": schema}
        for name, schema in route.query.items()
    ]
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    answers: dict[str, object] = {str(status): {"description": words} for status, words in route.answers.items()}
    answers["default"] = {"description": "it was refused, or failed", "content": error}
    found: dict[str, object] = {
        "summary": route.words,
        "operationId": f"{route.method.lower()}{path.replace('/', '_').replace('{', '').replace('}', '')}",
        "parameters": parameters,
        "responses": answers,
        "x-verb": route.verb,
    }
    if route.body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": route.body}}}
    return found


_ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "hint": {"type": "string"}},
        }
    },
}


def _check(schema: Schema, value: object) -> None:
    for error in Draft202012Validator(schema).iter_errors(value):
        where = ".".join(str(part) for part in error.absolute_path)
        said = error.message if len(error.message) < 300 else f"does not fit {error.validator}"
        raise Refused(400, "usage", f"{where}: {said}" if where else said, hint="GET /openapi.json")


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")
