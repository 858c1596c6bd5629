"""What is wrong with a JSON value by its schema, in words that whoever wrote it can act on."""

from collections.abc import Mapping

_LONGEST = 200
_START = 60


def wrong(value: object, schema: Mapping[str, object], *, name: str) -> list[str]:
    """Every way in which `value`, which is called `name`, is not what the schema says."""
    import jsonschema  # noqa: PLC0415 - 0.1 s that only those pay who have a value to check

    draft = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    errors = draft(schema).iter_errors(value)  # type: ignore[arg-type]  # any value may turn out to be wrong
    return [f"{'.'.join(map(str, error.path)) or name}: {_cut(error.message)}" for error in errors]


def _cut(message: str) -> str:
    """A message names the value first and what is wrong with it last."""
    if len(message) <= _LONGEST:
        return message
    return f"{message[:_START]} … {message[_START - _LONGEST :]}"
