"""authentik's own generated client reads our answers: its pydantic models are the oracle.

One test process imports it, because the import alone takes seconds and a few hundred megabytes.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import httpx2 as httpx
import pytest
from live import Person, Server

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import authentik_client as ak

pytestmark = pytest.mark.party

MODELS: dict[str, Any] = {
    "ak-stage-identification": ak.IdentificationChallenge,
    "ak-stage-password": ak.PasswordChallenge,
    "ak-stage-authenticator-validate": ak.AuthenticatorValidationChallenge,
    "ak-stage-authenticator-totp": ak.AuthenticatorTOTPChallenge,
    "ak-stage-authenticator-static": ak.AuthenticatorStaticChallenge,
    "ak-stage-consent": ak.ConsentChallenge,
    "ak-stage-prompt": ak.PromptChallenge,
    "ak-stage-user-login": ak.UserLoginChallenge,
    "ak-stage-session-end": ak.SessionEndChallenge,
    "ak-stage-access-denied": ak.AccessDeniedChallenge,
    "xak-flow-redirect": ak.RedirectChallenge,
}
BOOTSTRAP_TOKEN = "bootstrap-token-of-the-end-to-end-tests"


@pytest.fixture(scope="module")
def booted(make_server: Callable[..., Server]) -> Server:
    return make_server(
        AUTHENTIK_BOOTSTRAP_PASSWORD="71946283507194",
        AUTHENTIK_BOOTSTRAP_TOKEN=BOOTSTRAP_TOKEN,
        AUTHENTIK_BOOTSTRAP_EMAIL="root@example.net",
    ).start()


def _api(server: Server, token: str) -> ak.ApiClient:
    return ak.ApiClient(ak.Configuration(host=f"{server.url}/api/v3", access_token=token))


def test_root_config_and_me(booted: Server) -> None:
    with _api(booted, BOOTSTRAP_TOKEN) as api:
        config = ak.RootApi(api).root_config_retrieve()
        assert config.cache_timeout == 300
        assert config.error_reporting.enabled is False
        me = ak.CoreApi(api).core_users_me_retrieve().user
        assert (me.username, me.email, me.is_superuser) == ("akadmin", "root@example.net", True)
        assert [group.name for group in me.groups] == ["authentik Admins"]
        brand = ak.CoreApi(api).core_brands_current_retrieve()
        assert brand.flow_authentication == "default-authentication-flow"


def test_a_bad_token_and_the_secret_key_are_refused(booted: Server) -> None:
    secret = (booted.folder / "data" / "secret-key").read_text().strip()
    for token in ("wrong", secret):
        with _api(booted, token) as api, pytest.raises(ak.exceptions.ForbiddenException):
            ak.CoreApi(api).core_users_me_retrieve()


class Checked(Person):
    """A person whose every challenge is read by the client's model of that component."""

    def _follow(self, answer: httpx.Response) -> dict[str, Any]:
        challenge = super()._follow(answer)
        MODELS[challenge["component"]].from_json(json.dumps(challenge))
        return challenge


def test_every_answer_of_a_login_parses(booted: Server) -> None:
    person = Checked(booted.url, "akadmin", "71946283507194")
    page = person.get(f"{booted.url}/if/user/")
    assert page.status_code == 200
    assert person.seen == ["ak-stage-identification", "ak-stage-password"]


def test_enrolment_and_denial_parse(server: Server) -> None:
    server.add_user("mia", "correct horse battery")
    person = Checked(server.url, "mia", "correct horse battery")
    person.get(f"{server.url}/if/user/")
    person.flow(f"{server.url}/if/flow/default-authenticator-totp-setup/")
    person.flow(f"{server.url}/if/flow/default-authenticator-static-setup/")
    assert person.totp_secret
    assert len(person.codes) == 6
    second = Checked(server.url, "mia", "correct horse battery", totp_secret=person.totp_secret)
    second.get(f"{server.url}/if/user/")
    assert second.seen[-1] == "ak-stage-authenticator-validate"
    executor = f"{server.url}/api/v3/flows/executor/default-authentication-flow/?{urlencode({'query': 'next=https://evil.example/'})}"
    fresh = Checked(server.url, "mia", "wrong password")
    challenge = fresh._follow(fresh.client.get(executor))
    challenge = fresh._follow(
        fresh.client.post(executor, json={"component": challenge["component"], "uid_field": "mia"})
    )
    wrong = fresh._follow(
        fresh.client.post(executor, json={"component": challenge["component"], "password": "wrong password"})
    )
    assert wrong["response_errors"]["password"][0]["code"] == "invalid"


def test_consent_parses(server: Server) -> None:
    person = Checked(server.url, "eve", "correct horse battery")
    query = {
        "client_id": "authlib",
        "response_type": "code",
        "redirect_uri": "http://localhost:9/callback",
        "scope": "openid email",
        "state": "s",
    }
    back = person.get(f"{server.url}/application/o/authorize/?{urlencode(query)}", stop="http://localhost:9/")
    assert "code=" in back.headers["location"]
    assert "ak-stage-consent" in person.seen
