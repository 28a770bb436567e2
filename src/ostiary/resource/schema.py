"""The JSON schema projection of a kind (2020-12), as blueprint editors and API v3 use it."""

from __future__ import annotations

from ostiary.resource.field import Field, Shape
from ostiary.resource.kind import Kind
from ostiary.resource.marks import Flag


def kind_schema(item: Kind, *, blueprint: bool) -> dict[str, object]:
    """Return the schema of the writable fields. `blueprint` adds the fields only blueprints may set."""
    writable = {
        name: one
        for name, one in item.fields.items()
        if Flag.READ_ONLY not in one.flags and (blueprint or Flag.BLUEPRINT_ONLY not in one.flags)
    }
    return {
        "type": "object",
        "title": item.verbose_name,
        "properties": {name: field_schema(one) for name, one in writable.items()},
        "required": [name for name, one in writable.items() if one.required],
    }


def field_schema(item: Field) -> dict[str, object]:
    """Return the schema of one field."""
    one = _one(item)
    if item.many:
        one = {"type": "array", "items": one}
        if item.length.least:
            one["minItems"] = item.length.least
        if item.length.most is not None:
            one["maxItems"] = item.length.most
    if item.nullable:
        one = (
            {**one, "type": [one["type"], "null"]}
            if isinstance(one.get("type"), str)
            else {"anyOf": [one, {"type": "null"}]}
        )
    if item.help:
        one["description"] = item.help
    if item.sealed is not None:
        one["writeOnly"] = True
    elif item.constant and (default := item.masked(item.default())) is not None:
        one["default"] = default
    return one


def _one(item: Field) -> dict[str, object]:
    match item.shape:
        case Shape.CHOICE:
            listed: dict[str, object] = {"enum": list(item.choices)}
            return listed if item.pattern is None else {"anyOf": [listed, _text(item)]}
        case Shape.INTEGER | Shape.NUMBER:
            bounds = {"minimum": item.range.least, "maximum": item.range.most}
            return {"type": item.shape.value, **{key: value for key, value in bounds.items() if value is not None}}
        case Shape.BOOLEAN | Shape.OBJECT:
            return {"type": item.shape.value}
        case Shape.KEY:
            return {"type": ["string", "integer"]}
        case Shape.RECORD:
            return {
                "type": "object",
                "properties": {name: field_schema(one) for name, one in item.parts.items()},
                "required": [name for name, one in item.parts.items() if one.required],
            }
        case _:
            return _text(item)


def _text(item: Field) -> dict[str, object]:
    schema: dict[str, object] = {"type": "string"}
    if Flag.TIMESTAMP in item.flags:
        schema["format"] = "date-time"
        return schema
    if item.length.least and not item.many:
        schema["minLength"] = item.length.least
    if item.length.most is not None and not item.many:
        schema["maxLength"] = item.length.most
    if item.pattern is not None:
        schema["pattern"] = f"^(?:{item.pattern.expression})$"
    return schema
