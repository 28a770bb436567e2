"""Small programs of what is rewritten come out in the sandbox as Python has them."""

from __future__ import annotations

import asyncio
import copy
import json
import textwrap
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.directory.user import GroupRef, Subject, User
from ostiary.sandbox.evaluation.conversion import result_of
from ostiary.sandbox.evaluation.expression_context import ExpressionContext
from ostiary.sandbox.evaluation.inputs import program_inputs
from ostiary.sandbox.language.names import POLICY
from ostiary.sandbox.language.program import check, prepare
from ostiary.sandbox.workers import Aborted, Program, Workers

HELD = ("totp", "static")
CONTEXT: dict[str, Any] = {"count": 3, "seen": ["b", "a"], "deep": {"x": {"y": 1}}}
GROUPS = tuple(
    GroupRef(f"g{n}", name, {"floor": n % 2}) for n, name in enumerate(("wiki", "staff", "Admins", "staff-2"))
)
ADA = Subject(
    user=User(
        pk=7, uuid="u", username="ada", name="Ada", email="ada@example.org", is_active=True, type="internal", path="users",
        attributes={"tags": ["x", "z", "y"]}, password="!", last_login=None, date_joined=1, password_change_date=2,
        last_updated=3,
    ),
    uid="f" * 64, groups=GROUPS, every_group=GROUPS, all_groups=frozenset(one.pk for one in GROUPS),
    all_group_names=frozenset(one.name for one in GROUPS), is_superuser=False, attributes={},
)  # fmt: skip

numbers = st.integers(-3, 5).map(str)
words = st.sampled_from(["totp", "sms", "static", "Zeta", "alpha"])
keys = st.sampled_from(["count", "seen", "new", "x"])
number_of_n = st.sampled_from(["n", "n * n", "-n", "n % 2", "abs(n)", "(n, 1)[0]", "len(str(n))"])
test_of_n = st.sampled_from(["n > 1", "n % 2", "n != 3", "n in held", "not n"])
test_of_w = st.sampled_from(
    ["ak_user_has_authenticator(request.user, w)", "w.islower()", "len(w) > 4", "w in 'static'"]
)
key_of_w = st.sampled_from(
    ["len", "str.lower", "lambda w: ak_user_has_authenticator(request.user, w)", "lambda w: (len(w), w)"]
)
key_of_group = st.sampled_from(
    ["lambda g: g.name", "lambda g: g.name.lower()", "lambda g: (g.attributes['floor'], g.name)", "lambda g: g.pk"]
)
truth = st.sampled_from(["True", "False"])


