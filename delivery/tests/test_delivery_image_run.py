"""The pulled images run: in bubblewrap, under runc as root, under podman as an ordinary user. Always as 65534, on a
root that cannot be written, without any capability.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import visitor
from processes import as_nobody, ended, running
from real_images import TAG, Layouts, deliver
from runtimes import Podman, Runc
from sandbox import Sandbox, config_of
from support.ports import free_port
from support.waiting import wait_until

pytestmark = pytest.mark.image
RUNTIMES = ("bubblewrap", *(("runc",) if os.getuid() == 0 else ()), "podman")
"""An ordinary user has no runc of the system; everything else is the same for both."""
Runtime = Any
Make = Callable[[str, str], Runtime]


@pytest.fixture(scope="session")
def podman_house(roots: Path) -> Iterator[Path]:
    folder = Podman.prepare(roots / "podman")
    yield folder
    Podman("", folder).clear()


@pytest.fixture(scope="session")
def make(pulled: Layouts, place: str, roots: Path, podman_house: Path) -> Make:
    """Bring an image into a runtime; each image is unpacked or pulled once for each of them."""
    known: dict[tuple[str, str], Runtime] = {}

    def made(runtime: str, image: str) -> Runtime:
        key = runtime, image
        if key not in known:
            if runtime == "podman":
                known[key] = Podman(f"{place}/{image}:{TAG[image]}", podman_house)
            else:
                kind = Sandbox if runtime == "bubblewrap" else Runc
                known[key] = kind(pulled[image], roots / f"{runtime}-{image}")
            known[key].unpack()
        found = known[key]
        return type(found)(**{name: getattr(found, name) for name in found.__dataclass_fields__} | {"volumes": {}})

    return made


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    visitor.close()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_user_the_root_and_the_names_of_the_program(make: Make, pulled: Layouts, runtime: str) -> None:
    ostiary = make(runtime, "ostiary")
    assert ostiary.run("version").stdout.strip() == "ostiary 0.1.0"
    # what a process of the image sees, told by the image's own Python
    python = "import os; print(os.getuid(), os.getgid(), os.environ['TMPDIR'], os.statvfs('/').f_flag & os.ST_RDONLY)"
    python += "; open('/tmp/a', 'w').close(); print(*[n for n in ('/usr', '/blueprints') if os.access(n, os.W_OK)])"
    python += "; print(*[l.split()[1] for l in open('/proc/self/status') if l.startswith(('CapEff', 'NoNewPrivs'))])"
    other = with_entry(ostiary, ["/usr/bin/python3.13", "-c", python])
    assert other.split("\n") == ["65534 65534 /tmp 1", "", "0000000000000000 1"]
    assert with_entry(ostiary, ["/usr/local/bin/ostiary", "version"]) == "ostiary 0.1.0"


EXPRESSION: Final = """
import asyncio, time
from ostiary.sandbox.workers import Program, Workers

def status(pid):
    lines = (line.split(":", 1) for line in open(f"/proc/{pid}/status"))
    return {name: value.split() for name, value in lines}

async def main():
    workers, seen = Workers(), {}
    look = lambda: seen.update(status(pid()))
    def pid():
        parent = next(iter(open("/proc/self/stat"))).split()[0]
        found = [one for task in __import__("os").listdir(f"/proc/{parent}/task")
                 for one in open(f"/proc/{parent}/task/{task}/children").read().split()]
        return found[0]
    outcome = await workers.run(Program("look()\\nsum([1, 2, 3])"), functions={"look": look})
    print(outcome.value, seen["Name"][0], seen["Uid"][0], seen["CapEff"][0], seen["NoNewPrivs"][0])
    await workers.close()

