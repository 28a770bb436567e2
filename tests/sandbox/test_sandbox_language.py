"""Expressions mean in the sandbox what they mean in Python, or are refused when they are saved."""

from __future__ import annotations

import textwrap
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from ostiary.sandbox.evaluation.conversion import result_of
from ostiary.sandbox.evaluation.errors import ExpressionFailed
from ostiary.sandbox.evaluation.object_fields import ObjectReference
from ostiary.sandbox.language.names import MAPPING, POLICY, Dialect
from ostiary.sandbox.language.program import prepare
from ostiary.sandbox.workers import Aborted, HostFunction, Program, Workers


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workers() -> AsyncIterator[Workers]:
    workers = Workers()
    yield workers
    await workers.close()


pytestmark = pytest.mark.asyncio(loop_scope="module")

GROUPS = [
    {"pk": "g1", "group_uuid": "g1", "name": "staff", "attributes": {"floor": 2, "room": {"name": "blue"}}},
    {"pk": "g2", "group_uuid": "g2", "name": "wiki-admins", "attributes": {}},
    {"pk": "g3", "group_uuid": "g3", "name": "Guests", "attributes": {"floor": 1}},
]
ADA: dict[str, Any] = {
    "pk": 7, "id": 7, "uuid": "u7", "uid": "x7", "username": "ada", "name": "Ada Byron", "email": "ada@example.org",
    "path": "users", "type": "internal", "is_active": True, "is_superuser": False, "is_authenticated": True,
    "is_anonymous": False, "attributes": {"tags": ["a", "b"]}, "last_login": None, "_groups": GROUPS,
    "_every_group": GROUPS, "_merged": {"floor": 2, "tags": ["a", "b"]}, "_has_password": True,
}  # fmt: skip


def person(field: object, value: object) -> dict[str, object] | None:
    return ADA if (field, value) == ("username", "ada") else None


ASKED: dict[str, HostFunction] = {"host_person": person, "host_rows": lambda _of, _lookups: [ADA]}


async def ran(workers: Workers, source: str, dialect: Dialect = MAPPING, **given: object) -> Any:
    """Return the result of an expression. Raises AssertionError with what failed."""
    prepared = prepare(source, dialect)
    values: dict[str, Any] = {"given_user": ADA, "given_context": {}, "given_plan": None, "given_http": None, **given}
    values["given_facts"] = {**values["given_context"], **((values["given_plan"]) or {})}
    values["given_group_names"] = [group["name"] for group in values["given_user"].get("_every_group", ())]
    values = {"given_networks": prepared.networks, **values}
    outcome = await workers.run(
        Program(prepared.source),
        inputs={name: values.get(name) for name in prepared.values},
        functions={name: ASKED[name] for name in prepared.functions if name in ASKED},
    )
    if isinstance(outcome, Aborted):
        places = [prepared.places.line(line, column - 1) for line, column in outcome.frames]
        raise AssertionError(f"{outcome.message} at {[place for place in places if place is not None]}")
    return result_of(outcome, dialect)


async def value(workers: Workers, source: str, **given: Any) -> Any:
    return (await ran(workers, source, **given)).value


def by_python(source: str) -> Any:
    """Return what Python itself makes of an expression."""
    scope: dict[str, Any] = {}
    exec("def expression():\n" + textwrap.indent(textwrap.dedent(source), "    "), scope)  # noqa: S102 - texts of this file
    return scope["expression"]()


