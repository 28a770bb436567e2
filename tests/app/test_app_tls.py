"""Which certificate answers for a name, and what happens to one that cannot be used."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ostiary.app.listening import listener as listening
from ostiary.app.listening.connection_limits import ConnectionLimits
from ostiary.app.listening.listener import Listener
from ostiary.app.listening.tls import Certificates, StrictTransport
from ostiary.app.metrics import Metrics, MetricsSite
from ostiary.brands.resources import Brand
from ostiary.keys.certificate import generate_self_signed
from ostiary.keys.defaults import SELF_SIGNED_NAME
from ostiary.keys.resources import CertificateKeyPair
from ostiary.resource import Registry, Resource
from ostiary.seal import Secret
from ostiary.settings import Address, SettingsError
from ostiary.settings.parse import address_or_off
from ostiary.store.configuration.snapshot import Snapshot
from ostiary.web.asgi import Site
from ostiary.web.request import Request
from ostiary.web.response import Response

NOW = 1_700_000_000_000_000


def pair(pk: str, name: str | None = None) -> CertificateKeyPair:
    made = generate_self_signed(pk, pk, key_type="ec-p256", now=NOW)
    return CertificateKeyPair(pk=pk, name=name or pk, certificate_data=made.certificate_data, key_data=made.key_data)


OWN = pair("own", SELF_SIGNED_NAME)
ONE = pair("one")
TWO = pair("two")


def house(*brands: Brand, pairs: tuple[CertificateKeyPair, ...] = (OWN, ONE, TWO)) -> tuple[Certificates, Any]:
    objects: list[Resource] = [*brands, *pairs]
    plane = SimpleNamespace(snapshot=Snapshot.of(Registry((Brand, CertificateKeyPair)), objects, number=1))
    return Certificates(cast("Any", plane)), plane


def chosen(certificates: Certificates, name: str) -> str:
    """The pair that was made ready for a name."""
    found = certificates.find(name)
    ready = {id(context): pk for pk, (_, context) in certificates._contexts.items()}
    return ready.get(id(found), "") if found is not None else ""


def test_the_name_decides() -> None:
    certificates, plane = house(
        Brand(pk="b", domain="id.example.org", web_certificate="one"),
        Brand(pk="d", domain="authentik-default", default=True, web_certificate="two"),
    )
    assert chosen(certificates, "id.example.org") == "one"
    assert chosen(certificates, "deep.ID.example.org") == "one"
    assert chosen(certificates, "other.example.org") == "two"
    assert chosen(certificates, "") == "two"
    first = certificates.find("id.example.org")
    plane.snapshot = plane.snapshot.changed(number=2, put=[Brand(pk="x", domain="x")], drop=())
    assert certificates.find("id.example.org") is first, "what did not change is not loaded again"
    plane.snapshot = plane.snapshot.changed(number=3, put=[replace(ONE, **vars_of(TWO))], drop=())
    assert certificates.find("id.example.org") is not first


def vars_of(other: CertificateKeyPair) -> dict[str, Any]:
    return {"certificate_data": other.certificate_data, "key_data": other.key_data}


def test_what_cannot_be_used_is_passed_over_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    broken = CertificateKeyPair(pk="one", name="broken", certificate_data="x", key_data=Secret("y"))
    keyless = replace(TWO, key_data=Secret(""))
    certificates, _ = house(
        Brand(pk="b", domain="a.example.org", web_certificate="one"),
        Brand(pk="c", domain="b.example.org", web_certificate="two"),
        Brand(pk="e", domain="c.example.org", web_certificate="gone"),
        pairs=(OWN, broken, keyless),
    )
    for name in ("a.example.org", "b.example.org", "c.example.org", "a.example.org"):
        assert chosen(certificates, name) == "own"
    assert [record.message for record in caplog.records] == [
        "the certificate 'broken' cannot be used for TLS: " + caplog.records[0].message.partition("TLS: ")[2]
    ]
    assert "y" not in caplog.records[0].message.partition("TLS: ")[2].split()


def test_without_any_pair_the_handshake_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    certificates, _ = house(pairs=())
    assert certificates.find("a") is None
    refused = certificates._choose(cast("Any", None), None, certificates.context())
    assert refused == ssl.AlertDescription.ALERT_DESCRIPTION_INTERNAL_ERROR
    assert "no certificate is usable" in caplog.text


def test_without_files_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    assert chosen(house()[0], "a") == "own"


def test_the_settings_word_for_nowhere() -> None:
    assert address_or_off("off") is None
    assert address_or_off("127.0.0.1:9443") == Address("127.0.0.1", 9443)
    with pytest.raises(ValueError, match="host:port"):
        address_or_off("on")


@pytest.fixture
def taken() -> Iterator[Address]:
    with socket.create_server(("127.0.0.1", 0)) as held:
        yield Address("127.0.0.1", held.getsockname()[1])


async def test_a_default_address_that_is_taken_is_done_without(
    taken: Address, caplog: pytest.LogCaptureFixture
) -> None:
    site = MetricsSite(Metrics(version="1"))
    with pytest.raises(SettingsError, match="OSTIARY_LISTEN__HTTPS"):
        await Listener(site, taken, setting="OSTIARY_LISTEN__HTTPS").start()
    caplog.set_level(logging.WARNING)
    optional = Listener(site, taken, setting="OSTIARY_LISTEN__HTTPS", optional=True)
    await optional.start()
    await optional.stop()
    assert "set it to another address" in caplog.text


def speaks(port: int, **wanted: Any) -> str:
    """The suite that a client and the listener agree on, "" when there is none. `wanted` are settings of the client."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.minimum_version, client.maximum_version = wanted["least"], wanted["most"]
    client.set_ciphers(wanted.get("suites", "ALL:@SECLEVEL=0"))
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
            client.wrap_socket(plain, server_hostname="id.example.org") as secure,
        ):
            agreed = secure.cipher()
    except OSError:
        return ""
    return agreed[0] if agreed is not None else ""


