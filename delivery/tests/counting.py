"""A door before a registry that counts: every byte of content that a client sends, whoever the client is."""

from __future__ import annotations

import http.client
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Counter:
    """How many bytes of bodies went through, and where to send more."""

    port: int
    received: int = 0


@contextmanager
def counting(registry: int) -> Iterator[Counter]:
    """Stand before the registry at a port of this machine."""
    counter = Counter(0)

    class Door(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            assert "Transfer-Encoding" not in self.headers  # each body says its length, or the count would be wrong
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            counter.received += len(body)
            connection = http.client.HTTPConnection("127.0.0.1", registry, timeout=60)
            connection.request(self.command, self.path, body=body, headers=dict(self.headers))
            answer = connection.getresponse()
            said = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"date", "server"}:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said)
            connection.close()

        def do_GET(self) -> None:
            self.pass_on()

        def do_HEAD(self) -> None:
            self.pass_on()

        def do_POST(self) -> None:
            self.pass_on()

        def do_PUT(self) -> None:
            self.pass_on()

        def do_PATCH(self) -> None:
            self.pass_on()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
    counter.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield counter
    finally:
        server.shutdown()
        server.server_close()
