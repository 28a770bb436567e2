"""What stands for modules that the sandbox has not is what Python's own are; devices, visitors and sources are seen."""

from __future__ import annotations

import hashlib
import hmac
import html
import urllib.parse
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
import pytest_asyncio

from ostiary.directory.authenticators.devices import Devices
from ostiary.directory.rows.found import Finder
from ostiary.directory.user import GroupRef, Subject, User
from ostiary.directory.users import Users
from ostiary.sandbox.evaluation.errors import ExpressionFailed
from ostiary.sandbox.evaluation.evaluator import Evaluator
from ostiary.sandbox.evaluation.expression_context import Expression, ExpressionContext
from ostiary.sandbox.evaluation.functions import Functions
from ostiary.sandbox.evaluation.runner import Runner
from ostiary.sandbox.language.modules import SHIMS
from ostiary.sandbox.language.names import MAPPING, MAPPINGS, POLICY, Dialect
from ostiary.sandbox.language.program import check, prepare
from ostiary.sandbox.workers import Workers
from ostiary.web.request import Request

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXTS = ["", "a b+c/d", "Grüße & <b>'x'\"</b>", "100%", "%41%zz%4", "~_.-", "\x00\n", "日本"]


def subject(pk: int, username: str) -> Subject:
    user = User(
        pk=pk, uuid=f"u{pk}", username=username, name=username.title(), email="", is_active=True, type="internal",
        path="users", attributes={}, password="!", last_login=None, date_joined=0, password_change_date=0, last_updated=0,
    )  # fmt: skip
    staff = GroupRef("g1", "staff", {}, is_superuser=True)
    return Subject(
        user=user, uid="f" * 64, groups=(staff,), every_group=(staff,), all_groups=frozenset({"g1"}),
        all_group_names=frozenset({"staff"}), is_superuser=True, attributes={},
    )  # fmt: skip


