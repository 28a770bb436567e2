"""Starts Ostiary with the example blueprint, and the example application; Ctrl-C stops both.

The password of `ada` and the secret of the application are made once and kept in the demo's data folder.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

sys.path.insert(0, str(Path(__file__).parent))

import party

HERE: Final = Path(__file__).resolve().parent
DATA: Final = Path(os.environ.get("OSTIARY_DATA_DIR", "data/demo"))
PORT: Final = int(os.environ.get("DEMO_PORT", "9080"))
ADDRESS: Final = os.environ.get("OSTIARY_LISTEN__HTTP", "127.0.0.1:9000")
URL: Final = f"http://localhost:{ADDRESS.rpartition(':')[2]}"
OTHER_PORT: Final = "Stop what uses it, or choose another port: DEMO_PORT=9081 make demo"
SECONDS_TO_STOP: Final = 25
SECONDS_TO_START: Final = 60


def main() -> int:
    """Run until somebody stops us. Returns the exit code of Ostiary."""
    DATA.mkdir(parents=True, exist_ok=True, mode=0o700)
    password, client_secret = kept("demo-password", 12), kept("demo-client-secret", 32)
    admin = kept("demo-admin-password", 12)
    taken = port_is_taken()
    if taken is not None:
        print(taken, file=sys.stderr)
        return 1
    environ = {
        **os.environ,
        "OSTIARY_DATA_DIR": str(DATA),
        "OSTIARY_BLUEPRINTS_DIR": os.environ.get("OSTIARY_BLUEPRINTS_DIR", str(HERE)),
        "OSTIARY_BOOTSTRAP_PASSWORD": os.environ.get("OSTIARY_BOOTSTRAP_PASSWORD", admin),
        "DEMO_URL": f"http://localhost:{PORT}",
        "DEMO_PASSWORD": password,
        "DEMO_CLIENT_SECRET": client_secret,
    }
    try:
        application = party.make(port=PORT, issuer=f"{URL}/application/o/demo/", client_secret=client_secret)
    except OSError as error:
        print(f"the example application cannot listen on port {PORT}: {error.strerror}. {OTHER_PORT}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # In a process group of its own: Ctrl-C reaches it once, through us, and not twice.
    command = [str(Path(sys.executable).with_name("ostiary")), "serve"]
    ostiary = subprocess.Popen(command, env=environ, process_group=0)
    threading.Thread(target=application.serve_forever, daemon=True).start()
    try:
        if wait_until_ready(ostiary):
            print(
                f"\n  example application  http://localhost:{PORT}/   (sign in as ada, password {password})"
                f"\n  Ostiary itself       {URL}/   (as akadmin, who administers it, password {admin})\n",
                flush=True,
            )
        return ostiary.wait()
    except KeyboardInterrupt:
        return stop(ostiary)
    finally:
        application.shutdown()


def port_is_taken() -> str | None:
    """Return what to tell when Ostiary's own port is used by another program, which would otherwise answer for it."""
    host, _, port = ADDRESS.rpartition(":")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host.strip("[]") or "127.0.0.1", int(port)))
        except OSError as error:
            return (
                f"Ostiary cannot listen on {ADDRESS}: {error.strerror}. Stop what uses port {port},"
                f" or choose another: OSTIARY_LISTEN__HTTP=127.0.0.1:{int(port) + 1} make demo"
            )
    return None


def kept(name: str, size: int) -> str:
    """Return a random text that is made once."""
    path = DATA / name
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(size))
    return path.read_text()


def wait_until_ready(ostiary: subprocess.Popen[bytes]) -> bool:
    """Wait for the health page. False when Ostiary ended meanwhile, having said why."""
    for _ in range(SECONDS_TO_START * 20):
        if ostiary.poll() is not None:
            return False
        try:
            with urlopen(f"{URL}/-/health/ready/", timeout=2):
                return True
        except (URLError, OSError):
            time.sleep(0.05)
    return False


def stop(ostiary: subprocess.Popen[bytes]) -> int:
    """Tell Ostiary to end, and wait for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if ostiary.poll() is None:
        ostiary.send_signal(signal.SIGTERM)
    try:
        return ostiary.wait(SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        ostiary.kill()
        return ostiary.wait()


if __name__ == "__main__":
    sys.exit(main())