PYTHON = {
    "a generator is gone through once": "numbers = (n * n for n in [1, 2, 3])\nreturn [next(numbers), list(numbers), list(numbers)]",
    "next of a generator with a default": "return next((n for n in [1, 2, 3] if n > 5), 'none')",
    "a function that yields": """
        def pairs(items):
            for item in items:
                if item == "stop":
                    return
                yield item
                yield item + item
        return list(pairs(["a", "b", "stop", "c"]))""",
    "a function that yields from": """
        def both():
            yield from [1, 2]
            yield 3
        return list(both())""",
    "an inner function that yields in one that does not": """
        def outer():
            def inner():
                yield 1
            return list(inner())
        return outer()""",
    "an item of a dictionary is deleted": "held = {'a': 1, 'b': 2}\ndel held['a']\nreturn held",
    "items of a list are deleted": "held = [1, 2, 3, 4]\ndel held[0], held[-1]\nreturn held",
    "a slice is deleted": "held = [1, 2, 3, 4, 5]\ndel held[1:4:2]\nreturn held",
    "an exception of its own": """
        class TooLate(Exception):
            pass
        try:
            raise TooLate("after eight")
        except ValueError:
            return "wrong"
        except TooLate as error:
            return str(error)""",
    "an exception of its own below another": """
        class Late(Exception):
            pass
        class TooLate(Late):
            pass
        found = []
        for kind in (Late, TooLate, ValueError):
            try:
                raise kind("x")
            except TooLate:
                found.append("too late")
            except Late:
                found.append("late")
            except Exception as error:
                found.append(type(error).__name__)
        return found""",
    "an exception of its own that is a ValueError": """
        class Odd(ValueError):
            pass
        try:
            raise Odd
        except ValueError:
            return "caught"
        finally:
            pass""",
    "methods as functions": "return [list(map(str.upper, ['a'])), sorted(['b', 'A'], key=str.lower), str.strip(' x ')]",
    "a bound method as a function": "counts = {'a': 2, 'b': 3}\nreturn [max(counts, key=counts.get), list(map('-'.join, ['ab']))]",
    "sorting is stable, and upside down": """
        items = [("b", 1), ("a", 2), ("b", 0), ("a", 1)]
        items.sort(key=lambda item: item[0], reverse=True)
        return [items, sorted(items, key=lambda item: item[1]), max(items, key=lambda item: item[1])]""",
    "f-strings": 'who = {"name": "Ada"}\nreturn f"{who[\'name\']!r:>8}|{3.14159:.2f}|{\', \'.join(sorted(who))}"',
    "comprehensions in each other": "return {k: [n for n in range(v) if n % 2] for k, v in {'a': 5, 'b': 2}.items() if v}",
    "a name that a function binds": "def f(list):\n    return list\nreturn f(3)",
    "assignments in expressions": "return [last := n for n in (1, 2)] + [last]",
    "match": """
        match {"kind": "user", "name": "ada"}:
            case {"kind": "user", "name": str() as name} if name:
                return name
            case _:
                return None""",
    "while and else": "n = 0\nwhile n < 3:\n    n += 1\nelse:\n    n = -n\nreturn n",
    "with and a class of its own": """
        class Box:
            def __init__(self):
                self.open = []
            def __enter__(self):
                self.open.append("in")
                return self
            def __exit__(self, *error):
                self.open.append("out")
                return False
        with Box() as box:
            pass
        return box.open""",
    "closures": "def count():\n    n = 0\n    def more():\n        nonlocal n\n        n += 1\n        return n\n    return more\nmore = count()\nmore()\nreturn more()",
    "views and ranges are lists outside": "return [list({'a': 1}.keys()), list(range(3))]",
    "unpacking": "first, *rest = [1, 2, 3]\nreturn [first, rest, [*rest, *rest], {**{'a': 1}, 'b': 2}]",
    "modules": """
        import re, json, base64, hashlib
        from collections import Counter, defaultdict
        from datetime import datetime, timedelta
        words = defaultdict(list)
        words["a"].append(1)
        return [re.sub("a+", "b", "caat"), json.loads('{"a": [1]}'), base64.b64encode(b"ab").decode(),
                hashlib.sha256(b"a").hexdigest()[:8], Counter("aab").most_common(1)[0][0], dict(words),
                (datetime(2026, 1, 31) + timedelta(days=1)).isoformat()]""",
    "try, else and finally": """
        order = []
        for text in ("1", "x"):
            try:
                number = int(text)
            except (ValueError, KeyError):
                order.append("no")
            else:
                order.append(number)
            finally:
                order.append("done")
        return order""",
}


@pytest.mark.parametrize("name", PYTHON)
async def test_it_means_what_it_means_in_python(workers: Workers, name: str) -> None:
    expected = by_python(PYTHON[name])
    assert await value(workers, PYTHON[name]) == _listed(expected)


def _listed(found: Any) -> Any:
    if isinstance(found, list | tuple):
        return [_listed(item) for item in found]
    return {key: _listed(item) for key, item in found.items()} if isinstance(found, dict) else found


async def test_what_is_not_imported_is_not_there(workers: Workers) -> None:
    with pytest.raises(AssertionError, match="name 'User' is not defined at \\[1\\]"):
        await value(workers, "return User.objects.count()")


async def test_texts_of_several_lines_stay_as_they_are_written(workers: Workers) -> None:
    assert await value(workers, '    return """one\n  two\n    three"""') == "one\n  two\n    three"


