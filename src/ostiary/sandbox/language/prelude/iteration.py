"""What a rewritten program calls where Python would go through something, call back, or raise an own exception."""

from __future__ import annotations

from typing import Any


def ostiary_rows(value: Any) -> Any:
    """Return the list of a query set, and anything else as it is."""
    return value.ostiary_rows() if hasattr(value, "ostiary_rows") else value


def ostiary_delete(holder: Any, key: Any) -> None:
    """Do what `del holder[key]` does."""
    holder.pop(key)


def ostiary_delete_slice(holder: Any, start: Any, stop: Any, step: Any) -> None:
    """Do what `del holder[start:stop:step]` does to a list."""
    gone = set(range(len(holder))[start:stop:step])
    holder[:] = [item for index, item in enumerate(holder) if index not in gone]


def ostiary_method(holder: Any, name: str, call: Any) -> Any:
    """Return an attribute, or a function that calls the method: methods of Python's own types are no values."""
    if hasattr(holder, name):
        return getattr(holder, name)
    return lambda *arguments, **named: call(holder, *arguments, **named)


def ostiary_hasattr(holder: Any, name: str) -> bool:
    """Do what `hasattr` does for objects; of Python's own types it would not find the methods."""
    if isinstance(holder, (str, bytes, int, float, list, tuple, set, frozenset, dict)):
        raise TypeError("hasattr cannot tell which methods a value of Python's own types has: use isinstance")
    return hasattr(holder, name)


def ostiary_map(function: Any, *iterables: Any) -> Any:
    """Do what `map` does, at once; the function may ask the host."""
    if len(iterables) == 1:
        return iter([function(item) for item in ostiary_rows(iterables[0])])
    lists = [ostiary_rows(one) for one in iterables]
    return iter([function(*items) for items in zip(*lists)])  # noqa: B905 - as `map`


def ostiary_filter(function: Any, iterable: Any) -> Any:
    """Do what `filter` does, at once; the function may ask the host."""
    if function is None:
        return iter([item for item in ostiary_rows(iterable) if ostiary_rows(item)])
    return iter([item for item in ostiary_rows(iterable) if ostiary_rows(function(item))])


def ostiary_sorted(iterable: Any, key: Any = None, reverse: bool = False) -> list[Any]:
    """Do what `sorted` does; the key function may ask the host."""
    items = [item for item in ostiary_rows(iterable)]  # noqa: C416 - as in `ostiary_plain`
    if key is None:
        return sorted(items, reverse=reverse)
    keys = [key(item) for item in items]
    return [items[index] for index in sorted(range(len(items)), key=lambda index: keys[index], reverse=reverse)]


def ostiary_sort(holder: Any, key: Any = None, reverse: bool = False) -> None:
    """Do what the method `sort` of lists does; the key function may ask the host."""
    holder[:] = ostiary_sorted(holder, key=key, reverse=reverse)


def ostiary_extreme(items: Any, key: Any, default: Any, largest: bool) -> Any:
    """Return the first largest or smallest item by its key; `default` is a list with the value for no items."""
    found: list[Any] = []
    best = None
    for item in ostiary_rows(items):
        value = key(item)
        if not found or (value > best if largest else value < best):
            found = [item]
            best = value
    if found:
        return found[0]
    if default:
        return default[0]
    raise ValueError("max() or min() of nothing")


def ostiary_max(*items: Any, key: Any, **others: Any) -> Any:
    """Do what `max` with a key does; the key function may ask the host."""
    default = [others["default"]] if "default" in others else []
    return ostiary_extreme(items[0] if len(items) == 1 else items, key, default, True)  # noqa: FBT003 - as above


def ostiary_min(*items: Any, key: Any, **others: Any) -> Any:
    """Do what `min` with a key does; the key function may ask the host."""
    default = [others["default"]] if "default" in others else []
    return ostiary_extreme(items[0] if len(items) == 1 else items, key, default, False)  # noqa: FBT003 - as above
