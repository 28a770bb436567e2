"""Query sets: what relations and managers answer. Rows are plain; objects are made of them when they are looked at."""

from __future__ import annotations

from typing import Any

from ostiary.sandbox.language.prelude.exceptions import DoesNotExist, MultipleObjectsReturned
from ostiary.sandbox.language.prelude.lookups import ostiary_applied, ostiary_lookups, ostiary_valued
from ostiary.sandbox.language.prelude.outside import host_rows, uses


class Q:
    """A condition that can be joined with others: `Q(name="a") | Q(name="b")`."""

    def __init__(self, *conditions: Any, **lookups: Any) -> None:
        self.ostiary_condition: Any = ["and", lookups, *[one.ostiary_condition for one in conditions]]

    def __or__(self, other: Q) -> Q:
        joined = Q()
        joined.ostiary_condition = ["or", self.ostiary_condition, other.ostiary_condition]
        return joined

    def __and__(self, other: Q) -> Q:
        joined = Q()
        joined.ostiary_condition = ["and", self.ostiary_condition, other.ostiary_condition]
        return joined

    def __invert__(self) -> Q:
        joined = Q()
        joined.ostiary_condition = ["not", self.ostiary_condition]
        return joined


class Query:
    """The rows of one kind. `rows` are there already, or None: then the host is asked for `reference`."""

    def __init__(
        self, kind: Any, rows: list[dict[str, Any]] | None, reference: Any = None, steps: Any = (), shape: Any = None
    ) -> None:
        self._kind = kind
        self._given = rows
        self._reference = reference
        self._steps = steps
        self._shape = shape
        self._found: list[Any] | None = None

    def ostiary_rows(self) -> list[Any]:
        """Return the objects, or the values of `values_list` and `values`."""
        if self._found is None:
            if uses("values_list", "__values__"):
                self._found = [self._shaped(row) for row in self.ostiary_read()]
            else:
                self._found = [self._kind(row) for row in self.ostiary_read()]
        return self._found

    def ostiary_read(self) -> list[dict[str, Any]]:
        """Return the rows."""
        rows = self._given or []
        if uses("objects", "users", "parents", "children") and self._given is None:
            rows = host_rows(self._reference, ostiary_lookups(self._steps))
        if uses("_with"):
            return ostiary_applied(rows, self._steps)
        return rows

    def _shaped(self, row: dict[str, Any]) -> Any:
        if self._shape is None:
            return self._kind(row)
        form, names = self._shape
        names = names or [name for name in row if name[0] != "_"]
        values = [ostiary_valued(row, name) for name in names]
        if form == "flat":
            return values[0]
        return tuple(values) if form == "tuple" else {name: value for name, value in zip(names, values)}  # noqa: B905, C416 - as many

    def _with(self, step: list[Any]) -> Query:
        return Query(self._kind, self._given, self._reference, [*self._steps, step], self._shape)

    def __iter__(self) -> Any:
        return iter(self.ostiary_rows())

    def __str__(self) -> str:
        return "<QuerySet " + str([str(one) for one in self.ostiary_rows()]) + ">"

    def all(self) -> Query:
        """Return the same."""
        return self

    def filter(self, *conditions: Any, **lookups: Any) -> Query:
        """Return those that match."""
        if uses("Q") and conditions:
            return self._with(["filter", Q(*conditions, **lookups).ostiary_condition])
        return self._with(["filter", lookups])

    def exclude(self, *conditions: Any, **lookups: Any) -> Query:
        """Return those that do not match."""
        if uses("Q") and conditions:
            return self._with(["exclude", Q(*conditions, **lookups).ostiary_condition])
        return self._with(["exclude", lookups])

    def order_by(self, *names: str) -> Query:
        """Return them in another order."""
        return self._with(["order_by", list(names)])

    def reverse(self) -> Query:
        """Return them in the reverse order."""
        return self._with(["reverse"])

    def distinct(self) -> Query:
        """Return the same: there are no doubles."""
        return self

    def select_related(self, *_names: str) -> Query:
        """Return the same."""
        return self

    def prefetch_related(self, *_names: str) -> Query:
        """Return the same."""
        return self

    def none(self) -> Query:
        """Return nothing."""
        return Query(self._kind, [], None, (), self._shape)

    def values_list(self, *names: str, flat: bool = False) -> Query:
        """Return tuples of these fields, or the values of one with `flat`."""
        shape = ["flat" if flat else "tuple", list(names)]
        return Query(self._kind, self._given, self._reference, self._steps, shape)

    def values(self, *names: str) -> Query:
        """Return dictionaries of these fields."""
        return Query(self._kind, self._given, self._reference, self._steps, ["dict", list(names)])

    def iterator(self) -> Any:
        """Go through them."""
        return iter(self.ostiary_rows())

    def first(self) -> Any:
        """Return the first, None without one."""
        rows = self._with(["slice", 0, 1]).ostiary_rows()
        return rows[0] if rows else None

    def last(self) -> Any:
        """Return the last, None without one."""
        return self.reverse().first()

    def exists(self) -> bool:
        """Tell whether there is one."""
        return len(self._with(["slice", 0, 1]).ostiary_read()) > 0

    def count(self) -> int:
        """Return how many there are."""
        return len(self.ostiary_read())

    def contains(self, item: Any) -> bool:
        """Tell whether an object is among them."""
        return item.pk in [row["pk"] for row in self.ostiary_read()]

    def get_or_create(self, defaults: Any = None, **lookups: Any) -> Any:  # noqa: ARG002 - as Django's
        """Return the only one, and that it was there. Raises RuntimeError where Django would make one."""
        rows = self.filter(**lookups).ostiary_rows()
        if len(rows) != 1:
            raise RuntimeError("there is no such " + self._kind.KIND + ", and an expression makes none: make it first")
        return (rows[0], False)

    def get(self, *conditions: Any, **lookups: Any) -> Any:
        """Return the only one. Raises DoesNotExist, MultipleObjectsReturned."""
        rows = self.filter(*conditions, **lookups).ostiary_rows()
        if not rows:
            raise DoesNotExist(self._kind.KIND.capitalize() + " matching query does not exist.")
        if len(rows) > 1:
            raise MultipleObjectsReturned("get() returned more than one " + self._kind.KIND.capitalize())
        return rows[0]