ON_OBJECTS = {
    "return [group.name for group in user.groups.all()]": ["staff", "wiki-admins", "Guests"],
    "return [group.name for group in user.ak_groups.filter(name__startswith='wiki')]": ["wiki-admins"],
    "return list(user.groups.values_list('name', flat=True))": ["staff", "wiki-admins", "Guests"],
    "return user.groups.values_list('name', 'pk')": [["staff", "g1"], ["wiki-admins", "g2"], ["Guests", "g3"]],
    "return user.groups.filter(name='staff').values('name')": [{"name": "staff"}],
    "return len(user.groups.all())": 3,
    "return 'any' if user.groups.filter(name='nobody') else 'none'": "none",
    "return bool(user.groups.filter(name='nobody')) or not user.groups.exclude(name='x')": False,
    "return user.groups.all()[1].name": "wiki-admins",
    "return [one.name for one in user.groups.all()[:2]]": ["staff", "wiki-admins"],
    "first, *rest = user.groups.all()\nreturn [first.name, len(rest)]": ["staff", 2],
    "return user.groups.filter(name='staff').exists() and user.groups.count() == 3": True,
    "return user.groups.filter(attributes__floor__gte=2).first().name": "staff",
    "return user.groups.filter(attributes__room__name='blue').count()": 1,
    "return user.groups.filter(name__in=['staff', 'Guests']).count()": 2,
    "return [g.name for g in user.groups.order_by('-name')]": ["wiki-admins", "staff", "Guests"],
    "return sorted(user.groups.all(), key=lambda group: group.name.lower())[0].name": "Guests",
    "return ', '.join(group.name for group in user.groups.all())": "staff, wiki-admins, Guests",
    "return ', '.join(user.groups.values_list('name', flat=True))": "staff, wiki-admins, Guests",
    "return user.groups.get(name='staff').attributes['floor']": 2,
    "group = user.groups.get(name='staff')\nreturn group in user.groups.all() and group in user.groups.all()[:1]": True,
    "return len({group for group in [*user.groups.all(), *user.all_groups()]})": 3,
    "return user.group_attributes()['floor']": 2,
    "return user.has_usable_password()": True,
    "return ak_is_group_member(request.user, name='staff')": True,
    "return ak_is_group_member(user, name__startswith='x')": False,
    "return [f'{user}', str(user), '%s' % user]": ["ada", "ada", "ada"],
    "return user == request.user and request.user in [user]": True,
    "user.name = 'Other'\nreturn [user.name, request.user.name]": ["Other", "Other"],
    "return getattr(user, 'na' + 'me')": "Ada Byron",
    "return hasattr(user, 'backend')": False,
    "return user.attributes.get('tags', []) + user.attributes.get('none', ['-'])": ["a", "b", "-"],
    "from django.db.models import Q\nreturn user.groups.filter(Q(name='staff') | Q(name='Guests')).count()": 2,
    "from django.db.models import Q\nreturn user.groups.filter(~Q(name='staff')).count()": 2,
    "return {'groups': {group.name for group in user.groups.filter(name='staff')}}": {"groups": ["staff"]},
    "yield user.name\nfor group in user.groups.all():\n    yield group.name": ["Ada Byron", "staff", "wiki-admins", "Guests"],
    "return {1: 'a', True and 'b': None, 'keys': {'a': 1}.keys()}": {"1": "a", "b": None, "keys": ["a"]},
    "return regex_match(user.email, '@example[.]org$')": True,
    "return regex_replace(user.email, '(.+)@.+', '\\\\1')": "ada",
    "return [list_flatten(['a', 'b']), list_flatten([]), list_flatten('c')]": ["a", None, "c"],
    "return slugify('Fjord & House  no. 7')": "fjord-house-no-7",
    "import ipaddress\nreturn ipaddress.ip_address('10.0.0.1') in ipaddress.ip_network('10.0.0.0/8')": True,
    "return str(ip_address('2001:DB8::1'))": "2001:db8::1",
}  # fmt: skip


