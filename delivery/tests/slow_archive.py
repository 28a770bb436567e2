"""A slow archive of Debian packages: what the cache holds, a little at a time, so that a fetch can be interrupted."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PIECE = 128 * 1024


@dataclass
class Slow:
    """Where it is, how long it waits after each piece (seconds), and where somebody went on in a file."""

    url: str = ""
    pause: float = 0.2
    resumed: dict[str, int] = field(default_factory=dict)


@contextmanager
def slow_archive(files: Mapping[str, Path]) -> Iterator[Slow]:
    """Serve files by their paths in an archive, with Range (RFC 9110, section 14)."""
    slow = Slow()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.lstrip("/")
            if path not in files:
                self.send_error(404)
                return
            data = files[path].read_bytes()
            begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
            if begin:
                slow.resumed[path] = begin
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(data) - begin))
            self.end_headers()
            try:
                for at in range(begin, len(data), PIECE):
                    self.wfile.write(data[at : at + PIECE])
                    self.wfile.flush()
                    time.sleep(slow.pause)
            except ConnectionError:
                return  # whoever asked was killed

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    slow.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield slow
    finally:
        server.shutdown()
        server.server_close()
