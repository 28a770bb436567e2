"""`ostiary policy test` and `ostiary mapping test`: one policy or mapping with a person, and nothing done of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_runs import Run
from test_cli_explain import dump

POLICIES = """
version: 1
entries:
  - {model: authentik_core.group, identifiers: {name: staff}}
  - model: authentik_policies_expression.expressionpolicy
    identifiers: {name: staff-only}
    attrs: {expression: 'return ak_is_group_member(request.user, name="staff")'}
  - model: authentik_policies_password.passwordpolicy
    identifiers: {name: long}
    attrs: {length_min: 20, error_message: "Longer, please."}
  - model: authentik_policies_expression.expressionpolicy
    identifiers: {name: broken}
    attrs: {expression: "raise ValueError('no')"}
  - model: authentik_providers_oauth2.scopemapping
    identifiers: {name: shift}
    attrs: {scope_name: shift, expression: 'return {"shift": "night", "of": request.user.username}'}
  - model: authentik_providers_saml.samlpropertymapping
    identifiers: {name: groups for SAML}
    attrs: {saml_name: groups, expression: "yield from [user.username, 'all']"}
  - model: authentik_sources_ldap.ldapsourcepropertymapping
    identifiers: {name: names from LDAP}
    attrs: {expression: 'return {"name": ldap["cn"][0], "attributes": {"dn": dn}}'}
"""
LONG = {"prompt_data": {"password": "a password of some length"}}


@pytest.fixture
def house(run: Run, tmp_path: Path) -> Run:
    """Some policies, and ada."""
    (tmp_path / "policies.yaml").write_text(POLICIES)
    done = run("blueprint", "apply", "policies.yaml")
    assert done.code == 0, done.err
    assert run("user", "create", "ada", "--email", "ada@example.org").code == 0
    return run


def data(run: Run, *words: str, given: str = "", code: int = 0) -> dict[str, Any]:
    done = run(*words, "--json", given=given)
    assert (done.code, done.err) == (code, "")
    return dict(json.loads(done.out))


def test_a_policy_says_yes_or_no_and_nothing_is_written(house: Run, tmp_path: Path) -> None:
    before = dump(tmp_path)
    found = data(house, "policy", "test", "staff-only", "--user", "ADA")
    assert (found["result"], found["how"], found["messages"], found["depends"]) == (False, "recognised", [], [])
    assert found["user"]["username"] == "ada"
    assert found["microseconds"] >= 0
    text = house("policy", "test", "staff-only", "--user", "ada").out
    assert text.startswith("staff-only (Expression Policy) says no to ada.\n  a simple expression, ")
    assert dump(tmp_path) == before
    assert house("group", "add-user", "staff", "ada").code == 0
    assert data(house, "policy", "test", "staff-only", "--user", "ada")["result"] is True


def test_what_it_sees_of_the_request_is_given(house: Run) -> None:
    facts = json.dumps({"prompt_data": {"password": "short"}})
    found = data(house, "policy", "test", "long", "--user", "ada", "--facts", facts)
    assert (found["result"], found["messages"]) == (False, ["Longer, please."])
    assert '  "Longer, please."' in house("policy", "test", "long", "--user", "ada", "--facts", facts).out
    assert (
        data(house, "policy", "test", "long", "--user", "ada", "--facts", "-", given=json.dumps(LONG))["result"] is True
    )


def test_what_it_looked_for_in_vain_is_named(house: Run) -> None:
    name = "default-authentication-flow-authenticator-validate-stage"
    found = data(house, "policy", "test", name, "--user", "ada")
    assert (found["result"], found["depends"]) == (True, ["request.context['auth_method']"])
    assert "  depends on request.context['auth_method']" in house("policy", "test", name, "--user", "ada").out


def test_one_that_cannot_be_evaluated_says_so(house: Run) -> None:
    found = data(house, "policy", "test", "broken", "--user", "ada", code=1)
    assert found["result"] is None
    assert found["error"]
    done = house("policy", "test", "broken", "--user", "ada")
    assert done.code == 1
    assert done.out.startswith("broken (Expression Policy) cannot be evaluated for ada: ")


def test_a_mapping_gives_what_an_application_would_receive(house: Run, tmp_path: Path) -> None:
    before = dump(tmp_path)
    found = data(house, "mapping", "test", "goauthentik.io/providers/oauth2/scope-email", "--user", "ada")
    assert found["values"] == {"email": "ada@example.org", "email_verified": False}
    assert found["mapping"]["name"] == "authentik default OAuth Mapping: OpenID 'email'"
    text = house("mapping", "test", "shift", "--user", "ada").out
    assert text.startswith('shift (Scope Mapping) gives of ada:\n  of: "ada"\n  shift: "night"\n')
    openid = house("mapping", "test", "goauthentik.io/providers/oauth2/scope-openid", "--user", "ada").out
    assert "gives nothing of ada" in openid
    assert dump(tmp_path) == before


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("policy", "test", "staff", "--user", "ada"), "there is no policy staff; near names: staff-only"),
        (("policy", "test", "long", "--user", "eda"), "there is no user eda; near names: ada"),
        (("policy", "test", "long", "--user", "ada", "--facts", "[]"), "--facts: expected a JSON object"),
        (("policy", "test", "long", "--user", "ada", "--facts", "{"), "--facts: expected a JSON object"),
        (("policy", "test", "long", "--user", "ada", "--context", "amr=pwd"), "with one of ip, time, revision"),
        (("mapping", "test", "shifts", "--user", "ada"), "there is no property mapping shifts; near names: shift"),
        (("mapping", "test", "shift", "--user", "ada", "--context", "revision=999"), "there is no revision 999"),
    ],
)
def test_what_is_wrong_is_named(house: Run, words: tuple[str, ...], why: str) -> None:
    done = house(*words)
    assert (done.code, done.out) == (1, "")
    assert why in done.err


def test_an_earlier_revision_of_a_policy(house: Run, tmp_path: Path) -> None:
    number = data(house, "policy", "test", "staff-only", "--user", "ada")["revision"]
    change = POLICIES.replace('return ak_is_group_member(request.user, name="staff")', "return True")
    (tmp_path / "policies.yaml").write_text(change)
    assert house("blueprint", "apply", "policies.yaml").code == 0
    words = ("policy", "test", "staff-only", "--user", "ada")
    assert data(house, *words)["result"] is True
    assert data(house, *words, "--context", f"revision={number}")["result"] is False


def test_mappings_of_other_kinds_are_tried_with_their_variables(house: Run) -> None:
    text = house("mapping", "test", "groups for SAML", "--user", "ada").out
    assert text.startswith('groups for SAML (SAML Provider Property Mapping) gives of ada: ["ada","all"]\n')
    given = json.dumps({"ldap": {"cn": ["Ada L."]}, "dn": "cn=ada"})
    found = data(house, "mapping", "test", "names from LDAP", "--user", "ada", "--facts", given)
    assert found["values"] == {"name": "Ada L.", "attributes": {"dn": "cn=ada"}}
    failed = data(house, "mapping", "test", "names from LDAP", "--user", "ada", code=1)
    assert failed["values"] is None
    assert failed["error"].startswith("line 1: TypeError")