@pytest.mark.parametrize("source", ON_OBJECTS)
async def test_objects_are_as_authentiks(workers: Workers, source: str) -> None:
    assert await value(workers, source) == ON_OBJECTS[source]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("return [ak_user_by(username=name) is None for name in ('ada', 'eve')]", [False, True]),
        ("return sorted(['eve', 'ada'], key=lambda name: ak_user_by(username=name) is None)", ["ada", "eve"]),
        ("return list(filter(lambda name: ak_user_by(username=name), ['eve', 'ada']))", ["ada"]),
        ("return list(map(lambda name: ak_user_by(username=name) is None, ['eve', 'ada']))", [True, False]),
        ("return max(['eve', 'ada'], key=lambda name: ak_user_by(username=name) is not None)", "ada"),
        ("return min(['eve', 'ada'], key=lambda name: ak_user_by(username=name) is not None)", "eve"),
        ("names = ['eve', 'ada']\nnames.sort(key=lambda name: ak_user_by(username=name) is None)\nreturn names", ["ada", "eve"]),
        ("return any(ak_user_by(username=name) for name in ['eve', 'ada'])", True),
        ("return max([], key=lambda name: ak_user_by(username=name), default='-')", "-"),
    ],
)  # fmt: skip
async def test_callbacks_may_ask_the_host(workers: Workers, source: str, expected: object) -> None:
    assert await value(workers, source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "return {1: 'a', None: 'b', False: 'c', 'ä': ('d', 2.5)}",
            {"1": "a", "null": "b", "false": "c", "ä": ["d", 2.5]},
        ),
        ("return {'a', 'a'}", ["a"]),
        ("return [{'when': datetime.date(2026, 2, 3)}]", [{"when": "2026-02-03"}]),
        ("return [user]", [ObjectReference("user", 7, "ada")]),
        ("return 10 ** 30", 10**30),
    ],
)
async def test_every_kind_of_value_comes_out(workers: Workers, source: str, expected: object) -> None:
    assert await value(workers, f"import datetime\n{source}") == expected


@pytest.mark.parametrize("source", ["return float('nan')", "x = [1]\nx.append(x)\nreturn x", "return {2.5: print}"])
async def test_what_cannot_be_told_is_a_failure(workers: Workers, source: str) -> None:
    with pytest.raises((AssertionError, ExpressionFailed)):
        await ran(workers, source)


async def test_what_a_policy_changes_in_the_context_comes_out(workers: Workers) -> None:
    source = """
        request.context["prompt_data"]["username"] = "ada"
        del context["old"]
        context["flow_plan"].context["colour"] = "red"
        ak_message("hello")
        return True
    """
    plan = {"prompt_data": {"email": "a@x"}, "old": 1}
    result = await ran(workers, source, POLICY, given_plan=plan, given_context={})
    assert (result.passing, result.effects.messages) == (True, ("hello",))
    assert result.effects.plan == {"prompt_data": {"email": "a@x", "username": "ada"}, "old": 1, "colour": "red"}
    assert result.effects.context == {"prompt_data": {"email": "a@x", "username": "ada"}}


async def test_a_policy_that_only_reads_brings_nothing_back(workers: Workers) -> None:
    result = await ran(workers, "return context.get('a') == 1", POLICY, given_context={"a": 1})
    assert result.passing
    assert (result.effects.context, result.effects.plan) == (None, None)


@pytest.mark.parametrize(
    ("source", "passing"),
    [
        ("return user_list", None),
        ("return request.user.groups.filter(name='nobody')", False),
        ("return request.user.groups.filter(name='staff')", True),
        ("return []", False),
        ("return request.user", True),
        ("return None", False),
        ("pass", False),
        ("return 'no'", True),
        ("return {'a': lambda: 1}", True),
    ],
)
async def test_the_truth_of_a_policy_is_pythons(workers: Workers, source: str, *, passing: bool | None) -> None:
    if passing is None:
        with pytest.raises(AssertionError, match="NameError: name 'user_list' is not defined at \\[1\\]"):
            await ran(workers, source, POLICY)
        return
    assert (await ran(workers, source, POLICY)).passing is passing


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("\n# a comment\nclaims = {\n    'a': 1,\n    'b': user.nothing,\n}\nreturn claims", 5),
        ("def inner(x):\n    return x['missing']\n\nfor group in user.groups.all():\n    inner({})", 2),
        ("return [\n    1,\n    int('x'),\n]", 3),
        ("x = 1\nreturn user.groups.get(name='nobody')", 2),
    ],
)
async def test_errors_name_the_line_of_the_text(workers: Workers, source: str, line: int) -> None:
    with pytest.raises(AssertionError, match=f"{line}\\]$"):
        await value(workers, source)
