"""Hashes are a promise to stored configuration: they stay the same on every version of Python."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ostiary.expressions.hashing as module
from ostiary.expressions.hashing import NotPython, expression_hash

WIDE = '''
def f(a, /, b: int = 1, *c, d=2, **e) -> str:
    "documented"
    return f"{a!r:>{d}} x{b}" "y" if a else (lambda: (yield))
async def g():
    async with a as b, c: await d
class C(B, metaclass=M):
    """documented"""
    x: int = -1.5e3
try:
    x = [i for i in range(10) if i % 2]
except (A, B) as error:
    raise error from None
finally:
    del x
match x:
    case {"a": [1, *rest]} | C(y=2) if z: pass
return x[1:2, ...], b"bytes", 0xFFFFFFFFFFFFFFFFFFFFFFFF, None, True
'''
WIDE_HASH = "2d0630c523790c474b68a867ee2793278338b18cc5d516ae0d811de99a6a16f8"
EMAIL_HASH = "04bdd1a9d3ab22d59969b697c5a6aa68a3b837f69fc8b986475b4014ea8dd39d"
EMAIL = 'return {"email": request.user.email, "email_verified": False}'


def test_golden() -> None:
    assert expression_hash(EMAIL) == EMAIL_HASH
    assert expression_hash(WIDE) == WIDE_HASH


def _other_pythons() -> list[Path]:
    """Return one interpreter of each other version this machine has. The golden hashes hold for all of them."""
    folders = [*Path.home().glob(".pyenv/versions/3.*/bin"), Path("/usr/bin"), Path("/usr/local/bin")]
    found = {path.name: path for folder in folders for path in folder.glob("python3.1?") if path.is_file()}
    return [found[name] for name in sorted(found) if name != f"python3.{sys.version_info.minor}"]


def test_this_and_every_other_python_of_the_machine_agree() -> None:
    program = f"""
import importlib.util
spec = importlib.util.spec_from_file_location("found", {module.__file__!r})
found = importlib.util.module_from_spec(spec)
spec.loader.exec_module(found)
print(found.expression_hash({EMAIL!r}), found.expression_hash({WIDE!r}))
"""
    for python in (Path(sys.executable), *_other_pythons()):
        answer = subprocess.run([str(python), "-c", program], capture_output=True, text=True, check=True)
        assert answer.stdout.split() == [EMAIL_HASH, WIDE_HASH], python


@pytest.mark.parametrize(
    "same",
    [
        'return {"email": request.user.email, "email_verified": False}',
        "return {'email':request.user.email,\n   'email_verified':False,}",
        '# why\nreturn ({"email": request.user.email, "email_verified": False})  # what\n',
        '"""What it does."""\nreturn {"email": request.user.email, "email_verified": False}',
        '    return {"email": request.user.email, "email_verified": False}\n',
        '\r\nreturn {"email": request.user.email, "email_verified": False}\r\n',
        'return {u"email": request.user.email, "email_verified": False}',
    ],
)
def test_spelling_does_not_count(same: str) -> None:
    assert expression_hash(same) == EMAIL_HASH


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("return 1", "return True"),
        ("return 1", "return 1.0"),
        ("return 'a'", "return b'a'"),
        ("return None", "return"),
        ("return a.b", "return a.c"),
        ("return [a, b]", "return [b, a]"),
        ("return [a]", "return (a,)"),
        ("return f'{a}b'", "return f'{a}c'"),
        ("a = 1", "a += 1"),
        ("return 'a\0b'".replace("\0", "\\0"), "return 'a'"),
        ("x = 'text'\nreturn x", "x = 'text'\ny = 'text'\nreturn x"),
    ],
)
def test_meaning_counts(one: str, other: str) -> None:
    assert expression_hash(one) != expression_hash(other)


@pytest.mark.parametrize("wrong", ["return (", "def", "\0", "return " + "(" * 5000, "x" * 1_000_001, "  a\n b\n"])
def test_not_python(wrong: str) -> None:
    with pytest.raises(NotPython):
        expression_hash(wrong)


@given(st.text(max_size=200))
def test_any_text_is_hashed_or_refused(text: str) -> None:
    with suppress(NotPython):
        assert len(expression_hash(text)) == 64
