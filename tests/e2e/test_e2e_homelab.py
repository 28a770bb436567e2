"""A homelab's blueprint, applied unchanged: five applications behind one sign-on, MFA enrolled on the way."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2 as httpx
import pytest
import yaml
from live import Denied, Person, Server

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "data" / "homelab" / "configmap-blueprint.yaml"
OURS = ROOT / "examples" / "homelab" / "blueprints.yaml"
FILES = [path for path in (OURS, REAL) if path.exists()]
PASSWORD = "correct horse battery"


def _secrets(path: Path) -> dict[str, str]:
    names = sorted(set(re.findall(r"!Env\s+\[?\s*([A-Z0-9_]+)", path.read_text())))
    return {name: f"secret-{name.lower().replace('_', '-')}" for name in names}


class Lab:
    """A server that has applied one homelab file."""

    def __init__(self, server: Server, path: Path) -> None:
        self.server = server
        self.path = path
        self.providers = self._providers()

    def _providers(self) -> dict[str, dict[str, Any]]:
        """Read clients, redirect URIs and restrictions with PyYAML alone, apart from the program's own loader."""

        class Loader(yaml.SafeLoader):
            pass

        Loader.add_multi_constructor("!", lambda loader, tag, node: (tag, _plain(loader, node)))
        found: dict[str, dict[str, Any]] = {}
        for text in yaml.safe_load(self.path.read_text())["data"].values():
            entries = yaml.load(text, Loader)["entries"]  # noqa: S506 - a safe loader with plain tags
            for entry in entries:
                if entry["model"].endswith("oauth2provider"):
                    attrs = entry["attrs"]
                    found[attrs["client_id"]] = {
                        "redirect": attrs["redirect_uris"][0]["url"],
                        "secret": _secrets(self.path)[attrs["client_secret"][1]],
                        "open": not any(other["model"].endswith("policybinding") for other in entries),
                    }
        return found

    def authorize(self, client: str, person: Person) -> str:
        """Go from authorize to the redirect; return the code, or "" when the person is refused."""
        query = {
            "client_id": client,
            "response_type": "code",
            "redirect_uri": self.providers[client]["redirect"],
            "scope": "openid profile email",
            "state": "s",
        }
        start = f"{self.server.url}/application/o/authorize/?{urlencode(query)}"
        answer = person.get(start, stop=self.providers[client]["redirect"])
        return parse_qs(urlsplit(answer.headers.get("location", "")).query).get("code", [""])[0]

    def claims(self, client: str, code: str) -> dict[str, Any]:
        known = self.providers[client]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": known["redirect"]}
        answer = httpx.post(f"{self.server.url}/application/o/token/", data=form, auth=(client, known["secret"]))
        assert answer.status_code == 200, answer.text
        bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        claims: dict[str, Any] = httpx.get(f"{self.server.url}/application/o/userinfo/", headers=bearer).json()
        return claims


def _plain(loader: yaml.SafeLoader, node: yaml.Node) -> object:
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    assert isinstance(node, yaml.ScalarNode)
    return loader.construct_scalar(node)


@pytest.fixture(scope="module", params=FILES, ids=lambda path: path.parent.parent.name)
def lab(
    request: pytest.FixtureRequest, make_server: Callable[..., Server], new_storage: Callable[[], dict[str, str]]
) -> Lab:
    server = make_server(**_secrets(request.param), **new_storage()).start()
    first = server.cli("blueprint", "apply", str(request.param))
    assert "no changes" not in first.stdout
    second = server.cli("blueprint", "apply", str(request.param))
    assert "no changes" in second.stdout, second.stdout
    for text in _secrets(request.param).values():
        assert text not in first.stdout + first.stderr + server.log()
    server.add_user("ada", PASSWORD, "admins")
    server.add_user("eve", PASSWORD)
    return Lab(server, request.param)


def test_an_admin_enrols_totp_on_the_way_and_reaches_every_application(lab: Lab) -> None:
    person = Person(lab.server.url, "ada", PASSWORD)
    for client in lab.providers:
        claims = lab.claims(client, lab.authorize(client, person))
        assert claims["preferred_username"] == "ada"
        assert claims["groups"] == ["admins"]
    assert person.seen.count("ak-stage-password") == 1
    assert "ak-stage-authenticator-totp" in person.seen
    again = Person(lab.server.url, "ada", PASSWORD, totp_secret=person.totp_secret)
    assert lab.authorize(next(iter(lab.providers)), again)
    assert again.seen == ["ak-stage-identification", "ak-stage-password", "ak-stage-authenticator-validate"]


def test_others_reach_only_the_open_application(lab: Lab) -> None:
    person = Person(lab.server.url, "eve", PASSWORD)
    for client, known in lab.providers.items():
        assert bool(lab.authorize(client, person)) == known["open"], client
    assert sum(known["open"] for known in lab.providers.values()) == 1


def test_a_person_without_the_password_gets_nowhere(lab: Lab) -> None:
    person = Person(lab.server.url, "ada", "wrong")
    with pytest.raises((AssertionError, Denied)):
        lab.authorize(next(iter(lab.providers)), person)
