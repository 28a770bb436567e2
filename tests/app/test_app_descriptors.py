"""A74: with no descriptor left, accepting pauses and goes on: neither a spinning loop nor a door that stays shut."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHILD = """
import asyncio, contextlib, logging, os, resource, socket, sys
sys.path.insert(0, {tests!r})
from support.ports import free_port
from ostiary.app.listening.listener import Listener
from ostiary.settings import Address
from ostiary.web.asgi import Site
from ostiary.web.response import json

logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.WARNING)
READ = b"GET / HTTP/1.1\\r\\nhost: localhost\\r\\nconnection: close\\r\\n\\r\\n"

async def handle(request):
    return json({{"path": request.path}})

async def main():
    listener = Listener(Site(handle), Address("127.0.0.1", free_port()), setting="THE_SETTING")
    await listener.start()
    visitor = await asyncio.open_connection("127.0.0.1", listener.port)  # while there are some
    visitor[1].write(READ)
    assert b"200 OK" in await visitor[0].read()
    visitor[1].close()
    await visitor[1].wait_closed()
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    mine = socket.socket()
    mine.setblocking(False)
    taken = []
    with contextlib.suppress(OSError):
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    loop = asyncio.get_running_loop()
    await loop.sock_connect(mine, ("127.0.0.1", listener.port))  # the kernel answers; nobody accepts
    await loop.sock_sendall(mine, READ)
    turns = 0
    real = listener._pause
    def counted(error):
        nonlocal turns
        turns += 1
        real(error)
    listener._pause = counted
    began = loop.time()
    while turns < 3:
        await asyncio.sleep(0.02)
    took = loop.time() - began
    for one in taken:
        os.close(one)
    answer = b""
    while piece := await loop.sock_recv(mine, 65536):
        answer += piece
    print("answer", answer.startswith(b"HTTP/1.1 200 OK"))
    print("paused", took >= 0.15)
    mine.close()
    print("counted", listener._endpoint.limits.errors >= 3)
    await listener.stop()

asyncio.run(main())
"""


def test_a74_with_no_descriptor_left_accepting_pauses() -> None:
    child = CHILD.format(tests=str(Path(__file__).parent.parent))
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith(("answer", "paused", "counted"))] == [
        "answer True",
        "paused True",
        "counted True",
    ]
    told = "THE_SETTING: cannot accept connections: Too many open files"
    assert lines.count(told) == 1, "it is told once in a minute, and not at each of ten tries in a second"
