"""Where nobody traces, requests of applications do nothing for traces: not one call, and not one module more."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from types import FrameType

import pytest
from oauth2_rig import Rig

from ostiary.policies.kinds.expression import ExpressionPolicy
from ostiary.policies.resources import PolicyBinding
from ostiary.tracing.database import TracedDatabase
from ostiary.tracing.tracer import Tracer
from ostiary.web.asgi import Site

START = """
import asyncio, sys, tempfile
from ostiary.app.core import open_core
from ostiary.app.serve import Process
from ostiary.settings import load

async def main(folder):
    settings = load({"OSTIARY_DATA_DIR": folder, "OSTIARY_SECRET_KEY": "k" * 40, **dict(ENVIRON)}, default_file=None)
    core = await open_core(settings, environ={}, serving=True, create=True)
    Process(core, site=True, worker=True)
    await core.close()

with tempfile.TemporaryDirectory() as folder:
    asyncio.run(main(folder))
print(sorted(name for name in sys.modules if name.startswith(("ostiary.tracing", "ostiary.proto.otlp", "ostiary.proto.trace"))))
"""


def loaded(environ: dict[str, str]) -> str:
    program = f"ENVIRON = {environ!r}\n{START}"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_no_module_of_traces_is_loaded() -> None:
    assert loaded({}) == "[]"
    assert loaded({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:9", "OTEL_SDK_DISABLED": "true"}) == "[]"
    assert "ostiary.tracing.exporter" in loaded({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:9"})


async def calls_of(rig: Rig) -> Counter[str]:
    """Sign in to an application that is known, and return how often which function of spans and traces was called."""
    calls: Counter[str] = Counter()

    def profile(frame: FrameType, event: str, _arg: object) -> None:
        if event == "call" and (
            "/ostiary/spans/" in frame.f_code.co_filename or "/tracing/" in frame.f_code.co_filename
        ):
            calls[frame.f_code.co_name] += 1

    sys.setprofile(profile)
    try:
        tokens = await rig.browser.tokens()
        bearer = {"authorization": f"Bearer {tokens['access_token']}"}
        assert (await rig.call("GET", "/application/o/userinfo/", headers=bearer)).status == 200
        assert (await rig.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])).status == 200
    finally:
        sys.setprofile(None)
    return calls


async def test_the_requests_of_an_application_call_nothing(rig: Rig) -> None:
    await rig.browser.sign_in()
    assert await calls_of(rig) == {}
    assert rig.program.core.tracer is None
    assert type(rig.program.built.site) is Site
    assert not isinstance(rig.program.core.database, TracedDatabase)
    with pytest.raises(LookupError):
        rig.program.service(Tracer)


async def test_a_policy_costs_a_look_at_a_variable(rig: Rig) -> None:
    policy = ExpressionPolicy(pk="yes", name="yes", expression="return True")
    rig.program.change(policy, PolicyBinding(pk="b", policy="yes", target="app", order=0))
    await rig.browser.sign_in()
    calls = await calls_of(rig)
    assert calls["span"] == 2 * calls["__enter__"] / 2 > 0  # the decision and its policy, at each request that decides
    assert set(calls) == {"span", "__enter__", "__exit__", "note"}