def rsa() -> CertificateKeyPair:
    made = generate_self_signed("rsa", "id.example.org", key_type="rsa-2048", now=NOW)
    return CertificateKeyPair(pk="rsa", name="rsa", certificate_data=made.certificate_data, key_data=made.key_data)


@pytest.fixture
async def secure() -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    """A listener for TLS with a site behind it; makes it of a brand's certificate, gives the listener and the plane."""
    listeners: list[Listener] = []

    async def hello(_request: Request) -> Response:
        return Response(200, b"hello", [])

    async def make(brand: Brand, *, seconds: int = 3600) -> Listener:
        certificates, plane = house(brand, pairs=(OWN, rsa()))
        site = Site(hello, finish=[StrictTransport(plane, seconds).finish])
        listeners.append(Listener(site, Address("127.0.0.1", 0), setting="TEST", context=certificates.context()))
        await listeners[-1].start()
        return listeners[-1]

    yield make
    for listener in listeners:
        await listener.stop()


STATIC_RSA = ["AES128-GCM-SHA256", "AES256-SHA256", "AES128-SHA"]
CBC = ["ECDHE-RSA-AES128-SHA256", "ECDHE-RSA-AES256-SHA384", "ECDHE-RSA-AES128-SHA"]
GOOD = ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305"]


async def test_a70_old_suites_are_not_offered(secure: Callable[..., Awaitable[Listener]]) -> None:
    """RFC 9325 4.2: without forward secrecy, or with CBC, a suite is not spoken."""
    port = (await secure(Brand(pk="b", domain="id.example.org", web_certificate="rsa"))).port
    old = {"least": ssl.TLSVersion.TLSv1_2, "most": ssl.TLSVersion.TLSv1_2}
    for suite in STATIC_RSA + CBC:
        assert await asyncio.to_thread(speaks, port, **old, suites=f"{suite}:@SECLEVEL=0") == "", suite
    for suite in GOOD:
        assert await asyncio.to_thread(speaks, port, **old, suites=suite) == suite
    new = {"least": ssl.TLSVersion.TLSv1_3, "most": ssl.TLSVersion.TLSv1_3}
    assert (await asyncio.to_thread(speaks, port, **new)).startswith("TLS_")


