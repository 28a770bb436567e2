"""`ostiary break-glass`: codes on paper."""

from __future__ import annotations

import re

from cli_runs import Run


def test_codes_are_printed_once_listed_and_revoked(run: Run) -> None:
    assert run("user", "create", "ada", "--email", "ada@example.org").code == 0
    refused = run("break-glass", "create", "ada")
    assert (refused.code, refused.out) == (1, "")
    assert "ada is no superuser" in refused.err
    assert run("break-glass", "list").out == "nobody has break-glass codes\n"
    assert run("group", "add-user", "authentik Admins", "ada").code == 0
    made = run("break-glass", "create", "ada", "--codes", "3")
    assert made.code == 0, made.err
    assert "recovery/break-glass/" in made.out
    codes = re.findall(r"^  ((?:[0-9A-Z]{5}-){4}[0-9A-Z]{5})$", made.out, re.MULTILINE)
    assert len(set(codes)) == 3
    assert re.fullmatch(r"ada: 3, made \S+\n", run("break-glass", "list").out)
    assert run("break-glass", "revoke", "ADA").out == "3 codes of ada were revoked\n"
    assert run("break-glass", "list").out == "nobody has break-glass codes\n"
    shown = run("events", "--json").out
    assert "custom_break_glass_created" in shown
    assert "custom_break_glass_revoked" in shown
    assert not any(code in shown for code in codes)


def test_somebody_unknown_is_named_with_near_names(run: Run) -> None:
    assert run("user", "create", "ada", "--email", "ada@example.org").code == 0
    assert "there is no user adda; near names: ada" in run("break-glass", "create", "adda").err
