"""JSON bytes in and out, the one place that names the engine (msgspec), so that it can be swapped."""

from __future__ import annotations

from typing import Final

import msgspec

_encoder: Final = msgspec.json.Encoder(order="deterministic")
_plain: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder()


def encode(value: object) -> bytes:
    """Return compact JSON bytes in the order given."""
    return _plain.encode(value)


def encode_canonical(value: object) -> str:
    """Return JSON text with sorted keys: equal data gives equal text, for storage and comparison."""
    return _encoder.encode(value).decode()


def decode(data: bytes | str) -> object:
    """Return the value of JSON. Raises ValueError when it is not JSON."""
    try:
        decoded: object = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"not valid JSON: {error}"
        raise ValueError(message) from error
    return decoded
