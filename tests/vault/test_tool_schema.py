import pytest

from atomic_agents.vault.tool_schema import schema_problems


def of(inner: object, **more: object) -> dict[str, object]:
    return {"type": "object", "properties": {"n": inner}, **more}


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        (of({"type": "int"}), "input_schema.properties.n.type is no JSON Schema: 'int' is not valid"),
        (of({"type": "String"}), "input_schema.properties.n.type is no JSON Schema"),
        (of({"type": None}), "input_schema.properties.n.type is no JSON Schema"),
        (of({"type": ["string", "nil"]}), "input_schema.properties.n.type"),
        (of(5), "input_schema.properties.n is no JSON Schema"),
        (of({"enum": "abc"}), "input_schema.properties.n.enum is no JSON Schema"),
        (of({"minimum": "1"}), "input_schema.properties.n.minimum is no JSON Schema"),
        (of({"required": True}), "input_schema.properties.n.required is no JSON Schema"),
        (of({"pattern": "("}), "input_schema.properties.n.pattern is no JSON Schema: '(' is not a 'regex'"),
        (of({}, patternProperties={"(": {}}), "input_schema.patternProperties is no JSON Schema"),
        (of({}, required="n"), "input_schema.required is no JSON Schema: 'n' is not of type 'array'"),
        (of({"items": [{"type": "string"}]}), "input_schema.properties.n.items is no JSON Schema"),
        ({"type": "object", "properties": []}, "input_schema.properties is no JSON Schema"),
        (of({"$ref": "#/$defs/gone"}), "input_schema refers to #/$defs/gone, which is not in it"),
        (of({"$ref": "#/$defs/a"}, **{"$defs": {"a": {"$ref": "#/$defs/a"}}}), "#/$defs/a, which refers to itself"),
        (of({"$ref": "https://x.example/a.json"}), "input_schema refers to what stands elsewhere"),
        ({"type": "array"}, "input_schema is not of type object"),
        ({"$schema": 5, "type": "object"}, "input_schema is no JSON Schema"),
        (None, "is no JSON Schema: a table is needed"), ([], "a table is needed"), ("x", "a table is needed"),
    ],
)  # fmt: skip
def test_what_no_arguments_can_be_checked_against_is_named(schema: object, problem: str) -> None:
    (said,) = schema_problems(schema)

    assert said.startswith("input_schema")
    assert problem in said


@pytest.mark.parametrize(
    "schema",
    [
        {}, {"type": "object"}, of({"type": ["integer", "null"], "minimum": 1}), of(True),
        of({"$ref": "#/$defs/N"}, **{"$defs": {"N": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}}),
        of({"$ref": "#"}), of({"items": [{"type": "string"}]}, **{"$schema": "http://json-schema.org/draft-07/schema#"}),
    ],
)  # fmt: skip
def test_what_is_json_schema_of_any_draft_passes(schema: object) -> None:
    assert schema_problems(schema) == []
