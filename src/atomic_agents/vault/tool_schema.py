"""Whether a schema can be that of a tool's arguments: JSON Schema of an object that needs nothing from elsewhere."""

from collections.abc import Iterator, Mapping


def schema_problems(schema: object, name: str = "input_schema") -> list[str]:
    """Why a schema, which is called `name`, cannot be that of a tool's arguments.

    What is found here would otherwise fail only when a model calls the tool and its arguments are checked.
    """
    if not isinstance(schema, dict):
        return [f"{name} is no JSON Schema: a table is needed"]
    if schema.get("type", "object") != "object":
        return [f"{name} is not of type object, and a tool's arguments are one"]
    references = dict.fromkeys(_references(schema))
    if any(not reference.startswith("#") for reference in references):
        return [f"{name} refers to what stands elsewhere, and nothing is fetched for it"]
    import jsonschema  # noqa: PLC0415 - 0.1 s that only agents with tools pay

    try:
        draft = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
        draft.check_schema(schema)
    except jsonschema.SchemaError as error:
        at = ".".join(map(str, error.absolute_path))
        return [f"{name}{'.' + at if at else ''} is no JSON Schema: {error.message}"]
    except Exception as error:  # noqa: BLE001 - whatever the library stumbles over cannot be checked against
        return [f"{name} is no JSON Schema: {type(error).__name__}"]
    validator = draft(schema)
    return [f"{name} refers to {each}, {why}" for each in references if (why := _why_unresolved(validator, each))]


def _why_unresolved(validator: object, reference: str) -> str:
    """Why a reference within a schema leads nowhere; "" where it leads somewhere."""
    try:
        validator.evolve(schema={"$ref": reference}).is_valid(None)  # type: ignore[attr-defined]  # the library's
    except RecursionError:
        return "which refers to itself"
    except Exception:  # noqa: BLE001 - the library has private errors for each way to lead nowhere
        return "which is not in it"
    return ""


def _references(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in ("$ref", "$dynamicRef") and isinstance(inner, str):
                yield inner
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
