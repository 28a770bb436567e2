"""Alerts and dashboard, judged by promtool: they are well-formed, and each alert fires when it should and not else."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from prometheus_rules import (
    CASES,
    COMPONENT,
    DASHBOARD,
    HOW_TO,
    ROOT,
    RULES,
    panels,
    program,
    queries,
    rules,
    selectors,
)

AFTER = "2h"


def promtool(*arguments: str) -> None:
    done = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_the_rules() -> None:
    promtool("check", "rules", "--lint-fatal", str(RULES))


def test_the_component_has_the_same_rules() -> None:
    component = yaml.safe_load(COMPONENT.read_text())
    assert component["kind"] == "PrometheusRule"
    assert component["spec"] == yaml.safe_load(RULES.read_text())


def test_each_alert_has_its_cases() -> None:
    assert [rule["alert"] for rule in rules()] == list(CASES)


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_when_it_should_and_not_else(tmp_path: Path, alert: str) -> None:
    (rule,) = (rule for rule in rules() if rule["alert"] == alert)
    bad, good, labels = CASES[alert]
    fires = {
        "exp_labels": {"severity": rule["labels"]["severity"], **labels},
        "exp_annotations": {
            "runbook": rule["annotations"]["runbook"],
            "summary": with_labels(rule["annotations"]["summary"], labels),
        },
    }
    tests = [
        {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series],
            "alert_rule_test": [{"eval_time": AFTER, "alertname": alert, "exp_alerts": expected}],
        }
        for series, expected in ((bad, [fires]), (good, []))
    ]
    alone, file = tmp_path / "rule.yaml", tmp_path / "cases.yaml"
    alone.write_text(yaml.safe_dump({"groups": [{"name": "ostiary", "rules": [rule]}]}))
    file.write_text(yaml.safe_dump({"rule_files": [str(alone)], "evaluation_interval": "1m", "tests": tests}))
    promtool("test", "rules", str(file))


def with_labels(template: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda match: labels[match[1]], template)


def test_each_alert_leads_to_what_to_do() -> None:
    headings = re.findall(r"^### (\w+)\n(?=\S)", HOW_TO.read_text(), re.MULTILINE)
    assert headings == [rule["alert"] for rule in rules()]
    page = HOW_TO.relative_to(ROOT)
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"{page}#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in {"warning", "critical"}


def test_only_metrics_that_are_documented_are_asked_for() -> None:
    table = (ROOT / "docs/metrics.md").read_text()
    known = set(re.findall(r"^\| `(ostiary_\w+)`", table, re.MULTILINE))
    parts = {f"{name}_{part}" for name in known for part in ("bucket", "sum", "count")}
    asked = [expression for rule in rules() for expression in selectors(rule["expr"])]
    asked += [expression for query in queries().values() for expression in selectors(query)]
    names = {expression.partition("{")[0] for expression in asked}
    assert len(names) > 40
    assert {name for name in names if name.startswith("ostiary_")} <= known | parts


def test_panels_of_the_dashboard_have_their_place() -> None:
    assert len(panels()) > 30
    numbers = [panel["id"] for panel in panels()]
    assert len(set(numbers)) == len(numbers)
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
    assert DASHBOARD.stat().st_size < 900_000, "a ConfigMap has a limit"


@pytest.mark.parametrize("expression", ['a_total{b="c"}', "ostiary_x"])
def test_selectors_are_found(expression: str) -> None:
    assert selectors(f'rate(ostiary_a{{b=~"c|d"}}[5m]) > ({expression})')[0] == 'ostiary_a{b=~"c|d"}'
