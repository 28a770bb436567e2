"""The real images: built twice, pushed, pulled and run. Needs Debian's archive; belongs to `make test-image`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ostiary_delivery import audit, contents, difference, oci, settings
from ostiary_delivery.errors import Refusal
from ostiary_delivery.registry import Place, Registry
from sandbox import Sandbox

pytestmark = pytest.mark.image
REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "ostiary_delivery"]
BOUNDS = {"ostiary": 64 * 2**20, "ostiary-valkey": 10 * 2**20}
TAG = {"ostiary": "v0.1.0-0123456", "ostiary-valkey": "v8.1.1-0123456"}
STALE = 3


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what belongs to the images; locked anew, aloud, when the lock's packages are gone."""
    folder = tmp_path_factory.mktemp("checkout") / "here"
    copy(REPOSITORY, folder)
    built = build(folder)
    if built.returncode == STALE:
        print(built.stderr)  # noqa: T201 - a figure to read
        print(  # noqa: T201 - a figure to read
            subprocess.run(
                [*COMMAND, "lock", "--update-all"], cwd=folder, capture_output=True, text=True, check=True
            ).stdout
        )
        built = build(folder)
    assert built.returncode == 0, built.stderr
    return folder


def copy(source: Path, target: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE", "requirements.txt"):
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / name, target / name)
    for name in ("src", "containers"):
        shutil.copytree(source / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))


