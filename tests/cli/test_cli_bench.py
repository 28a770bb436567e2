"""The benchmark's own installation: it is made, and the server on it answers what is measured."""

from __future__ import annotations

from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


def test_the_benchmark_reaches_its_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    import ostiary_target

    environ = ostiary_target.environment(tmp_path, None)
    ostiary_target.install(tmp_path, environ)
    server = ostiary_target.serve(tmp_path, environ)
    try:
        assert server.cpu > 0
    finally:
        server.stop()


def test_a_failed_installation_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    import ostiary_target

    with pytest.raises(RuntimeError, match=r"blueprint apply .* failed"):
        ostiary_target.install(tmp_path, ostiary_target.environment(tmp_path, None), more="- nonsense")
