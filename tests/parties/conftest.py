"""What the tests of relying parties share: one server, Node with its packages, people, and programs that are ended."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from joserfc.jwk import ECKey

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "e2e"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from live import Person, Server, clients_are_closed  # noqa: E402, F401
from party_blueprint import CALLBACK, SECRET, blueprint, site  # noqa: E402 - the folders are on the path only now
from party_node import CannotInstall, Node, prepare  # noqa: E402
from party_people import Owner  # noqa: E402
from party_process import Library, Site  # noqa: E402

PASSWORD = "correct horse battery"

StartLibrary = Callable[..., Library]
StartSite = Callable[..., Site]


@pytest.fixture(scope="session")
def client_key() -> ECKey:
    """The key of the clients that sign their assertions and requests."""
    return ECKey.generate_key("P-256", {"kid": "client", "alg": "ES256", "use": "sig"}, private=True)


@pytest.fixture(scope="session")
def strange_key() -> str:
    """A key of nobody that the server knows, with the name of one that it does."""
    key = ECKey.generate_key("P-256", {"kid": "client", "alg": "ES256", "use": "sig"}, private=True)
    return json.dumps(key.as_dict(private=True))


@pytest.fixture(scope="session")
def applications(client_key: ECKey) -> dict[str, dict[str, object]]:
    """The clients, by client id. Each party has the plain ones; the others add one wish each."""
    public = {"keys": [client_key.as_dict(private=False)]}
    return {
        "plain": {},
        "front": {"grant_types": ["authorization_code", "refresh_token", "implicit"]},
        "leaving": {"consent": "explicit", "post_logout_redirect_uris": [{"matching_mode": "strict", "url": CALLBACK}]},
        "native": {"client_type": "public", "client_secret": ""},
        "pushing": {"require_pushed_authorization_requests": True},
        "proving": {"token_endpoint_auth_method": "private_key_jwt", "jwks": public},
        "hashing": {"token_endpoint_auth_method": "client_secret_jwt"},
        "signing": {"jwks": public, "require_signed_request_object": True},
        "binding": {"dpop": "required", "client_type": "public", "client_secret": ""},
        "passport": {"redirect_uris": site("/callback")},
        "django": {"redirect_uris": site("/oidc/callback/")},
    }


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, applications: dict[str, dict[str, object]]) -> Iterator[Server]:
    """One server for all parties, with ada, who may use them all."""
    folder = tmp_path_factory.mktemp("parties")
    made = Server(folder)
    try:
        made.start()
        file = folder / "parties.yaml"
        file.write_text(blueprint(applications))
        made.cli("blueprint", "apply", str(file))
        made.add_user("ada", PASSWORD)
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Node 24 with the packages of tests/parties/node/package-lock.json."""
    try:
        return prepare(tmp_path_factory.mktemp("node"))
    except CannotInstall as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def ada(server: Server) -> Person:
    """A person with an empty browser."""
    return Person(server.url, "ada", PASSWORD)


@pytest.fixture
def owner(server: Server, ada: Person) -> Owner:
    """The same person, with the code of a device in hand."""
    return Owner(server.url, ada.username, ada.password)


@pytest.fixture
def library(server: Server, node: Node, client_key: ECKey) -> Iterator[StartLibrary]:
    """Give a factory of programs with a library, each as one client."""
    started: list[Library] = []

    def start(driver: str, client: str, **settings: str) -> Library:
        usual = {
            "ISSUER": f"{server.url}/application/o/{client}/",
            "CLIENT_ID": client,
            "CLIENT_SECRET": SECRET,
            "REDIRECT_URI": CALLBACK,
            "CLIENT_KEY": json.dumps(client_key.as_dict(private=True)),
        }
        made = Library(node.command(driver), {**usual, **settings})
        started.append(made)
        return made.start()

    yield start
    for one in started:
        one.stop()
