"""A56: expressions leave neither their sandbox nor their budget, whatever an administrator writes in them.

Each corpus is a list of programs. None may reach what it reaches for, end the server, or take from sign-ins beside it.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from ostiary.sandbox.workers import Aborted, AbortReason, HostFunction, HostObject, Limits, Program, Returned, Workers

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMITS = Limits(seconds=0.5, memory=32 << 20)
SECRET = "what no program may see"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workers() -> AsyncIterator[Workers]:
    workers = Workers(LIMITS)
    yield workers
    await workers.close()


class Origin:
    """What stands behind an object that programs see."""

    token = SECRET

    def __repr__(self) -> str:
        return SECRET


def user() -> HostObject:
    return HostObject("User", {"name": "ada"}, methods={"has": lambda name: name == "x"}, origin=Origin())


ESCAPES = [
    # attributes that lead to classes, functions, frames
    "().__class__.__base__.__subclasses__()",
    "user.__class__.__base__",
    "user.__dict__",
    "user.__init__.__globals__",
    "type(user).__mro__",
    "type(user).__subclasses__()",
    "type(user)('x')",
    "user.__reduce__()",
    "user.__getattribute__('origin')",
    "object.__new__(type(user))",
    "(lambda: 0).__globals__",
    "(lambda: 0).__code__",
    "look.__globals__",
    "look.__closure__",
    "look.__self__",
    "user.has.__func__",
    "(x for x in [1]).gi_frame",
    "async def f(): pass\nf().cr_frame",
    "try:\n    1 / 0\nexcept Exception as error:\n    kept = error\nkept.__traceback__.tb_frame",
    # what stands behind an object
    "user.origin",
    "user.values",
    "user.methods",
    "user.one",
    "getattr(user, 'origin')",
    "getattr(user, '_attributes')",
    "eval('user.origin')",
    "f'{user.origin}'",
    "'{0.origin}'.format(user)",
    "'{0.__class__.__init__.__globals__}'.format(user)",
    "user['origin']",
    "user()",
    "vars(user)",
    "import copy\ncopy.deepcopy(user)",
    "import json\njson.dumps(user)",
    # modules and built-ins
    *(
        f"import {name}"
        for name in (
            "subprocess", "ctypes", "socket", "importlib", "builtins", "threading", "multiprocessing", "signal", "gc",
            "inspect", "pickle", "marshal", "code", "ostiary", "pydantic_monty", "tempfile", "shutil", "http.client",
            "urllib.request",
        )
    ),
    "import os\nos.system('id')",
    "import os\nos.fork()",
    "import os\nos.environ['PATH']",
    "import os\nos.getenv('PATH')",
    "import os\nos.listdir('/')",
    "import sys\nsys.modules",
    "import sys\nsys._getframe()",
    "import re\nre.sys",
    "__import__('os')",
    "__builtins__",
    "globals()",
    "compile('1', 'x', 'eval')",
    "breakpoint()",
    "input()",
    "exec('import os\\nos.system(1)')",
    # files
    "open('/etc/passwd').read()",
    "open('/proc/self/environ').read()",
    "from pathlib import Path\nPath('/etc/passwd').read_text()",
    "from pathlib import Path\nPath('/tmp/written').write_text('x')",
    # ends
    "raise SystemExit",
    "raise KeyboardInterrupt",
    "raise BaseException('x')",
    "exit()",
]  # fmt: skip

BOMBS = [
    # loops, also those that swallow what ends them
    "while True: pass",
    "exec('while True: pass')",
    "while True:\n    try:\n        raise ValueError\n    except BaseException:\n        pass",
    "while True:\n    try:\n        while True: pass\n    except BaseException:\n        pass",
    "def f():\n    try:\n        f()\n    except BaseException:\n        f()\nf()",
    "sum(range(10**18))",
    "import itertools\nfor x in itertools.count(): pass",
    "import time\nfor i in range(10**9): time.sleep(10**9)",
    # numbers
    "9**9**9",
    "1 << 10**10",
    "import math\nmath.factorial(10**6)",
    "import math\nmath.isqrt(10**10**6)",
    "from decimal import Decimal\nint(Decimal('1e999999'))",
    "10**5000",
    # texts
    "'x' * 10**10",
    "'%*d' % (10**9, 1)",
    "f'{1:>{10**9}}'",
    "'ab'.replace('', 'x' * 10**7)",
    "''.join(['x' * 10**6] * 10**4)",
    # regular expressions
    "import re\nre.sub('', 'x' * 10**4, 'y' * 10**5)",
    "import re\nre.compile('(' * 10**5 + ')' * 10**5)",
    # memory
    "[0] * 10**10",
    "bytes(10**10)",
    "x = []\nwhile True: x.append([])",
    "x = []\nwhile True:\n    try:\n        x.append('x' * 10**6)\n    except BaseException:\n        pass",
    "import itertools\nlist(itertools.repeat(1))",
    # nesting
    "def f(): f()\nf()",
    "eval('(' * 10**5 + ')' * 10**5)",
    "import json\njson.loads('[' * 10**6)",
    "x = []\nfor i in range(10**5): x = [x]\nx == [x]",
    "x = []\nfor i in range(10**5): x = [x]\nx",
    "import asyncio\nasync def f():\n    await asyncio.gather(*[f() for i in range(100)])\nasyncio.run(f())",
    # what reaches the server: values, output, calls, errors
    "x = ['x'] * 10\nfor i in range(12): x = [x] * 10\nx",
    "x = ['x'] * 10\nfor i in range(12): x = [x] * 10\nlook(x)",
    "x = {}\nfor i in range(10**5): x = {'a': x}\nlook(x)",
    "'x' * 30_000_000",
    "list(range(10**6))",
    "look('x' * 10**7)",
    "look(**{'x' * 10**6: 1})",
    "raise ValueError('x' * 10**7)",
    "while True: print('x')",
    "while True:\n    try:\n        print('x' * 10**6)\n    except BaseException:\n        pass",
    "while True: look(1)",
    "while True:\n    try:\n        look(1)\n    except BaseException:\n        pass",
]

HARMLESS = ["import re\nre.match('(a+)+$', 'a' * 60 + 'b')", "import re\nre.findall('(.*)*x', 'a' * 10**5)"]
"""Bombs elsewhere; here they end by themselves."""


async def attempt(workers: Workers, source: str) -> Returned | Aborted:
    functions: dict[str, HostFunction] = {"look": lambda *values, **named: repr((values, named))}
    return await workers.run(Program(source), inputs={"user": user()}, functions=functions)


@pytest.mark.parametrize("source", ESCAPES)
async def test_a56_nothing_leads_out_of_the_sandbox(workers: Workers, source: str) -> None:
    outcome = await attempt(workers, source)
    assert isinstance(outcome, Aborted), outcome
    assert outcome.reason in {AbortReason.ERROR, AbortReason.RESULT}
    assert SECRET not in outcome.message + outcome.printed
    assert not Path("/tmp/written").exists()


async def test_a56_a_program_can_change_nothing_here(workers: Workers) -> None:
    ada, data = user(), {"list": [1]}
    program = "user.name = 'eve'\ndata['list'].append(2)\ndata['new'] = 1\nlook = None\n[user.name, data]"
    await workers.run(Program(program), inputs={"user": ada, "data": data}, functions={"look": len})
    assert (ada.values, data) == ({"name": "ada"}, {"list": [1]})
    assert isinstance(await attempt(workers, "look(1)"), Returned)  # nor for the next program


async def test_a56_a_program_sees_nothing_of_the_one_before(workers: Workers) -> None:
    for _ in range(4):  # whichever worker it gets
        assert isinstance(await attempt(workers, "kept = user\nimport math\nint = str\n1"), Returned)
    for _ in range(4):
        found = await attempt(workers, "int('1') + 1")
        assert isinstance(found, Returned)
        assert found.value == 2
        assert isinstance(await attempt(workers, "kept"), Aborted)
        assert isinstance(await attempt(workers, "math"), Aborted)


@pytest.mark.parametrize("source", BOMBS)
async def test_a56_every_bomb_ends_in_its_limit(workers: Workers, source: str) -> None:
    outcome = await attempt(workers, source)
    assert isinstance(outcome, Aborted), outcome
    assert outcome.reason not in {AbortReason.CRASHED, AbortReason.BUSY, AbortReason.UNAVAILABLE}
    assert len(outcome.message) < 2000
    assert len(outcome.printed) <= 20_000


@pytest.mark.parametrize("source", HARMLESS)
async def test_a56_expressions_that_explode_elsewhere_end(workers: Workers, source: str) -> None:
    assert isinstance(await attempt(workers, source), Returned)


async def test_a56_sign_ins_get_their_answers_beside_a_flood_of_trial_runs(workers: Workers) -> None:
    """How long they take beside it is measured, not tested: `bench/expressions.py --beside` prints it."""
    flood = [
        asyncio.create_task(workers.run(Program(source), functions={"look": repr}, trial=True))
        for source in ("while True: pass", "x = []\nwhile True: x.append([])", "'x' * 10**9") * 4
    ]
    for _ in range(20):
        outcome = await workers.run(Program("user.name.startswith('a')"), inputs={"user": user()})
        assert isinstance(outcome, Returned)
        assert outcome.value is True
    outcomes = await asyncio.gather(*flood)
    assert not any(isinstance(outcome, Returned) for outcome in outcomes)


async def test_a56_the_server_does_not_grow_with_what_programs_make(workers: Workers) -> None:
    await attempt(workers, "'x' * 10**6")  # the client is loaded
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for source in BOMBS[-12:]:
        await attempt(workers, source)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200 * 1024  # KiB: a text of a worker's whole memory, and its copy
