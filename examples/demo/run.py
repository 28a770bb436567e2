"""Starts Ostiary with the example blueprint, and the example application; Ctrl-C stops both.

The password of `ada` and the secret of the application are made once and kept in the demo's data folder.
"""

from __future__ import annotations

import os
import secrets
import signal
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
SECONDS_TO_STOP: Final = 25
SECONDS_TO_START: Final = 60


def main() -> int:
    """Run until somebody stops us. Returns the exit code of Ostiary."""
    DATA.mkdir(parents=True, exist_ok=True, mode=0o700)
    password, client_secret = kept("demo-password", 12), kept("demo-client-secret", 32)
    environ = {
        **os.environ,
        "OSTIARY_DATA_DIR": str(DATA),
        "OSTIARY_BLUEPRINTS_DIR": os.environ.get("OSTIARY_BLUEPRINTS_DIR", str(HERE)),
        "DEMO_URL": f"http://localhost:{PORT}",
        "DEMO_PASSWORD": password,
        "DEMO_CLIENT_SECRET": client_secret,
    }
    try:
        application = party.make(port=PORT, issuer=f"{URL}/application/o/demo/", client_secret=client_secret)
    except OSError as error:
        print(f"cannot listen on http://localhost:{PORT}: {error.strerror}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # In a process group of its own: Ctrl-C reaches it once, through us, and not twice.
    command = [Path(sys.executable).with_name("ostiary"), "serve"]
    ostiary = subprocess.Popen(command, env=environ, process_group=0)
    threading.Thread(target=application.serve_forever, daemon=True).start()
    try:
        if wait_until_ready(ostiary):
            print(
                f"\n  example application  http://localhost:{PORT}/   (sign in as ada, password {password})\n",
                flush=True,
            )
        return ostiary.wait()
    except KeyboardInterrupt:
        return stop(ostiary)
    finally:
        application.shutdown()


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
