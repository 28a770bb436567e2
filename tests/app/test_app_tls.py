"""Which certificate answers for a name, and what happens to one that cannot be used."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ostiary.app.listener import Listener
from ostiary.app.metrics import Metrics, MetricsSite
from ostiary.app.tls import Certificates
from ostiary.brands import Brand
from ostiary.keys.certificate import generate_self_signed
from ostiary.keys.defaults import SELF_SIGNED_NAME
from ostiary.keys.resources import CertificateKeyPair
from ostiary.resource import Registry, Resource
from ostiary.seal import Secret
from ostiary.settings import Address, SettingsError
from ostiary.settings.parse import address_or_off
from ostiary.store.snapshot import Snapshot

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
    ready = {id(context): pk for pk, (_, context) in certificates._ready.items()}
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
    import socket

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
