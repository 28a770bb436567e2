"""`ostiary explain`: what it prints, what it supposes, and names that nobody has."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from cli_runs import Run

WIKI = """
version: 1
entries:
  - {model: authentik_core.group, identifiers: {name: staff}, id: staff}
  - model: authentik_providers_oauth2.oauth2provider
    identifiers: {name: wiki}
    id: provider
    attrs:
      authorization_flow: !Find [authentik_flows.flow, [slug, default-provider-authorization-implicit-consent]]
      invalidation_flow: !Find [authentik_flows.flow, [slug, default-provider-invalidation-flow]]
      client_id: w-1
      redirect_uris: [{matching_mode: strict, url: "https://wiki.example.org/cb"}]
      property_mappings:
        - !Find [authentik_providers_oauth2.scopemapping, [managed, goauthentik.io/providers/oauth2/scope-openid]]
        - !Find [authentik_providers_oauth2.scopemapping, [managed, goauthentik.io/providers/oauth2/scope-email]]
  - model: authentik_core.application
    identifiers: {slug: wiki}
    id: wiki
    attrs: {name: Wiki, provider: !KeyOf provider}
  - {model: authentik_policies.policybinding, identifiers: {target: !KeyOf wiki, order: 0}, attrs: {group: !KeyOf staff}}
"""

OPEN = """
version: 1
entries:
  - model: authentik_policies.policybinding
    identifiers: {target: !Find [authentik_core.application, [slug, wiki]], order: 0}
    attrs: {enabled: false}
"""


@pytest.fixture
def wiki(run: Run, tmp_path: Path) -> Run:
    """An application for staff, and ada, who is not."""
    (tmp_path / "wiki.yaml").write_text(WIKI)
    assert run("blueprint", "apply", "wiki.yaml").code == 0
    assert run("user", "create", "ada", "--email", "ada@example.org").code == 0
    return run


def dump(folder: Path) -> list[str]:
    with sqlite3.connect(folder / "data" / "ostiary.db") as connection:
        return list(connection.iterdump())


def test_a_refusal_names_what_would_allow_it_and_writes_nothing(wiki: Run, tmp_path: Path) -> None:
    before = dump(tmp_path)
    done = wiki("explain", "ada", "wiki")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("ada may not use Wiki:\n  You have no access to this application.\n")
    for text in (
        "no: group staff (compared), ",
        "Flow default-authentication-flow (authentication)",
        "Flow default-provider-authorization-implicit-consent (authorization)",
        "Any one of these would allow it:\n  add ada to group staff\n",
        '    email: "ada@example.org"',
    ):
        assert text in done.out
    assert dump(tmp_path) == before


def test_what_it_names_allows_it(wiki: Run) -> None:
    assert wiki("group", "add-user", "staff", "ada").code == 0
    done = wiki("explain", "ADA", "w-1", "--json", "--context", "amr=pwd,amr=otp,host=id.example.org", "--context", "time=2030-01-01T00:00Z")  # fmt: skip
    found = json.loads(done.out)
    assert (found["allowed"], found["reasons"], found["changes"]) == (True, [], [])
    token = found["claims"]["ID token"]
    assert token["amr"] == ["pwd", "otp"]
    assert token["auth_time"] == 1_893_456_000
    assert token["iss"] == "https://id.example.org/application/o/wiki/"
    (step,) = found["policies"]["steps"]
    assert step["step"]["result"] is True
    assert step["cost"] >= 0


def test_an_earlier_configuration(wiki: Run, tmp_path: Path) -> None:
    def data(*words: str) -> dict[str, Any]:
        done = wiki("explain", "ada", "wiki", "--json", *words)
        assert (done.code, done.err) == (0, "")
        return dict(json.loads(done.out))

    newest = data()["revision"]
    (tmp_path / "open.yaml").write_text(OPEN)
    assert wiki("blueprint", "apply", "open.yaml").code == 0
    before = dump(tmp_path)
    assert data()["allowed"] is True
    earlier = data("--context", f"revision={newest}")
    assert (earlier["allowed"], earlier["revision"], earlier["newest_revision"]) == (False, newest, newest + 1)
    assert [change["kind"] for change in earlier["changes"]][:2] == ["join_group", "bind_user"]
    text = wiki("explain", "ada", "wiki", "--context", f"revision={newest}").out
    assert f"As of revision {newest} of the configuration (the newest is {newest + 1}); " in text
    assert f"(any of these must pass; revision {newest})" in text
    assert "newest" not in wiki("explain", "ada", "wiki", "--context", f"revision={newest + 1}").out
    assert dump(tmp_path) == before
    done = wiki("explain", "ada", "wiki", "--context", "revision=99")
    assert (done.code, done.err) == (1, f"ostiary: there is no revision 99; the newest is {newest + 1}\n")
    done = wiki("explain", "ada", "wiki", "--context", "revision=1")
    assert (done.code, done.err) == (1, "ostiary: there is no application wiki (as of revision 1)\n")


def test_tokens_name_the_address_of_this_installation(wiki: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTIARY_LISTEN__HTTP", "127.0.0.1:9123")
    monkeypatch.setenv("OSTIARY_WEB__PATH", "/id/")
    found = json.loads(wiki("explain", "ada", "wiki", "--json").out)
    assert found["claims"]["ID token"]["iss"] == "http://localhost:9123/id/application/o/wiki/"


def test_names_that_nobody_has(wiki: Run) -> None:
    done = wiki("explain", "adda", "wiki")
    assert (done.code, done.out, done.err) == (1, "", "ostiary: there is no user adda; near names: ada\n")
    done = wiki("explain", "ada", "wikki")
    assert (done.code, done.err) == (1, "ostiary: there is no application wikki; near names: wiki\n")


@pytest.mark.parametrize(
    ("context", "why"),
    [
        ("ip=nowhere", "expected an address"),
        ("time=soon", "expected a time"),
        ("revision=first", "expected the number of a revision"),
        ("colour=blue", "expected NAME=VALUE with one of ip, time, amr, scope, host, revision"),
    ],
)
def test_what_cannot_be_supposed(run: Run, context: str, why: str) -> None:
    done = run("explain", "ada", "wiki", "--context", context)
    assert done.code != 0
    assert why in done.err