def made(text: str, **parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return texts with parts in place of $NAME."""

    def filled(values: dict[str, str]) -> str:
        found = text
        for name, value in values.items():
            found = found.replace(f"${name}", value)
        return found

    return st.fixed_dictionaries(parts).map(filled)


statements = st.one_of(
    made("held.append($n)", n=numbers),
    made("del held[$n]", n=numbers),
    made("del held[$n:$m]", n=numbers, m=numbers),
    made("del held[::$n]", n=st.sampled_from(["2", "-1", "3"])),
    made("del request.context['$k']", k=keys),
    made("request.context['$k'] = held[:]", k=keys),
    made("request.context['$k'] = request.context.get('$j', $n)", k=keys, j=keys, n=numbers),
    made("context['deep']['x']['$k'] = $n", k=keys, n=numbers),
    made("request.context.setdefault('$k', []).append($n)", k=st.sampled_from(["seen", "fresh"]), n=numbers),
    made("context['count'] += $n", n=numbers),
    made("request.context.update({'$k': [n for n in held if $t]})", k=keys, t=test_of_n),
    made("request.user.attributes['tags'].append($n)", n=numbers),
    made("held = sorted(held, key=lambda n: $v, reverse=$r)", v=number_of_n, r=truth),
    made("held.sort(key=lambda n: ($v, n))", v=number_of_n),
    made("words.sort(key=$k, reverse=$r)", k=key_of_w, r=truth),
    made("words = sorted(words, key=$k)", k=key_of_w),
    made("words = list(filter(lambda w: $t, words))", t=test_of_w),
    made("held += map(lambda w: int($t), words)", t=test_of_w),
    made("held += (len(w) for w in words if $t)", t=test_of_w),
    made("words.append(max(words, key=$k))", k=key_of_w),
    made("words.append(min(words, key=$k, default='none'))", k=key_of_w),
    made("held.append(sum(1 for w in words if $t))", t=test_of_w),
    made("held += [n for n in (m for m in held) if $t]", t=test_of_n),
    made("words += [g.name for g in sorted(request.user.ak_groups.all(), key=$k, reverse=$r)]", k=key_of_group, r=truth),
    made("words.append(max(request.user.ak_groups.all(), key=$k).name)", k=key_of_group),
    made("held.append(next((n for n in held if $t), $n))", t=test_of_n, n=numbers),
    made(
        """
        def some(items):
            for n in items:
                if $t:
                    yield $v
                else:
                    continue
            yield from [$n]
        held = list(some(held))""",
        t=test_of_n, v=number_of_n, n=numbers,
    ),
    made(
        """
        def first(items):
            for n in items:
                if $t:
                    return
                yield n
        held += list(first(held))""",
        t=test_of_n,
    ),
    made(
        """
        class Odd($b):
            pass
        class Odder(Odd):
            pass
        try:
            raise $c($n)
        except Odder as error:
            words.append("odder" + str(error))
        except (KeyError, Odd) as error:
            words.append("odd" + str(error))
        except $o:
            words.append("other")""",
        b=st.sampled_from(["Exception", "ValueError", "LookupError"]), n=numbers,
        c=st.sampled_from(["Odd", "Odder", "ValueError", "RuntimeError", "Exception"]),
        o=st.sampled_from(["ValueError", "LookupError", "Exception"]),
    ),
    made(
        """
        try:
            held.append(held[$n])
            held.append(request.context["$k"] + 1)
        except (IndexError, KeyError):
            held.append(-1)
        except TypeError:
            held.append(-2)
        finally:
            words.append("done")""",
        n=numbers, k=keys,
    ),
    made("import urllib.parse\nwords.append(urllib.parse.quote('$w ä/'))", w=words),
    made("import urllib.parse as parsing\nwords.append(parsing.unquote(parsing.quote_plus('$w ?')))", w=words),
    made("from urllib.parse import quote as quoted\nwords.append(quoted('$w&'))", w=words),
    made("lower = '$w'.upper\nwords.append(lower())", w=words),
    made("held, words = held[::-1], words[$n:]", n=numbers),
)  # fmt: skip

TAIL = "return [held, words, request.user.attributes, [n for n in held if n]]"


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def workers(runner: asyncio.Runner) -> Iterator[Workers]:
    workers = Workers()
    yield workers
    runner.run(workers.close())


def by_python(source: str) -> object:
    """Return value and context, or the name of the exception."""
    groups = SimpleNamespace(
        all=lambda: [SimpleNamespace(pk=g.pk, name=g.name, attributes=g.attributes) for g in GROUPS]
    )
    context = copy.deepcopy(CONTEXT)
    user = SimpleNamespace(attributes=copy.deepcopy(dict(ADA.user.attributes)), ak_groups=groups)
    scope: dict[str, Any] = {
        "request": SimpleNamespace(user=user, context=context),
        "context": context,
        "ak_user_has_authenticator": lambda _user, kind: kind in HELD,
    }
    exec("def expression():\n" + textwrap.indent(source, "    "), scope)  # noqa: S102 - the texts of this file
    try:
        value = scope["expression"]()
    except Exception as error:
        return type(error).__name__
    return json.loads(json.dumps([value, context]))


async def by_sandbox(workers: Workers, source: str) -> object:
    prepared = prepare(source, POLICY)
    seen = ExpressionContext(subject=ADA, now=1, facts=CONTEXT)
    outcome = await workers.run(
        Program(prepared.source),
        inputs=program_inputs(prepared, seen, {}),
        functions={"host_has_authenticator": lambda _pk, kind: kind in HELD},
    )
    if isinstance(outcome, Aborted):
        return outcome.message.partition(":")[0]
    found = result_of(outcome, POLICY)
    return [found.value, CONTEXT if found.effects.context is None else found.effects.context]


@settings(deadline=None, max_examples=60)
@given(st.lists(statements, min_size=1, max_size=6))
def test_a_program_means_what_it_means_in_python(runner: asyncio.Runner, workers: Workers, parts: list[str]) -> None:
    head = ["held = [3, 1, 2, 1]", "words = ['totp', 'Zeta', 'sms']"]
    source = "\n".join(textwrap.dedent(part).strip("\n") for part in (*head, *parts, TAIL))
    assert not [fault for fault in check(source, POLICY) if fault.fatal]
    assert runner.run(by_sandbox(workers, source)) == by_python(source)
