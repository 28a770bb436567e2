"""Texts for the fuzzer: expressions of administrators, from a grammar of what the language checks and rewrites."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

ATOMS: Final = (
    "1", "'a'", "None", "True", "x", "y", "user", "request", "context", "request.user", "request.context", "[]", "{}",
    "user.ak_groups.all()", "request.user.groups", "user.attributes", "provider", "http_request", "10**3", "''", "b'x'",
    "f'{x!r:>{y}}'", "...", "given_user", "ostiary_x", "ak_client_ip", "int", "str.lower", "'{}'.format", "lambda: x",
)  # fmt: skip
NAMES: Final = (
    "x", "y", "user", "request", "context", "name", "attributes", "ak_groups", "groups", "all", "filter", "exists",
    "get",
    "values_list", "__class__", "ostiary_y", "append", "sort", "keys", "group_attributes", "users", "given_facts", "id",
    "ak_is_group_member", "ak_user_by", "ak_message", "sorted", "min", "map", "filter", "print", "len", "hasattr",
    "getattr",
    "match", "Exception", "SkipObject", "regex_match", "ip_network", "list", "dict", "set", "super", "eval", "lower",
)  # fmt: skip
MODULES: Final = (
    "re", "json", "datetime", "os", "os.path", "urllib.parse", "authentik.core.models", "authentik.lib.utils", "a.b.c",
    "django.http", "collections", "math", "sys",
)  # fmt: skip


SHALLOW: Final = 3  # kinds of values, of which the parts are atoms


class Text:
    """A text that is mostly Python. `number` returns a number from 0 to the given one: what octets decide."""

    def __init__(self, number: Callable[[int], int]) -> None:
        self._number = number
        self._left = 60  # parts

    def body(self) -> str:
        """Return the body of a function."""
        return "\n".join(self._statements("", 3))

    def _pick(self, values: Sequence[str]) -> str:
        return values[self._number(len(values) - 1)]

    def _statements(self, margin: str, depth: int) -> list[str]:
        return [line for _ in range(1 + self._number(3)) for line in self._statement(margin, depth)]

    def _statement(self, margin: str, depth: int) -> list[str]:
        simple = (
            lambda: f"return {self.value()}",
            lambda: f"{self._target()} = {self.value()}",
            lambda: f"{self._target()} {self._pick(('+=', '|=', '//='))} {self.value()}",
            lambda: f"del {self._target()}",
            lambda: self.value(),
            lambda: f"yield {self.value()}",
            lambda: f"yield from {self.value()}",
            lambda: f"raise {self._name()}({self.value()})",
            lambda: f"raise {self._name()}",
            lambda: f"import {self._pick(MODULES)}" + (f" as {self._name()}" if self._number(1) else ""),
            lambda: f"from {self._pick(MODULES)} import {self._name()}",
            lambda: f"{self._pick(('global', 'nonlocal'))} {self._name()}",
            lambda: f"assert {self.value()}, {self.value()}",
            lambda: self._pick(("pass", "break", "continue", "x = yield 1", "await x", "return", "del x", "(x := 1)")),
        )
        if not depth or self._number(2):
            return [margin + simple[self._number(len(simple) - 1)]()]
        return self._block(margin, depth - 1)

    def _block(self, margin: str, depth: int) -> list[str]:
        inner = self._statements(margin + "  ", depth)
        heads = (
            f"if {self.value()}:",
            f"while {self.value()}:",
            f"for {self._target()} in {self.value()}:",
            f"def {self._name()}({self._name()}, *, {self._name()}={self.value()}):",
            f"class {self._name()}({self._pick(('', 'Exception', 'object', 'ValueError', 'x', 'Exception, x'))}):",
            f"with {self.value()} as {self._target()}:",
            f"async def {self._name()}():",
        )
        kind = self._number(len(heads) + 1)
        if kind < len(heads):
            return [margin + heads[kind], *inner]
        if kind == len(heads):
            caught = self._pick(("Exception", "x", "(KeyError, x)", "ValueError as e", "User.DoesNotExist", ""))
            final = [f"{margin}finally:", *self._statements(margin + "  ", depth)] if self._number(1) else []
            return [
                f"{margin}try:",
                *inner,
                f"{margin}except {caught}:",
                *self._statements(margin + "  ", depth),
                *final,
            ]
        case = self._pick(("[x, *y]", "{'a': x, **y}", "User(name=x)", "1 | 'a'", "x if x", "_"))
        return [f"{margin}match {self.value()}:", f"{margin}  case {case}:", *(f"  {line}" for line in inner)]

    def _name(self) -> str:
        return self._pick(NAMES)

    def _target(self) -> str:
        return self._pick(("x", "y", "x, y", "x[0]", "x.name", "request.context['a']", "(x, *y)", "x[1:2]", "user"))

    def value(self) -> str:
        """Return an expression."""
        self._left -= 1
        kind = self._number(20) if self._left > 0 else 0
        one = self.value if kind > SHALLOW else self._atom
        makes = (
            lambda: one(),
            lambda: f"{one()}.{self._name()}",
            lambda: f"{self._name()}({one()}, {self._name()}={one()})",
            lambda: f"{one()}.{self._name()}({one()})",
            lambda: f"{one()}[{one()}]",
            lambda: f"({one()} {self._pick(('+', '%', '|', 'and', 'or', 'in', 'not in', '==', '<', 'is'))} {one()})",
            lambda: f"[{one()} for {self._target()} in {one()} if {one()}]",
            lambda: f"({one()} for {self._name()} in {one()})",
            lambda: f"{{{one()}: {one()}, **{one()}}}",
            lambda: f"{{{one()}, *{one()}}}",
            lambda: f"({one()} if {one()} else {one()})",
            lambda: f"(lambda {self._name()}, *a, **k: {one()})",
            lambda: f"(not {one()})",
            lambda: f"{self._name()}(*{one()}, key={one()})",
            lambda: f"({self._name()} := {one()})",
            lambda: f"sorted({one()}, key={one()})",
            lambda: f"ak_is_group_member({one()}, name={one()})",
            lambda: f"request.context.get('a', {one()})",
            lambda: f"getattr({one()}, {one()}, None)",
            lambda: f"f'{{{self._name()}}}'",
            lambda: f"{one()}.{self._name()}",
        )
        return makes[kind]()

    def _atom(self) -> str:
        return self._pick(ATOMS)