asyncio.run(main())
"""


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_expressions_run_in_workers_without_rights(make: Make, runtime: str) -> None:
    said = with_entry(make(runtime, "ostiary"), ["/usr/bin/python3.13", "-c", EXPRESSION])
    assert said == "6 monty 65534 0000000000000000 1"


def with_entry(runtime: Runtime, entry: list[str]) -> str:
    """Run another program of the image as a runtime's --entrypoint would."""
    if isinstance(runtime, Podman):
        line = runtime.command([], {})
        at = line.index(runtime.image)
        line = [*line[:at], f"--entrypoint={entry[0]}", runtime.image, *entry[1:]]
    elif isinstance(runtime, Runc):
        bundle = runtime.bundle([], {})
        file = bundle / "config.json"
        text = file.read_text()
        file.write_text(text.replace('"args": ["/usr/local/bin/ak", "serve"]', f'"args": {json.dumps(entry)}'))
        assert file.read_text() != text
        line = runtime.command(bundle)
    else:
        line = runtime.command([], {})
        line = [*line[: line.index("/usr/local/bin/ak")], *entry]
    done = subprocess.run(line, cwd="/", capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_fresh_house_with_sqlite_on_a_volume(make: Make, roots: Path, runtime: str) -> None:
    """One container, its arguments as the image has them: `serve`."""
    house = visitor.House()
    ostiary = make(runtime, "ostiary")
    ostiary.volumes = {
        "/data": ostiary.volume("data"),
        "/blueprints/custom": house.blueprints(roots / f"sqlite-{runtime}"),
    }
    with running(ostiary.start(environment=house.server)):
        house.ready()
        look_at_ports(house)
        assert ostiary.run("healthcheck", environment=house.server).stdout.strip() == "ready"
        visitor.finish_wizard(house, link_of(ostiary, house.server))
        claims = visitor.sign_in(house)
    with running(ostiary.start(environment=house.server)):  # what the volume holds is still there
        house.ready()
        assert visitor.sign_in(house)["sub"] == claims["sub"]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_server_and_worker_with_postgresql_and_valkey_beside(
    make: Make, roots: Path, database: dict[str, str], checkout: Path, runtime: str
) -> None:
    """As existing manifests have it: `server` and `worker` in containers of their own, told by authentik's names."""
    house, store = visitor.House(), free_port()
    ostiary, valkey = make(runtime, "ostiary"), make(runtime, "ostiary-valkey")
    valkey.volumes = {"/data": valkey.volume("data")}
    data = ostiary.volume("nothing")
    ostiary.volumes = {"/data": data, "/blueprints/custom": house.blueprints(roots / f"postgresql-{runtime}")}
    names = database | {"AUTHENTIK_POSTGRESQL__NAME": runtime, "AUTHENTIK_REDIS__HOST": "127.0.0.1"}
    server = names | house.server
    metrics = free_port()
    worker = server | {
        "OSTIARY_LISTEN__HTTP": f"127.0.0.1:{free_port()}",
        "OSTIARY_LISTEN__HTTPS": "off",
        "OSTIARY_LISTEN__METRICS": f"127.0.0.1:{metrics}",
    }
    password = "a password of the store"
    words = ("--bind", "127.0.0.1", "--port", str(store), "--save", "", "--dir", "/data", "--requirepass", password)
    assert ostiary.run("migrate", environment=server).returncode == 0
    with running(
        valkey.start(*words), ostiary.start("server", environment=server), ostiary.start("worker", environment=worker)
    ):
        house.ready()
        look_at_ports(house)
        visitor.finish_wizard(house, link_of(ostiary, server))
        visitor.sign_in(house)
        assert b"valkey_version:8.1.1" in ask(store, ["AUTH", password], ["INFO", "server"])
        addresses = [house.url, "--metrics", f"http://127.0.0.1:{house.metrics}/metrics"]
        addresses += ["--worker", f"http://127.0.0.1:{metrics}/metrics", "--valkey", f"127.0.0.1:{store}"]
        addresses += ["--keys", f"{house.url}/application/o/demo/jwks/"]
        looked = deliver(checkout, "services-check", *addresses, DELIVERY_VALKEY_PASSWORD=password)
        assert looked.returncode == 0, looked.stdout + looked.stderr
        assert "8.1.1" in looked.stdout
    if isinstance(data, Path):
        assert list(data.glob("*.db")) == []


@pytest.mark.parametrize("runtime", [one for one in RUNTIMES if one == "runc"])
def test_the_declared_ports_answer_in_a_network_of_their_own(make: Make, pulled: Layouts, runtime: str) -> None:
    ostiary = make(runtime, "ostiary")
    ostiary.lonely = True
    ostiary.volumes = {"/data": ostiary.volume("lonely")}
    bundle = ostiary.bundle([], {})
    ask_all = """
import ssl, urllib.request
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
for url in ("http://localhost:9000/-/health/ready/", "https://localhost:9443/-/health/live/",
            "http://localhost:9300/metrics"):
    context_or_none = context if url.startswith("https") else None
    print(url.split(":")[2][:4], urllib.request.urlopen(url, timeout=5, context=context_or_none).status)
"""
    with running(subprocess.Popen(ostiary.command(bundle), stdout=subprocess.DEVNULL)):
        wait_until(lambda: ostiary.inside(bundle, "/usr/local/bin/ak", "healthcheck").stdout.strip() == "ready")
        answers = ostiary.inside(bundle, "/usr/bin/python3.13", "-c", ask_all)
        assert answers.stdout.split() == ["9000", "200", "9443", "200", "9300", "200"], answers.stderr
    declared = config_of(pulled["ostiary"])["ExposedPorts"]
    assert set(declared) == {"9000/tcp", "9300/tcp", "9443/tcp"}


def link_of(ostiary: Runtime, environment: dict[str, str]) -> str:
    """Ask a running house for the first-run link, as its owner does: there is no terminal to print it on."""
    asked = ostiary.run("setup-link", environment=environment)
    assert asked.returncode == 0, asked.stderr
    return str(asked.stdout.strip().split()[-1])


def look_at_ports(house: visitor.House) -> None:
    """9443 and 9300, by the numbers they have here."""
    assert visitor.get(f"https://localhost:{house.tls}/-/health/live/")[0] == 200
    assert "ostiary_build_info" in visitor.get(f"http://127.0.0.1:{house.metrics}/metrics")[1]


def ask(port: int, *commands: list[str]) -> bytes:
    """Speak RESP2 to a store; returns all it said."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        for words in commands:
            parts = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
            connection.sendall(f"*{len(words)}\r\n{parts}".encode())
        connection.shutdown(socket.SHUT_WR)
        said = b""
        while data := connection.recv(65536):
            said += data
        return said


@pytest.fixture(scope="module")
def database(roots: Path) -> Iterator[dict[str, str]]:
    """A real PostgreSQL with one database for each runtime, told to the image by the names of existing manifests."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    folder, port = roots / "postgresql", free_port()
    folder.mkdir()
    if os.getuid() == 0:
        os.chown(folder, 65534, 65534)
    (folder / "password").write_text("house")
    (folder / "password").chmod(0o644)
    made: list[str | Path] = [programs / "initdb", "-D", folder / "data", "-U", "house", "--auth=scram-sha-256"]
    made.append(f"--pwfile={folder}/password")
    subprocess.run([*as_nobody(), *made], check=True, capture_output=True)
    options = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}", "-p", str(port)]
    process = subprocess.Popen(
        [*as_nobody(), programs / "postgres", "-D", folder / "data", *options], stderr=subprocess.DEVNULL
    )

    def answers() -> bool:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True

    wait_until(answers)
    where = ["-h", "127.0.0.1", "-p", str(port), "-U", "house"]
    for name in RUNTIMES:
        create = partial(
            subprocess.run, [programs / "createdb", *where, name], env={"PGPASSWORD": "house"}, check=False
        )
        wait_until(partial(lambda run: run().returncode == 0, create))
    yield {
        "AUTHENTIK_POSTGRESQL__HOST": "127.0.0.1",
        "AUTHENTIK_POSTGRESQL__PORT": str(port),
        "AUTHENTIK_POSTGRESQL__USER": "house",
        "AUTHENTIK_POSTGRESQL__PASSWORD": "house",
        "AUTHENTIK_SECRET_KEY": "a key that is long enough for every purpose of this test",
    }
    process.send_signal(signal.SIGINT)
    assert ended(process) == 0
