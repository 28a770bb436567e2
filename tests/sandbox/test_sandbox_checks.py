"""What is wrong with an expression is told when it is saved: where, why, and what to write instead."""

from __future__ import annotations

import pytest

from ostiary.sandbox.language import objects
from ostiary.sandbox.language.names import MAPPING, POLICY
from ostiary.sandbox.language.prelude import lookups
from ostiary.sandbox.language.program import RefusedExpression, check, prepare


@pytest.mark.parametrize(
    ("source", "line", "column", "reason"),
    [
        ("return (", 1, 8, "is not valid Python: '\\(' was never closed"),
        ("if True:\n    break", 2, 5, "is not valid Python: 'break' outside loop"),
        ("    x = 1\n    return y = x", 2, 14, "is not valid Python"),
        ("x = yield 1", 1, 5, "the value of yield cannot be used"),
        ("x = 1\ndel x", 2, 5, "del works on items only"),
        ("class A(dict):\n    pass", 1, 9, "a class can only have an exception"),
        ("class A:\n    @property\n    def x(self):\n        return 1", 3, 5, "methods have no decorators"),
        ("class A:\n    def __bool__(self):\n        return False", 2, 5, "__bool__ is never called here"),
        ("class Late(Exception):\n    code = 3", 1, 1, "an exception of your own has no contents"),
        ("async def f():\n    pass", 1, 1, "no asynchronous functions"),
        ("return hasattr({}, 'get')", 1, 8, "whether there is a method get"),
        ("return user.__class__", 1, 8, "__class__ cannot be reached"),
        ("ostiary_rows = 1", 1, 1, "names that begin with ostiary_"),
        ("def f():\n    global user\n    user = 1", 2, 5, "user cannot be made global"),
    ],
)
def test_what_cannot_be_made_right_is_refused(source: str, line: int, column: int, reason: str) -> None:
    (fault, *_) = [one for one in check(source, MAPPING) if one.fatal]
    assert (fault.line, fault.column) == (line, column), fault
    with pytest.raises(RefusedExpression, match=reason):
        prepare(source, MAPPING)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("return requst.user", "line 1, column 8: requst is not a name of a expression policy; did you mean request?"),
        ("x = json.dumps({})\nreturn x", "line 1, column 5: json is not a name"),
        ("import numpy", "line 1, column 1: the module numpy is not available"),
        ("from re import subn", "line 1, column 1: re has no subn here; did you mean sub?"),
        ("import re\nreturn re.X", "line 2, column 8: re has no X here"),
        ("return request.user.save()", "line 1, column 8: save would write"),
        ("return 'a'.translate({})", "line 1, column 8: there is no method translate here; use replace"),
        ("return open('x')", "line 1, column 8: open is not a name of a expression policy; expressions have no files"),
        ("return provider.name", "line 1, column 8: provider is not a name"),
    ],
)
def test_what_is_not_there_is_told(source: str, told: str) -> None:
    (fault,) = check(source, POLICY)
    assert str(fault).startswith(told), fault
    assert not fault.fatal
    prepare(source, POLICY)


def test_a_program_takes_along_only_what_it_uses() -> None:
    small = prepare("return request.user.username == 'ada'", POLICY)
    assert small.source.count("\n") < 20
    assert small.values == {"given_user"}
    assert not small.functions
    assert "class Query" in prepare("return request.user.groups.all()", POLICY).source


def test_programs_are_made_once() -> None:
    prepare.cache_clear()
    assert prepare("return True", POLICY) is prepare("return True", POLICY)
    assert prepare("return True", POLICY) is not prepare("return True", MAPPING)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("return ak_user_by(shoe_size=4)", "line 1, column 19: there is no field shoe_size of users"),
        ("return ak_user_by(usernme='a')", "line 1, column 19: there is no field usernme of users; did you mean username?"),
        ("return ak_is_group_member(request.user, nme='a')", "line 1, column 41: there is no field nme of groups; did you mean name?"),
        ("return ak_user_by(username__regex='a')", "line 1, column 19: there is no look-up regex here; look up more"),
        ("return ak_user_by(username__year=1)", "line 1, column 19: there is no look-up year of username here; there are contains"),
        ("return request.user.groups.filter(title='a').exists()", "line 1, column 35: there is no field title of groups"),
        ("from authentik.core.models import User\nreturn User.objects.all().exclude(shoe=1).count()", "line 2, column 35: there is no field shoe of users"),
        ("return request.user.usrname", "line 1, column 8: request.user has no usrname here; did you mean username?"),
        ("return request.http_request.body", "line 1, column 8: request.http_request has no body here"),
        ("return request.usr", "line 1, column 8: request has no usr here; did you mean user?"),
    ],
)  # fmt: skip
def test_what_objects_have_not_is_told(source: str, told: str) -> None:
    (fault,) = check(source, POLICY)
    assert str(fault).startswith(told), fault
    assert not fault.fatal


def test_a_look_up_that_would_be_taken_for_a_key_is_refused() -> None:
    with pytest.raises(RefusedExpression, match="line 1, column 19: there is no look-up regex here"):
        prepare("return ak_user_by(attributes__upn__regex='a')", POLICY)


def test_what_the_expression_names_itself_is_not_ours() -> None:
    assert check("user = {}\nrequest = dict\nreturn user.whatever, request.other, {}.get('a', None)", POLICY) == ()
    assert (
        check("return ak_user_by(groups__name='a', attributes__a__b__gte=1, pk__in=[1]).groups.get(pk='1')", POLICY)
        == ()
    )


def test_operators_are_those_of_the_prelude() -> None:
    assert set(lookups.OPERATORS) == objects.OPERATORS
