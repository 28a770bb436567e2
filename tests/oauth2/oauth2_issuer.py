"""A second issuer: a server on this machine that publishes its keys, and signs what it is told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from oauth2_client_keys import Key


@dataclass
class Issuer:
    """`documents` are what it answers, by path; `asked` is what it was asked for."""

    url: str = ""
    documents: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    keys: dict[str, Key] = field(default_factory=dict)
    status: int = 200

    def publish(self, **keys: Key) -> None:
        """Offer these keys, by their kid, and discovery that leads to them."""
        self.keys = keys
        self.documents = {
            "/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"},
            "/jwks": {"keys": [{**key.jwk, "kid": kid, "use": "sig"} for kid, key in keys.items()]},
        }

    def token(self, now: int, *, kid: str = "one", header: Mapping[str, object] | None = None, **claims: object) -> str:
        """A token of its robot for the client "wiki"; what is given replaces the right values, None leaves one out."""
        seconds = now // 1_000_000
        made = {"iss": self.url, "sub": "robot", "aud": "wiki", "iat": seconds, "exp": seconds + 600, **claims}
        key = self.keys[kid]
        return key.sign(
            {"alg": key.alg, "typ": "JWT", "kid": kid, **(header or {})},
            {name: value for name, value in made.items() if value is not None},
        )


@asynccontextmanager
async def second_issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        issuer.asked.append(path)
        body = json.dumps(issuer.documents.get(path)).encode()
        status = issuer.status if path in issuer.documents else 404
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        issuer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        issuer.publish(one=Key())
        yield issuer
