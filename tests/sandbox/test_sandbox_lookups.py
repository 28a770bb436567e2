"""Users and groups that expressions look up: what Django would find, and not more than a bound."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
import pytest_asyncio
from support.people import People

from ostiary.directory.authenticators.devices import Devices
from ostiary.directory.rows.found import Finder
from ostiary.directory.users import Users
from ostiary.sandbox.evaluation import query_rows
from ostiary.sandbox.evaluation.errors import ExpressionFailed
from ostiary.sandbox.evaluation.evaluator import Evaluator
from ostiary.sandbox.evaluation.expression_context import Expression, ExpressionContext
from ostiary.sandbox.evaluation.functions import Functions
from ostiary.sandbox.evaluation.object_fields import user_fields
from ostiary.sandbox.evaluation.runner import Runner
from ostiary.sandbox.language.names import MAPPING
from ostiary.sandbox.language.prelude import lookups
from ostiary.sandbox.workers import Workers
from ostiary.store.database import Database

USERS = "from authentik.core.models import User, Group\nreturn [one.username for one in {}]"
GROUPS = "from authentik.core.models import User, Group\nreturn [one.name for one in {}]"


@pytest_asyncio.fixture
async def house(database: Database) -> AsyncIterator[Evaluator]:
    """Ada, Bob and Cid; staff below all, and admins, who are superusers, below staff."""
    people = People(database)
    ada = await people.user(
        "ada", email="Ada@Example.org", attributes={"floor": 2, "upn": "ada_1@corp", "home": {"town": "Bern"}}
    )
    bob = await people.user(
        "bob", email="bob@example.org", is_active=False, type="service_account", attributes={"upn": 'b"%'}
    )
    await people.user("Cid", email="")
    everybody = await people.group("all", attributes={"colour": "grey"})
    staff = await people.group("staff", users=(bob,), parents=(everybody,), attributes={"colour": "blue", "n": 1})
    await people.group("admins", users=(ada,), parents=(staff,), superuser=True, attributes={"colour": "red"})
    workers = Workers()
    users = Users(database, install_id="x")
    runner = Runner(workers, Functions(users, cast("Devices", None), Finder(database)))
    yield Evaluator(lambda: runner)
    await workers.close()


async def value(evaluator: Evaluator, source: str) -> Any:
    return (await evaluator.evaluate(Expression(source, MAPPING, "x"), ExpressionContext(subject=None, now=1))).value


FOUND = {
    "User.objects.all()": ["ada", "bob", "Cid"],
    "User.objects.filter(username='ada')": ["ada"],
    "User.objects.filter(username='ADA')": [],
    "User.objects.filter(username__iexact='ADA')": ["ada"],
    "User.objects.filter(email__iexact='ADA@example.ORG')": ["ada"],
    "User.objects.filter(email__iendswith='@EXAMPLE.org')": ["ada", "bob"],
    "User.objects.filter(email__endswith='@example.org')": ["bob"],
    "User.objects.filter(username__in=['bob', 'Cid', 'nobody'])": ["bob", "Cid"],
    "User.objects.filter(username__in=[])": [],
    "User.objects.filter(username='a\\0da')": [],
    "User.objects.filter(username__startswith='_')": [],
    "User.objects.filter(is_active=False)": ["bob"],
    "User.objects.filter(type='service_account').exclude(username='bob')": [],
    "User.objects.filter(attributes__upn='ada_1@corp')": ["ada"],
    "User.objects.filter(attributes__upn='b\"%')": ["bob"],
    "User.objects.filter(attributes__upn='adaX1@corp')": [],
    "User.objects.filter(attributes__home__town='Bern')": ["ada"],
    "User.objects.filter(attributes__floor__gte=2)": ["ada"],
    "User.objects.filter(attributes__floor=2)": ["ada"],
    "User.objects.filter(attributes__has_key='home')": ["ada"],
    "User.objects.filter(attributes__home__has_any_keys=['x', 'town'])": ["ada"],
    "User.objects.filter(attributes__has_keys=['home', 'x'])": [],
    "User.objects.filter(is_superuser=True)": ["ada"],
    "User.objects.filter(groups__name='staff')": ["bob"],
    "User.objects.filter(ak_groups__name__startswith='a')": ["ada"],
    "User.objects.filter(groups=Group.objects.get(name='staff'))": ["bob"],
    "User.objects.filter(pk__in=[one.pk for one in Group.objects.get(name='staff').users.all()])": ["bob"],
    "User.objects.order_by('-username')": ["bob", "ada", "Cid"],
    "User.objects.exclude(username__in=['ada']).order_by('username')[:1]": ["Cid"],
    "Group.objects.get(name='staff').users.all()": ["bob"],
    "Group.objects.get(name='staff').users.filter(username='ada')": [],
}  # fmt: skip
GROUPS_FOUND = {
    "Group.objects.all()": ["admins", "all", "staff"],
    "Group.objects.filter(is_superuser=True)": ["admins"],
    "Group.objects.filter(name__startswith='a').exclude(attributes__colour='red')": ["all"],
    "Group.objects.filter(attributes__colour__in=['blue', 'grey'])": ["all", "staff"],
    "Group.objects.filter(attributes__n=1)": ["staff"],
    "Group.objects.get(name='staff').parents.all()": ["all"],
    "Group.objects.get(name='staff').children.all()": ["admins"],
    "User.objects.get(username='ada').groups.all()": ["admins"],
    "User.objects.get(username='ada').all_groups()": ["admins", "all", "staff"],
    "ak_user_by(username='ada').ak_groups.filter(name='admins')": ["admins"],
}


async def test_users_and_groups_are_found_as_django_finds_them(house: Evaluator) -> None:
    assert {query: await value(house, USERS.format(query)) for query in FOUND} == FOUND
    assert {query: await value(house, GROUPS.format(query)) for query in GROUPS_FOUND} == GROUPS_FOUND


ONE = [
        ("return ak_user_by(username='ada').email", "Ada@Example.org"),
        ("return ak_user_by(username='ADA')", None),
        ("return ak_user_by(email__iexact='ada@example.org').username", "ada"),
        ("return ak_user_by(attributes__home__town='Bern').username", "ada"),
        ("return ak_user_by(name='Bob', is_active=False).username", "bob"),
        ("return ak_user_by(pk=10 ** 30)", None),
        ("return ak_user_by(pk='one')", None),
        ("return ak_user_by(shoe_size=4)", None),
        ("return ak_user_by(groups__name='admins').group_attributes()['colour']", "blue"),
        ("from authentik.core.models import User\nreturn User.objects.get(username='ada').group_attributes()['floor']", 2),
        ("from authentik.core.models import User\nreturn User.objects.filter(username='bob').exists()", True),
        ("from authentik.core.models import User\nreturn User.objects.count()", 3),
        ("from authentik.core.models import Group\nreturn Group.objects.get_or_create(name='staff')[0].name", "staff"),
        ("from authentik.core.models import Group\nreturn list(Group.objects.values_list('name', 'attributes__n'))", [["admins", None], ["all", None], ["staff", 1]]),
    ]  # fmt: skip
MISSED = [
    (
        "return ak_user_by(username='ada').groups.filter(**{'attributes__colour__' + 'iregex': 'r'}).exists()",
        "There is no look-up 'iregex' here",
    ),
    ("return ak_user_by(**{'attributes__upn__' + 'regex': 'a'})", "There is no look-up 'regex' here"),
    ("return User.objects.filter(**{'attributes__upn__' + 'regex': 'a'}).exists()", "There is no look-up 'regex' here"),
    ("return User.objects.filter(shoe_size=4).exists()", "Cannot resolve keyword 'shoe_size' into field"),
    ("return User.objects.filter(username__regex='a').exists()", "There is no look-up 'regex' here"),
    ("return User.objects.get(username='nobody')", "User matching query does not exist."),
    ("return User.objects.get(is_active=True)", "returned more than one User"),
    ("return Group.objects.get_or_create(name='new')", "there is no such group, and an expression makes none"),
]


async def test_one_is_found(house: Evaluator) -> None:
    assert [(source, await value(house, source)) for source, _ in ONE] == ONE


async def test_what_is_not_found_says_so(house: Evaluator) -> None:
    for source, message in MISSED:
        with pytest.raises(ExpressionFailed, match=message):
            await value(house, f"from authentik.core.models import User, Group\n{source}")


async def test_a56_a_query_has_a_bound(house: Evaluator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_rows, "MAX_ROWS", 2)
    assert await value(house, USERS.format("User.objects.filter(username__in=['ada', 'bob'])")) == ["ada", "bob"]
    with pytest.raises(
        ExpressionFailed, match="more than 2 users have to be looked at: name more of what you look for"
    ):
        await value(house, USERS.format("User.objects.all()"))
    with pytest.raises(ExpressionFailed, match="more than 2 groups have to be looked at"):
        await value(house, USERS.format("Group.objects.exclude(name='all')"))


TEXTS = [
    "ada",
    "ADA",
    "a_a",
    "a%a",
    "axa",
    "Straße",
    "STRASSE",
    "İstanbul",
    "\u212aelvin",
    "kelvin",
    "e\u0301",
    "é",
    "!a",
    "",
]
OPERATORS = ["exact", "iexact", "startswith", "istartswith", "contains", "icontains", "endswith", "iendswith"]


async def test_what_the_database_leaves_out_does_not_match(database: Database) -> None:
    """Whatever a look-up asks: the rows that are read hold all that match."""
    people = People(database)
    for number, text in enumerate(TEXTS):
        await people.user(f"u{number}", name=text, email=text, attributes={"word": text, "deep": {"word": [text]}})
    users = await Finder(database).users({}, None, 100)
    rows = [user_fields(user, uid="", is_superuser=False) for user in users]
    lost = []
    for field in ("name", "email", "attributes__word"):
        for operator in OPERATORS:
            for wanted in TEXTS:
                lookup = {field if operator == "exact" else f"{field}__{operator}": wanted}
                matching = {row["pk"] for row in rows if lookups.ostiary_matches(row, lookup)}
                read = {user.pk for user in await Finder(database).users(lookup, None, 100)}
                lost += [(lookup, matching - read)] if matching - read else []
    assert lost == []