def ask(port: int, host: str) -> str:
    """The header that a browser keeps, "" when it is not told."""
    client = ssl.create_default_context()
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
        client.wrap_socket(plain, server_hostname=host) as secure,
    ):
        secure.sendall(
            f"GET / HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Proto: http\r\nConnection: close\r\n\r\n".encode()
        )
        head = b""
        while part := secure.recv(65_536):
            head += part
    assert head.startswith(b"HTTP/1.1 200 "), head
    found = [line for line in head.decode().split("\r\n") if line.startswith("strict-transport-security: ")]
    return found[0].partition(": ")[2] if found else ""


async def test_browsers_are_told_to_come_back_over_tls(secure: Callable[..., Awaitable[Listener]]) -> None:
    listener = await secure(Brand(pk="b", domain="id.example.org", default=True, web_certificate="rsa"))
    assert await asyncio.to_thread(ask, listener.port, "id.example.org") == "max-age=3600"
    assert await asyncio.to_thread(ask, listener.port, "localhost") == "", "of loopback nothing is known"
    off = await secure(Brand(pk="b", domain="id.example.org", web_certificate="rsa"), seconds=0)
    assert await asyncio.to_thread(ask, off.port, "id.example.org") == ""
    trial = await secure(Brand(pk="b", domain="id.example.org"))
    assert await asyncio.to_thread(ask, trial.port, "id.example.org") == "", "the certificate is self-signed"


async def test_a_proxy_that_speaks_tls_decides_itself() -> None:
    """What a trusted proxy says of the browser's connection is not what was seen here."""
    _, plane = house(Brand(pk="b", domain="id.example.org", web_certificate="one"))
    seen: list[Response] = []

    async def hello(_request: Request) -> Response:
        return Response(200, b"hello", [])

    site = Site(hello, finish=[StrictTransport(plane, 1).finish, lambda _, response: seen.append(response)])
    listener = Listener(site, Address("127.0.0.1", 0), setting="TEST")
    await listener.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"GET / HTTP/1.0\r\nHost: id.example.org\r\nX-Forwarded-Proto: https\r\n\r\n")
    assert b"200 OK" in await reader.read()
    writer.close()
    await listener.stop()
    assert "strict-transport-security" not in dict(seen[0].headers)


@pytest.mark.both_loops
async def test_a74_a_hand_shake_has_its_seconds(
    secure: Callable[..., Awaitable[Listener]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "HANDSHAKE_TIMEOUT", 0.3)
    listener = await secure(Brand(pk="b", domain="id.example.org"))
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    assert await asyncio.wait_for(reader.read(), 60) == b""
    writer.close()


@pytest.mark.both_loops
async def test_a74_who_does_not_shake_hands_gives_way(
    secure: Callable[..., Awaitable[Listener]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "HANDSHAKE_TIMEOUT", 600)  # nobody is cut off for being slow
    listener = await secure(Brand(pk="b", domain="id.example.org"))
    listener._endpoint.limits = ConnectionLimits(8)  # type: ignore[union-attr] # of which two may be in their hand-shake
    silent = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(8)]
    ended = [asyncio.ensure_future(reader.read()) for reader, _ in silent]
    await asyncio.wait(ended[:6], timeout=60)
    assert all(one.done() for one in ended[:6])
    assert await asyncio.to_thread(ask, listener.port, "id.example.org") == ""
    for one, (_, writer) in zip(ended, silent, strict=True):
        one.cancel()
        writer.close()
