"""Mappings whose protocol is not served yet: they are checked when they are saved, each with its own variables."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary.mappings.kinds.ldap_source_mapping import LDAPSourcePropertyMapping
from ostiary.mappings.kinds.oauth_source_mapping import OAuthSourcePropertyMapping
from ostiary.mappings.kinds.saml_mapping import SAMLPropertyMapping
from ostiary.mappings.kinds.scim_mapping import SCIMMapping
from ostiary.mappings.resources import PropertyMapping
from ostiary.mappings.room import ROOM
from ostiary.resource import InvalidResource
from ostiary.sandbox.language.names import MAPPINGS

UNASKED = "is stored and can be tried (`ostiary mapping test`), and nothing evaluates it yet"


def advice(model: type[PropertyMapping], expression: str, **values: Any) -> list[str]:
    made = model(pk="x", name="x", expression=expression, **values)
    assert model.KIND.advise is not None
    return [problem.message for problem in model.KIND.advise(made)]


@pytest.mark.parametrize(
    ("model", "expression", "values"),
    [
        (SAMLPropertyMapping, "for group in user.groups.all():\n    yield group.name", {"saml_name": "groups"}),
        (SCIMMapping, "return {'userName': request.user.username, 'id': connection}", {}),
        (LDAPSourcePropertyMapping, "return {'name': list_flatten(ldap.get('cn')), 'path': dn}", {}),
        (OAuthSourcePropertyMapping, "return {'username': info.get('nick'), 'name': source.slug}", {}),
    ],
)
def test_each_kind_has_its_variables(model: type[PropertyMapping], expression: str, values: dict[str, Any]) -> None:
    assert advice(model, expression, **values) == [UNASKED]
    first, last = advice(model, "return notification", **values)
    assert first.startswith("line 1, column 8: notification is not a name of a mapping of ")
    assert last == UNASKED


def test_what_cannot_run_is_refused() -> None:
    with pytest.raises(InvalidResource, match="line 1, column 9: a class can only have an exception as its base"):
        SCIMMapping.KIND.make("x", {"name": "x", "expression": "class A(dict):\n    pass\nreturn {}", "managed": None})


def test_every_kind_has_a_dialect() -> None:
    models = [one for one in ROOM.kinds if issubclass(one, PropertyMapping)]
    assert len(models) == 5
    assert {one.DIALECT for one in models} <= set(MAPPINGS)