class Known:
    """Ada and Bob, and Ada's devices."""

    install_id = "x"

    async def subject(self, pk: int) -> Subject | None:
        return {7: subject(7, "ada"), 8: subject(8, "bob")}.get(pk)

    async def of_user(self, user: int) -> list[Any]:
        times = {"created": 1, "last_updated": 2, "last_used": None}
        held = [("totp", True), ("webauthn", True), ("webauthn", False)] if user == 7 else []
        return [
            SimpleNamespace(device_class=name, pk=number, user=user, name=name, confirmed=confirmed, **times)
            for number, (name, confirmed) in enumerate(held, 1)
        ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def evaluator() -> AsyncIterator[Evaluator]:
    workers = Workers()
    known = Known()
    runner = Runner(workers, Functions(cast("Users", known), cast("Devices", known), cast("Finder", None)))
    yield Evaluator(lambda: runner)
    await workers.close()


async def value(evaluator: Evaluator, source: str, dialect: Dialect = MAPPING, **more: Any) -> Any:
    expression_context = ExpressionContext(subject=subject(7, "ada"), now=1, **more)
    return (await evaluator.evaluate(Expression(source, dialect, "x"), expression_context)).value


@pytest.mark.parametrize("text", TEXTS)
async def test_texts_are_quoted_as_python_does(evaluator: Evaluator, text: str) -> None:
    source = f"""
from html import escape
from urllib.parse import quote, quote_plus, unquote, unquote_plus, urlencode
import urllib.parse
text = {text!r}
return [escape(text), escape(text, quote=False), quote(text), quote(text, safe=""), quote_plus(text), unquote(text),
    unquote_plus(text), urlencode({{"a": text, "b c": [1, text]}}, doseq=True), urllib.parse.urlencode([("a", text)])]
"""
    assert await value(evaluator, source) == [
        html.escape(text), html.escape(text, quote=False), urllib.parse.quote(text), urllib.parse.quote(text, safe=""),
        urllib.parse.quote_plus(text), urllib.parse.unquote(text), urllib.parse.unquote_plus(text),
        urllib.parse.urlencode({"a": text, "b c": [1, text]}, doseq=True), urllib.parse.urlencode([("a", text)]),
    ]  # fmt: skip


@pytest.mark.parametrize("key", [b"k", b"k" * 64, b"k" * 200])
async def test_keyed_hashes_are_pythons(evaluator: Evaluator, key: bytes) -> None:
    source = f"""
import hmac, hashlib
made = hmac.new({key!r}, b"one", hashlib.sha256)
made.update(b"two")
same = hmac.compare_digest(made.hexdigest(), "0")
return [made.hexdigest(), hmac.new({key!r}, digestmod="sha1").hexdigest(), hmac.digest({key!r}, b"x", "md5").hex(), same]
"""
    assert await value(evaluator, source) == [
        hmac.new(key, b"onetwo", hashlib.sha256).hexdigest(), hmac.new(key, digestmod="sha1").hexdigest(),
        hmac.digest(key, b"x", "md5").hex(), False,
    ]  # fmt: skip


SEEN: list[tuple[str, object]] = [
    (
        ("from authentik.stages.authenticator import devices_for_user\n"
        "return [[d.__class__.__name__ for d in devices_for_user(user)], len(devices_for_user(user, confirmed=None)), "
        "[d.name for d in devices_for_user(user, confirmed=False)]]"),
        [["TOTPDevice", "WebAuthnDevice"], 3, ["webauthn"]],
    ),
    (
        ("from authentik.stages.authenticator_webauthn.models import WebAuthnDevice\n"
        "mine = WebAuthnDevice.objects.filter(user=user)\n"
        "return [mine.count(), mine.filter(confirmed=True).count()]"),
        [2, 1],
    ),
    ("return [user.__class__.__name__, user.groups.first().__class__.__name__]", ["User", "Group"]),
    ("return [g.is_superuser for g in user.groups.all()]", [True]),
    ("return user.avatar.split(',')[0]", "data:image/svg+xml;base64"),
    ("return sorted([ip_address('10.0.0.9') < ip_address('10.0.0.10'), ip_address('::1') <= ip_address('::')])", [False, True]),
    ("from django.utils import timezone\nfrom urllib import parse\nreturn [timezone.now().year > 2000, parse.quote('a b')]", [True, "a%20b"]),
    ("from authentik.core.models import UserTypes, USER_PATH_SERVICE_ACCOUNT as path\nreturn [UserTypes.EXTERNAL, path]", ["external", "goauthentik.io/service-accounts"]),
    ("from django.utils.timezone import now\nreturn now().tzinfo is not None", True),
    ("try:\n    from authentik.core.models import Token\nexcept ImportError as error:\n    return str(error)", "cannot import name 'Token' from 'authentik.core.models'"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "seen"), SEEN)
async def test_what_is_imported_works(evaluator: Evaluator, source: str, seen: object) -> None:
    assert await value(evaluator, source) == seen


async def test_a_flow_may_be_about_somebody_else_than_who_is_signed_in(evaluator: Evaluator) -> None:
    source = (
        "return [http_request.user.username, http_request.user == request.user, http_request.user.is_authenticated]"
    )
    request = Request()
    assert await value(evaluator, source, request=request) == ["ada", True, True]
    assert await value(evaluator, source, request=request, visitor=8) == ["bob", False, True]
    assert await value(evaluator, source, request=request, visitor=None) == ["", False, False]


async def test_a81_a_form_is_seen_without_credentials(evaluator: Evaluator) -> None:
    body = b"scope=a+b&x=1&x=2&client_secret=s3cret&code=s3cret&refresh_token=s3cret&Password=s3cret&client_assertion=s3cret"
    form = {"content-type": "application/x-www-form-urlencoded"}
    source = "return [dict(http_request.POST.items()), http_request.POST.getlist('x')]"
    seen = await value(evaluator, source, request=Request(method="POST", headers=form, body=body))
    assert seen == [{"scope": "a b", "x": "2"}, ["1", "2"]]
    assert await value(evaluator, source, request=Request(method="POST", body=body)) == [{}, []]


async def test_mappings_of_other_kinds_have_their_variables(evaluator: Evaluator) -> None:
    source = {"_kind": "authentik_sources_ldap.ldapsource", "pk": "1", "name": "Tree", "slug": "tree", "realm": "X"}
    names = {"ldap": {"cn": ["a"]}, "dn": "cn=a", "source": source, "properties": {"name": "n"}}
    text = (
        "return [list_flatten(ldap.get('cn')), dn, source.get_user_path(), properties['name'], request.context['dn']]"
    )
    seen = await value(evaluator, text, MAPPINGS["ldap-source"], names=names)
    assert seen == ["a", "cn=a", "goauthentik.io/sources/tree", "n", "cn=a"]


async def test_a_name_of_another_kind_is_a_name_of_ones_own(evaluator: Evaluator) -> None:
    with pytest.raises(ExpressionFailed, match="UnboundLocalError"):
        await value(evaluator, "if not user.username:\n    data = 1\nreturn data")
    assert "given_names" not in prepare("for group in user.groups.all():\n    pass\nreturn group", MAPPING).source


@pytest.mark.parametrize(
    ("source", "dialect", "told"),
    [
        ("properties['a'] = 1\nreturn None", MAPPINGS["ldap-source"], "line 1, column 1: what is written into properties is lost here; return a dictionary"),
        ("properties.update(a=1)\nreturn None", MAPPINGS["oauth-source"], "line 1, column 1: what is written into properties is lost here; return a dictionary"),
        ("request.http_request.session['a'] = 1", POLICY, "line 1, column 1: there is no session here; keep it in the context of the flow's plan"),
        ("return ldap.get('cn')", MAPPINGS["saml"], "line 1, column 8: ldap is not a name of a mapping of SAML"),
    ],
)  # fmt: skip
async def test_what_would_be_lost_is_told(source: str, dialect: Dialect, told: str) -> None:
    assert [str(fault) for fault in check(source, dialect)] == [told]


async def test_what_stands_for_a_module_is_there() -> None:
    for module, names in SHIMS.items():
        for name in names:
            assert prepare(f"from {module} import {name}\nreturn {name}", MAPPING).source, (module, name)


CLOCKS = [
    "from datetime import datetime, timezone\nreturn datetime.now(timezone.utc).isoformat()[:16]",
    "import datetime\nreturn datetime.datetime.now(tz=datetime.timezone.utc).isoformat()[:16]",
    "from django.utils.timezone import now\nreturn now().isoformat()[:16]",
    "from django.utils import timezone\nreturn timezone.now().isoformat()[:16]",
    "import django.utils.timezone\nreturn django.utils.timezone.now().isoformat()[:16]",
    "from datetime import date\nreturn date.today().isoformat()",
    "from datetime import datetime\nreturn datetime.today().isoformat()[:10]",
    "from datetime import datetime, timezone, timedelta\nimport time\nreturn (datetime(1970, 1, 1) + timedelta(seconds=int(time.time()))).isoformat()[:16]",
]


@pytest.mark.parametrize("source", CLOCKS)
async def test_a_trial_of_another_time_sees_that_time(evaluator: Evaluator, source: str) -> None:
    supposed = datetime(2031, 5, 6, 12, 30, 30, tzinfo=UTC)
    scene = ExpressionContext(subject=subject(7, "ada"), now=int(supposed.timestamp() * 1_000_000), trial=True)
    seen = (await evaluator.evaluate(Expression(source, MAPPING, "x"), scene)).value
    assert str(supposed.isoformat()).startswith(str(seen))
    live = await evaluator.evaluate(Expression(source, MAPPING, "x"), replace(scene, trial=False))
    assert not str(live.value).startswith("2031")


@pytest.mark.parametrize("source", ["import time\nreturn time.strftime('%H')", "from time import time\nreturn time()"])
async def test_a_clock_that_cannot_be_set_leaves_a_trial_open(evaluator: Evaluator, source: str) -> None:
    scene = ExpressionContext(subject=subject(7, "ada"), now=1, trial=True)
    found = await evaluator.evaluate(Expression(source, MAPPING, "x"), scene)
    assert found.depends == "a clock that cannot be set to another time"


async def test_what_is_called_like_a_clock_and_is_none(evaluator: Evaluator) -> None:
    source = """
from datetime import datetime
class Day:
    def now(self, add=0):
        return 5 + add
    def time(self):
        return 1.5
return [Day().now(add=2), Day().time(), datetime(2020, 1, 2, 3, 4).time().isoformat()]
"""
    assert await value(evaluator, source) == [7, 1.5, "03:04:00"]
