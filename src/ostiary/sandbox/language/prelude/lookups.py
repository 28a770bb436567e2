"""Look-ups of query sets on rows: `name="x"`, `name__startswith="x"`, `attributes__department="x"`."""

from __future__ import annotations

from typing import Any

from ostiary.sandbox.language.prelude.outside import uses
from ostiary.sandbox.language.prelude.values import ostiary_plain


def ostiary_comparable(value: Any) -> Any:
    """Return what an object is compared by: its primary key."""
    return value.pk if hasattr(value, "pk") else value


def ostiary_compare(value: Any, operator: str, wanted: Any) -> bool:  # noqa: C901, PLR0911 - one for each kind of operator
    """Tell whether one value matches."""
    if operator == "isnull":
        return (value is None) == bool(wanted)
    if operator == "in":
        found = wanted.ostiary_rows() if hasattr(wanted, "ostiary_rows") else wanted
        return value in [ostiary_comparable(one) for one in found]
    if operator[:4] == "has_":
        return ostiary_has_keys(value, operator, wanted)
    wanted = ostiary_comparable(wanted)
    if operator == "exact":
        return bool(value == wanted)
    if value is None or wanted is None:
        return operator == "iexact" and value is wanted
    if operator in ("gt", "gte", "lt", "lte"):
        return bool(
            value > wanted
            if operator == "gt"
            else value >= wanted
            if operator == "gte"
            else value < wanted
            if operator == "lt"
            else value <= wanted
        )
    if operator == "contains" and isinstance(value, (list, dict)):
        return ostiary_holds(value, wanted)
    text, part = str(value), str(wanted)
    if operator[0] == "i":
        operator, text, part = operator[1:], text.lower(), part.lower()
    if operator == "exact":
        return text == part
    if operator == "contains":
        return part in text
    return text.startswith(part) if operator == "startswith" else text.endswith(part)


def ostiary_has_keys(value: Any, operator: str, wanted: Any) -> bool:
    """Tell whether JSON data has a key, all of several, or one of them."""
    keys = [wanted] if operator == "has_key" else list(wanted)
    held = [isinstance(value, (dict, list)) and one in value for one in keys]
    return any(held) if operator == "has_any_keys" else all(held)


def ostiary_holds(value: Any, wanted: Any) -> bool:
    """Tell whether JSON data contains other JSON data."""
    if isinstance(value, dict) and isinstance(wanted, dict):
        return all([key in value and ostiary_holds(value[key], item) for key, item in wanted.items()])  # noqa: C419
    if isinstance(value, list):
        parts = wanted if isinstance(wanted, list) else [wanted]
        return all([any([ostiary_holds(item, part) for item in value]) for part in parts])  # noqa: C419
    return bool(value == wanted)


OPERATORS: tuple[str, ...] = (
    "exact",
    "iexact",
    "contains",
    "icontains",
    "startswith",
    "istartswith",
    "endswith",
    "iendswith",
    "in",
    "isnull",
    "gt",
    "gte",
    "lt",
    "lte",
    "has_key",
    "has_keys",
    "has_any_keys",
)


def ostiary_matches(row: dict[str, Any], lookups: dict[str, Any]) -> bool:
    """Tell whether a row matches every look-up. Raises ValueError for a field that rows do not have."""
    for name, wanted in lookups.items():
        if uses("__lookups__"):
            if not ostiary_looked_up(row, name, wanted):
                return False
        else:
            if name not in row:
                raise ValueError("Cannot resolve keyword '" + name + "' into field.")
            if row[name] != ostiary_comparable(wanted):
                return False
    return True


def ostiary_looked_up(row: dict[str, Any], name: str, wanted: Any) -> bool:
    """Tell whether a row matches one look-up, which may have a path and an operator. Raises ValueError."""
    parts = ostiary_parts(name)
    operator = parts.pop() if len(parts) > 1 and parts[-1] in OPERATORS else "exact"
    if parts[0] not in row:
        raise ValueError("Cannot resolve keyword '" + parts[0] + "' into field.")
    value: Any = row[parts[0]]
    if parts[0] in ("groups", "ak_groups"):
        rest = "__".join([*parts[1:], operator])
        return any([ostiary_looked_up(one, rest if len(parts) > 1 else "pk__" + operator, wanted) for one in value])  # noqa: C419 - a list is what it is there
    if len(parts) > 1 and not isinstance(value, dict):
        raise ValueError("Cannot look up '" + name + "' here.")
    for part in parts[1:]:
        if not isinstance(value, dict) or part not in value:
            return operator == "isnull" and bool(wanted)
        value = value[part]
    return ostiary_compare(value, operator, wanted)


def ostiary_valued(row: dict[str, Any], name: str) -> Any:
    """Return a field of a row, or what stands along a path in its attributes; None for what is not there there."""
    parts = name.split("__")
    if parts[0] not in row or (len(parts) > 1 and not isinstance(row[parts[0]], dict)):
        raise ValueError("Cannot resolve keyword '" + name + "' into field.")
    value: Any = row
    for part in parts:
        value = value[part] if isinstance(value, dict) and part in value else None
    return value


def ostiary_parts(name: str) -> list[str]:
    """Return the parts of a look-up. Raises ValueError for an operator that would be taken for a key."""
    parts = name.split("__")
    if parts[-1] in ("regex", "iregex", "range", "contained_by"):
        raise ValueError("There is no look-up '" + parts[-1] + "' here.")
    return parts


def ostiary_asked(lookups: dict[str, Any]) -> dict[str, Any]:
    """Return look-ups as plain data. Raises ValueError for an operator that would be taken for a key."""
    for name in lookups:
        ostiary_parts(name)
    return {name: ostiary_plain(value) for name, value in lookups.items()}


def ostiary_lookups(steps: Any) -> dict[str, Any]:
    """Return the look-ups of the filters before anything is cut off: what has not these is no answer."""
    found: dict[str, Any] = {}
    for step in steps:
        if step[0] == "slice":
            return found
        if step[0] == "filter" and isinstance(step[1], dict):
            found.update(ostiary_asked(step[1]))
    return found


def ostiary_applied(rows: list[dict[str, Any]], steps: Any) -> list[dict[str, Any]]:
    """Return the rows behind steps: filter, exclude, order_by, reverse, slice."""
    for step in steps:
        if uses("filter") and step[0] == "filter":
            rows = [row for row in rows if ostiary_condition(row, step[1])]
        if uses("exclude") and step[0] == "exclude":
            rows = [row for row in rows if not ostiary_condition(row, step[1])]
        if uses("order_by") and step[0] == "order_by":
            rows = ostiary_in_order(rows, step[1])
        if uses("reverse") and step[0] == "reverse":
            rows = rows[::-1]
        if step[0] == "slice":
            rows = rows[step[1] : step[2]]
    return rows


def ostiary_in_order(rows: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    """Return the rows in the order of fields; one with a minus goes down. Raises ValueError."""
    for name in reversed(names):
        field = name.lstrip("-")
        if rows and field not in rows[0]:
            raise ValueError("Cannot resolve keyword '" + field + "' into field.")
        rows = sorted(rows, key=lambda row: (row[field] is None, row[field]), reverse=name[0] == "-")
    return rows


def ostiary_condition(row: dict[str, Any], condition: Any) -> bool:
    """Tell whether a row matches a condition: look-ups, or a list of an operator and conditions."""
    if uses("Q") and isinstance(condition, list):
        if condition[0] == "not":
            return not ostiary_condition(row, condition[1])
        results = [ostiary_condition(row, one) for one in condition[1:]]
        return any(results) if condition[0] == "or" else all(results)
    return ostiary_matches(row, condition)