def build(folder: Path, *names: str, prefix: tuple[str, ...] = (), **environ: str) -> subprocess.CompletedProcess[str]:
    words = [*prefix, *COMMAND, "build", *names]
    return subprocess.run(words, cwd=folder, env=os.environ | environ, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def layouts(checkout: Path) -> dict[str, oci.Layout]:
    return {name: oci.open_layout(checkout / "dist/images" / name) for name in BOUNDS}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("registry")
    port = free_port()
    (folder / "config.yml").write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    process = subprocess.Popen(
        ["docker-registry", "serve", str(folder / "config.yml")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=2).status == 200)
    yield f"127.0.0.1:{port}/house"
    process.terminate()
    process.wait()


@pytest.fixture(scope="module")
def pulled(layouts, place: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, oci.Layout]:
    """Both images as another client, skopeo, brings them back from the registry."""
    folder = tmp_path_factory.mktemp("pulled")
    found = {}
    for name, layout in layouts.items():
        sent = Registry(Place.parse(f"{place}/{name}")).push(layout, TAG[name])
        assert sent.total == layout.image.size
        source = f"docker://{place}/{name}:{TAG[name]}"
        command = [
            "skopeo",
            "copy",
            "--quiet",
            "--preserve-digests",
            "--src-tls-verify=false",
            source,
            f"oci:{folder}/{name}",
        ]
        subprocess.run(command, check=True)
        found[name] = oci.open_layout(folder / name)
    return found


@pytest.fixture(scope="module")
def roots() -> Iterator[Path]:
    """A folder that the image's user may enter, which pytest's own are not."""
    folder = Path("/var/tmp") / f"ostiary-image-{os.getpid()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def test_sizes_are_within_their_bounds(layouts) -> None:
    for name, layout in layouts.items():
        print(  # noqa: T201 - a figure to read
            f"{name}: {layout.image.size / 2**20:.1f} MiB in {len(layout.image.layers)} layers, {layout.image.digest}"
        )
        assert layout.image.size <= BOUNDS[name]


def test_nothing_is_inside_that_must_not_be(layouts) -> None:
    for layout in layouts.values():
        found = {
            str(one["digest"]): contents.read(layout.blob(one["digest"]), name="").files for one in layout.image.layers
        }
        assert audit.problems(found) == []


def test_another_user_in_another_folder_gets_the_same_digest(checkout: Path, layouts, tmp_path: Path) -> None:
    folder = tmp_path / "a place with spaces"
    copy(checkout, folder)
    # a user namespace without any capability, where the process is an ordinary user and all else is read-only
    prefix = ("bwrap", "--unshare-user", "--uid", "1234", "--gid", "1234", "--ro-bind", "/", "/", "--dev", "/dev")
    prefix = (*prefix, "--bind", str(tmp_path), str(tmp_path), "--tmpfs", "/run")
    cache = Path(os.environ.get("HOME", "/")) / ".cache/ostiary-delivery"
    begun = time.monotonic()
    ended = build(
        folder,
        prefix=prefix,
        TZ="Asia/Tokyo",
        PYTHONHASHSEED="7",
        TMPDIR=str(tmp_path),
        DELIVERY_CACHE=str(tmp_path / "cache"),
        DELIVERY_INPUTS=str(cache),
    )
    assert ended.returncode == 0, ended.stderr
    print(f"cold build of both: {time.monotonic() - begun:.1f} s")  # noqa: T201 - a figure to read
    for name, layout in layouts.items():
        assert oci.open_layout(folder / "dist/images" / name).image.digest == layout.image.digest


def test_what_is_pulled_is_what_was_pushed(layouts, pulled) -> None:
    assert {name: one.image.digest for name, one in pulled.items()} == {
        name: one.image.digest for name, one in layouts.items()
    }


def test_a_tag_is_never_moved_and_an_equal_push_sends_nothing(layouts, pulled, place: str) -> None:
    registry = Registry(Place.parse(f"{place}/ostiary"))
    assert registry.push(layouts["ostiary"], TAG["ostiary"]).total == 0
    with pytest.raises(Refusal, match=r"a tag is never moved"):
        registry.push(layouts["ostiary-valkey"], TAG["ostiary"])


def test_one_changed_line_sends_our_layer_and_little_more(
    checkout: Path, layouts, pulled, place: str, tmp_path: Path
) -> None:
    folder = tmp_path / "changed"
    copy(checkout, folder)
    with (folder / "src/ostiary/__init__.py").open("a") as file:
        file.write("\n# one more line\n")
    assert build(folder, "ostiary").returncode == 0
    after = oci.open_layout(folder / "dist/images/ostiary")
    sent = Registry(Place.parse(f"{place}/ostiary")).push(after, "v0.1.0-1234567")
    own = int(after.image.layers[-1]["size"])
    print(f"one changed line sends {sent.total} bytes, {own} of them our layer")  # noqa: T201 - a figure to read
    assert sent.total == difference.predicted(layouts["ostiary"], after)
    assert sent.total <= own + 16 * 1024


def test_ostiary_runs_from_the_registry_with_a_read_only_root(pulled, roots: Path) -> None:
    data = volume(roots / "data")
    sandbox = Sandbox(pulled["ostiary"], roots / "ostiary", {"/data": data})
    sandbox.unpack()
    assert sandbox.run("version").stdout.strip() == "ostiary 0.1.0"
    assert sandbox.run("migrate").returncode == 0
    port = free_port()
    environment = {"OSTIARY_LISTEN__HTTP": f"127.0.0.1:{port}", "OSTIARY_LISTEN__METRICS": f"127.0.0.1:{free_port()}"}
    with (
        running(sandbox.start("server", environment=environment)),
        running(
            sandbox.start(
                "worker",
                environment=environment
                | {
                    "OSTIARY_LISTEN__HTTP": f"127.0.0.1:{free_port()}",
                    "OSTIARY_LISTEN__METRICS": f"127.0.0.1:{free_port()}",
                },
            )
        ),
    ):
        url = f"http://127.0.0.1:{port}"
        wait(lambda: urllib.request.urlopen(f"{url}/-/health/ready/", timeout=2).status == 200)
        assert sandbox.run("healthcheck", environment=environment).stdout.strip() == "ready"
        with urllib.request.urlopen(f"{url}/", timeout=10) as answer:
            assert b"<html" in answer.read()
    assert data.stat().st_uid == (65534 if os.getuid() == 0 else os.getuid())
    assert list(data.glob("ostiary.db"))


@pytest.fixture(scope="module")
def database(roots: Path) -> Iterator[dict[str, str]]:
    """A real PostgreSQL, told to the image by the names that existing manifests use."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    folder, port = roots / "postgresql", free_port()
    folder.mkdir()
    as_other = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] if os.getuid() == 0 else []
    if as_other:
        os.chown(folder, 65534, 65534)
    (folder / "password").write_text("house")
    (folder / "password").chmod(0o644)
    made = [
        programs / "initdb",
        "-D",
        folder / "data",
        "-U",
        "house",
        "--auth=scram-sha-256",
        f"--pwfile={folder}/password",
    ]
    subprocess.run([*as_other, *made], check=True, capture_output=True)
    options = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}", "-p", str(port)]
    process = subprocess.Popen(
        [*as_other, programs / "postgres", "-D", folder / "data", *options], stderr=subprocess.DEVNULL
    )
    wait(lambda: socket.create_connection(("127.0.0.1", port), timeout=1).close() is None)
    yield {
        "AUTHENTIK_POSTGRESQL__HOST": "127.0.0.1",
        "AUTHENTIK_POSTGRESQL__PORT": str(port),
        "AUTHENTIK_POSTGRESQL__NAME": "postgres",
        "AUTHENTIK_POSTGRESQL__USER": "house",
        "AUTHENTIK_POSTGRESQL__PASSWORD": "house",
        "AUTHENTIK_SECRET_KEY": "a key that is long enough for every purpose of this test",
    }
    process.send_signal(signal.SIGINT)
    process.wait(timeout=30)


def test_ostiary_runs_with_postgresql_and_its_worker_applies_a_blueprint(pulled, roots: Path, database) -> None:
    blueprints = volume(roots / "blueprints")
    (blueprints / "house.yaml").write_text(
        "version: 1\nmetadata: {name: house}\nentries:\n"
        "  - {model: authentik_core.user, identifiers: {username: blue}, attrs: {name: Blue}}\n"
    )
    (blueprints / "house.yaml").chmod(0o644)
    volumes = {"/data": volume(roots / "empty-data"), "/blueprints/custom": blueprints}
    sandbox = Sandbox(pulled["ostiary"], roots / "ostiary-postgresql", volumes)
    sandbox.unpack()
    assert sandbox.run("migrate", environment=database).returncode == 0
    port = free_port()
    server, worker = (
        database | {"OSTIARY_LISTEN__HTTP": f"127.0.0.1:{http}", "OSTIARY_LISTEN__METRICS": f"127.0.0.1:{free_port()}"}
        for http in (port, free_port())
    )
    with running(sandbox.start("server", environment=server)), running(sandbox.start("worker", environment=worker)):
        wait(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/-/health/ready/", timeout=2).status == 200)
        wait(lambda: "blue" in sandbox.run("user", "list", environment=server).stdout)
    assert list(volumes["/data"].glob("*.db")) == []


def test_valkey_answers_with_a_read_only_root(pulled, roots: Path) -> None:
    sandbox = Sandbox(pulled["ostiary-valkey"], roots / "valkey", {"/data": volume(roots / "valkey-data")})
    sandbox.unpack()
    port = free_port()
    with running(sandbox.start("--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", "/data")):
        wait(lambda: ask(port, b"PING\r\n") == b"+PONG\r\n")
        assert b"valkey_version:8.1.1" in ask(port, b"INFO server\r\n")


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Debian trixie's own cosign and skopeo: judges that nobody here wrote."""
    root = tmp_path_factory.mktemp("tools") / "root"
    archive = settings.load(os.environ).place("trixie")
    command = [
        "mmdebstrap",
        "--quiet",
        "--variant=extract",
        "--include=cosign,skopeo",
        "trixie",
        f"{root}.tar",
        archive,
    ]
    subprocess.run(command, check=True)
    root.mkdir()
    subprocess.run(["tar", "xf", f"{root}.tar", "-C", str(root), "--exclude=./dev/*"], check=True)
    for name in ("bin", "lib", "lib64", "sbin"):
        if not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    for name in ("proc", "dev", "tmp", "work/registries"):
        (root / name).mkdir(parents=True, exist_ok=True)
    return root


def judge(tools: Path, *words: str) -> subprocess.CompletedProcess[str]:
    sandbox = ["bwrap", "--bind", str(tools), "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--clearenv"]
    sandbox += ["--setenv", "PATH", "/usr/bin", "--setenv", "HOME", "/tmp"]
    return subprocess.run([*sandbox, *words], capture_output=True, text=True, timeout=120, check=False)


def test_cosign_and_skopeo_believe_the_right_key_alone(
    checkout: Path, pulled, layouts, place: str, tools: Path
) -> None:
    work = tools / "work"
    for name in ("key", "other"):
        subprocess.run([*COMMAND, "new-key", str(work / f"{name}.pem")], check=True, capture_output=True)
    where = f"{place}/ostiary"
    Registry(Place.parse(f"{place}/unsigned")).push(layouts["ostiary"], TAG["ostiary"])
    words = ["sign", "ostiary", where, "--key", str(work / "key.pem")]
    subprocess.run([*COMMAND, *words], cwd=checkout, check=True, capture_output=True)
    offline = ("--insecure-ignore-tlog=true", "--allow-insecure-registry")
    image = f"{where}:{TAG['ostiary']}"
    for key, good in (("key", True), ("other", False)):
        given = (*offline, "--key", f"/work/{key}.pub", image)
        assert (judge(tools, "cosign", "verify", *given).returncode == 0) is good
        for kind in ("slsaprovenance1", "cyclonedx"):
            assert (judge(tools, "cosign", "verify-attestation", "--type", kind, *given).returncode == 0) is good
    host = place.partition("/")[0]
    rule = {"type": "sigstoreSigned", "keyPath": "/work/key.pub", "signedIdentity": {"type": "matchRepository"}}
    policy = {"default": [{"type": "reject"}], "transports": {"docker": {host: [rule]}}}
    (work / "policy.json").write_text(json.dumps(policy))
    (work / "registries/here.yaml").write_text(f"docker:\n  {host}:\n    use-sigstore-attachments: true\n")
    copying = ("skopeo", "--policy", "/work/policy.json", "--registries.d", "/work/registries", "copy")
    for name, good in (("ostiary", True), ("unsigned", False)):
        source = f"docker://{place}/{name}:{TAG['ostiary']}"
        ended = judge(tools, *copying, "--src-tls-verify=false", source, f"dir:/work/{name}")
        assert (ended.returncode == 0) is good, ended.stderr
    assert "no signature exists" in ended.stderr


def volume(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    if os.getuid() == 0:
        os.chown(folder, 65534, 65534)
    return folder


def ask(port: int, words: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(words)
        return connection.recv(65536)


@contextmanager
def running(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
        assert process.poll() is None, f"ended with {process.returncode}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait(ready, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            if ready():
                return
        except OSError:
            if time.monotonic() > until:
                raise
        assert time.monotonic() < until, "not ready in time"
        time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
