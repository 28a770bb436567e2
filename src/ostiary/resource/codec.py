"""JSON encoding and decoding, and records with fast construction and decoding.

The one place that names the engine (msgspec), so that it can be swapped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

_encoder: Final = msgspec.json.Encoder(order="deterministic")
_plain: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder()


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """A frozen value like a frozen dataclass, for frequent use in a request. Its JSON omits defaults.

    The types of a record that is read from JSON must be importable where it is defined.
    """


R = TypeVar("R", bound=Record)


def changed(record: R, **changes: object) -> R:
    """Return the record with some fields changed."""
    return msgspec.structs.replace(record, **changes)


def reader(kind: type[R]) -> Callable[[bytes], R]:
    """Return the decoder of a record type from JSON. The decoder raises ValueError."""
    return msgspec.json.Decoder(kind).decode


def encode(value: object) -> bytes:
    """Return compact JSON bytes in the order given."""
    return _plain.encode(value)


def encode_canonical(value: object) -> str:
    """Return JSON text with sorted keys: equal data gives equal text, for storage and comparison."""
    return _encoder.encode(value).decode()


def decode(data: bytes | str) -> object:
    """Decode JSON. Raises ValueError."""
    try:
        decoded: object = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"not valid JSON: {error}"
        raise ValueError(message) from error
    return decoded
