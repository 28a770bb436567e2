"""Mail servers of the tests: real SMTP on a port of the loopback, with TLS, sign-in and refusals as a test wants."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Literal

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support.ports import free_port

Protection = Literal["none", "starttls", "tls"]
ADDRESS = "127.0.0.1"


@dataclass
class MailServer:
    """A server, what it accepted, and what it answers to RCPT TO and to DATA."""

    port: int
    accepted: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    protected: list[bool] = field(default_factory=list)  # whether the connection of each message had TLS
    rcpt_reply: str = "250 OK"
    data_reply: str = "250 queued as 1"

    async def handle_RCPT(  # noqa: N802 - the hook of aiosmtpd
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session, options
        if self.rcpt_reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt_reply

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        del session
        if self.data_reply.startswith("250"):
            content: Any = envelope.content
            parsed: Any = message_from_bytes(content, policy=policy.default)
            self.accepted.append(parsed)
            self.recipients.extend(envelope.rcpt_tos)
            assert server.transport is not None
            self.protected.append(server.transport.get_extra_info("ssl_object") is not None)
        return self.data_reply


@contextmanager
def mail_server(
    *, tls: Protection = "none", certificate: Path | None = None, login: tuple[str, str] | None = None
) -> Iterator[MailServer]:
    """Run a server. `certificate` is a PEM file with its key; `login` is the name and password that it asks for."""
    server = MailServer(free_port())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate is not None else None
    if context is not None and certificate is not None:
        context.load_cert_chain(certificate)

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        right = login is not None and data == LoginPassword(login[0].encode(), login[1].encode())
        return AuthResult(success=right, handled=False)

    controller = Controller(
        server,
        hostname=ADDRESS,
        port=server.port,
        ssl_context=context if tls == "tls" else None,
        tls_context=context if tls == "starttls" else None,
        require_starttls=tls == "starttls",
        authenticator=authenticate,
        auth_required=login is not None,
        auth_require_tls=tls == "starttls",
        ready_timeout=30,
    )
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


def self_signed(folder: Path) -> Path:
    """Write a certificate of the loopback with its key, and return the file. It is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.house.example")])
    now = datetime.now(UTC)
    day = timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(ADDRESS))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    file = folder / "mail.pem"
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    file.write_bytes(pem)
    return file
