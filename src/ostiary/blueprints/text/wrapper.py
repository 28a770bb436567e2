"""Reads the blueprints of a file: plain documents, and Kubernetes ConfigMaps and Secrets.

Each key of a wrapper that ends in .yaml is one blueprint, as the mounted volume would show it. Errors name the line
of the wrapper file itself; inside base64 or quoted texts they name the key's line and the line inside.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator
from typing import Final

from ostiary.blueprints.errors import BlueprintError, Fault, Unreadable
from ostiary.blueprints.text.document import Blueprint, read_blueprint
from ostiary.blueprints.text.loader import decode_text, load, load_from
from ostiary.blueprints.text.nodes import Node, Plain, Table
from ostiary.blueprints.text.source import Encoded, LiteralBlock, TextOrigin, TextPosition
from ostiary.record import dataclass

_PARTS: Final = {
    "ConfigMap": (("data", False), ("binaryData", True)),
    "Secret": (("data", True), ("stringData", False)),
}
"""Which mappings of a wrapper hold files, and whether base64-encoded. Later ones win, as in Kubernetes."""
SUFFIX: Final = ".yaml"


@dataclass(frozen=True, slots=True)
class Loaded:
    """The blueprints and errors of a file. A wrapper may hold both."""

    blueprints: tuple[Blueprint, ...] = ()
    errors: tuple[tuple[str, BlueprintError], ...] = ()  # (path, error)
    notices: tuple[str, ...] = ()


def read_file(data: bytes, *, path: str) -> Loaded:
    """Return the blueprints of a file; `path` names it in messages and as identity. Raises nothing."""
    try:
        text = decode_text(data, path)
        documents = load(text, path)
    except BlueprintError as error:
        return Loaded(errors=((path, error),))
    if not documents:
        empty = Unreadable.at(TextPosition(path, 1, 1), "is empty, expected a blueprint")
        return Loaded(errors=((path, empty),))
    reader = _Reader(path, text)
    for number, node in enumerate(documents, 1):
        reader.read(node, digest=_digest(data), part="" if len(documents) == 1 else f"#{number}")
    return Loaded(tuple(reader.blueprints), tuple(reader.errors), tuple(reader.notices))


def _digest(data: bytes) -> str:
    return hashlib.sha512(data).hexdigest()


class _Reader:
    """Collects the blueprints of one file."""

    def __init__(self, path: str, text: str) -> None:
        self.blueprints: list[Blueprint] = []
        self.errors: list[tuple[str, BlueprintError]] = []
        self.notices: list[str] = []
        self._path = path
        self._lines = _lines(text)

    def read(self, node: Node, *, digest: str, part: str) -> None:
        """Read one document: a wrapper or a blueprint."""
        kind = node.pairs.get("kind") if isinstance(node, Table) and "apiVersion" in node.pairs else None
        if not isinstance(node, Table) or not isinstance(kind, Plain):
            self._blueprint(node, path=self._path + part, digest=digest)
        elif kind.value in _PARTS:
            self._wrapper(node, str(kind.value))
        else:
            self.notices.append(f"{node.position}: kind {kind.value} holds no blueprints, skipped")

    def _blueprint(self, node: Node, *, path: str, digest: str) -> None:
        try:
            self.blueprints.append(read_blueprint(node, path=path, digest=digest))
        except BlueprintError as error:
            self.errors.append((path, error))

    def _wrapper(self, wrapper: Table, kind: str) -> None:
        files: dict[str, tuple[str, Node, bool]] = {}
        for part, encoded in _PARTS[kind]:
            table = wrapper.pairs.get(part)
            if table is None or (isinstance(table, Plain) and table.value is None):
                continue
            if not isinstance(table, Table):
                fault = Fault(table.position, f"expected a mapping of file names to texts in a {kind}", field=part)
                self.errors.append((self._path, Unreadable([fault])))
                continue
            for name, node in table.pairs.items():
                files[str(name)] = (part, node, encoded)
                if not str(name).endswith(SUFFIX):
                    self.notices.append(f"{table.places[name]}: {name} does not end in {SUFFIX}, skipped")
        for name, (part, node, encoded) in files.items():
            if name.endswith(SUFFIX):
                self._file(name, node, part=part, encoded=encoded)

    def _file(self, name: str, node: Node, *, part: str, encoded: bool) -> None:
        path = f"{self._path}#{name}"
        try:
            text = _text(node, name=f"{part}.{name}", encoded=encoded)
            origin = self._origin(node, text, name=f"{part}.{name}", encoded=encoded)
            documents = load_from(text, origin)
            if len(documents) != 1:
                raise Unreadable.at(node.position, f"{name}: expected one blueprint, found {len(documents)}")
        except BlueprintError as error:
            self.errors.append((path, error))
            return
        self._blueprint(documents[0], path=path, digest=_digest(text.encode()))

    def _origin(self, node: Node, text: str, *, name: str, encoded: bool) -> TextOrigin:
        """Find the text in the file: a literal block follows its "|" line by line."""
        first, inner = node.position.line, _lines(text)
        block = self._lines[first : first + len(inner)]
        header = self._lines[first - 1][node.position.column - 1 :] if first <= len(self._lines) else ""
        if not encoded and header.startswith("|") and _same_block(block, inner):
            return LiteralBlock(self._path, first, inner, self._lines)
        return Encoded(node.position, name)


def _lines(text: str) -> list[str]:
    """Split as YAML does: at LF, CR LF and CR only."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _same_block(block: list[str], inner: list[str]) -> bool:
    pairs: Iterator[tuple[str, str]] = zip(block, inner, strict=False)
    return all(outer.endswith(line) for outer, line in pairs)


def _text(node: Node, *, name: str, encoded: bool) -> str:
    if not isinstance(node, Plain) or not isinstance(node.value, str):
        raise Unreadable.at(node.position, f"{name}: expected a text")
    if not encoded:
        return node.value
    try:
        data = base64.b64decode("".join(node.value.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable.at(node.position, f"{name}: expected base64") from None
    try:
        return decode_text(data, name)
    except BlueprintError as error:
        raise Unreadable.at(node.position, f"{name}: {error.faults[0].message}") from None
