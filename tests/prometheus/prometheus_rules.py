"""The rules and the dashboard as their files say, and series with which each alert fires or stays quiet."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/prometheus/ostiary.rules.yaml"
COMPONENT = ROOT / "deploy/kustomize/components/prometheus-rules/prometheus-rules.yaml"
DASHBOARD = ROOT / "deploy/kustomize/components/grafana-dashboard/ostiary.json"
HOW_TO = ROOT / "docs/how-to/when-something-fails.md"


def program(name: str) -> str:
    """Return where Debian's package has put a program."""
    found = shutil.which(name)
    assert found, f"the tests need {name}: sudo apt-get install prometheus"
    return found


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"
    ]
    return found


def queries() -> dict[str, str]:
    """Return every query of the dashboard by panel and letter; its window is as long as Grafana would choose it."""
    return {
        f"{panel['title']} {target['refId']}": target["expr"].replace("$__rate_interval", "30s")
        for panel in panels()
        for target in panel["targets"]
    }


def selectors(expression: str) -> list[str]:
    """Return the series that an expression asks for, with their labels and without windows."""
    return re.findall(r"\b(?:ostiary|process)_\w+(?:\{[^}]*\})?", expression)


def own(name: str, value: str, /, **labels: str) -> tuple[str, str]:
    """Return a series of one process."""
    told = {"instance": "a", "job": "ostiary", **labels}
    pairs = ", ".join(f'{key}="{one}"' for key, one in told.items())
    return f"{name}{{{pairs}}}", value


BUILD = own("ostiary_build_info", "1x200", version="1")
_COUNT = "ostiary_http_request_seconds_count"
_BUCKET = "ostiary_http_request_seconds_bucket"

Series = list[tuple[str, str]]

# Of each alert: series with which it fires, series with which it does not, and the labels that it then has. A series
# has a value each minute; the alert is looked at after two hours.
CASES: dict[str, tuple[Series, Series, dict[str, str]]] = {
    "OstiaryAway": ([], [BUILD], {}),
    "OstiaryErrors": (
        [own(_COUNT, "0+10x200", status="5xx"), own(_COUNT, "0+100x200", status="2xx")],
        [own(_COUNT, "0+4x200", status="5xx"), own(_COUNT, "0+100x200", status="2xx")],
        {},
    ),
    "OstiaryUnavailable": (
        [own("ostiary_unavailable_total", "0+1x200", reason="busy")],
        [own("ostiary_unavailable_total", "5x200", reason="busy")],
        {"reason": "busy"},
    ),
    "OstiarySlow": (
        [own(_BUCKET, "0+90x200", le="1.0"), own(_BUCKET, "0+100x200", le="2.5"), own(_BUCKET, "0+100x200", le="+Inf")],
        [own(_BUCKET, "0+99x200", le="1.0"), own(_BUCKET, "0+100x200", le="2.5"), own(_BUCKET, "0+100x200", le="+Inf")],
        {},
    ),
    "OstiaryErrorsLogged": (
        [own("ostiary_log_lines_total", "0+1x200", level="error")],
        [
            own("ostiary_log_lines_total", "0+9x200", level="warning"),
            own("ostiary_log_lines_total", "7x200", level="error"),
        ],
        {},
    ),
    "OstiaryDatabaseErrors": (
        [own("ostiary_database_errors_total", "0+1x200", reason="database_full")],
        [own("ostiary_database_errors_total", "9x200", reason="database_full")],
        {"reason": "database_full"},
    ),
    "OstiaryDatabaseSlow": (
        [own("ostiary_database_latency_seconds", "0.6x200")],
        [own("ostiary_database_latency_seconds", "0.4x200")],
        {},
    ),
    "OstiaryDatabaseWaiting": (
        [own("ostiary_database_waiting", "40x200", operation="write")],
        [own("ostiary_database_waiting", "30x200", operation="write")],
        {"operation": "write"},
    ),
    "OstiaryConnectionsLost": (
        [own("ostiary_database_connections_lost_total", "0+1x200")],
        [own("ostiary_database_connections_lost_total", "0x110 1x90")],
        {"instance": "a", "job": "ostiary"},
    ),
    "OstiarySignInsFail": (
        [
            own("ostiary_sign_in_failures_total", "0+120x200", reason="password"),
            own("ostiary_sign_ins_total", "0+9x200"),
        ],
        [own("ostiary_sign_in_failures_total", "0+120x200", reason="mfa"), own("ostiary_sign_ins_total", "0+60x200")],
        {},
    ),
    "OstiaryPasswordsWait": (
        [own("ostiary_password_hashes", "40x200", state="waiting")],
        [own("ostiary_password_hashes", "40x200", state="running")],
        {},
    ),
    "OstiaryConfigurationDiffers": (
        [own("ostiary_database_config_revision", "8x200"), own("ostiary_config_revision", "7x200", instance="b")],
        [own("ostiary_database_config_revision", "8x200"), own("ostiary_config_revision", "8x200", instance="b")],
        {},
    ),
    "OstiaryConfigurationLate": (
        [own("ostiary_configuration_age_seconds", "90x200")],
        [own("ostiary_configuration_age_seconds", "1x200")],
        {"instance": "a", "job": "ostiary"},
    ),
    "OstiaryQueueLate": (
        [own("ostiary_queue_age_seconds", "150x200")],
        [own("ostiary_queue_age_seconds", "1x200")],
        {"instance": "a", "job": "ostiary"},
    ),
    "OstiaryTasksWait": (
        [own("ostiary_task_overdue_seconds", "700x200")],
        [own("ostiary_task_overdue_seconds", "500x200")],
        {},
    ),
    "OstiaryTaskLate": (
        [
            own("ostiary_task_success_timestamp_seconds", "0x200", task="clean_expired"),
            own("ostiary_task_schedule_seconds", "900x200", task="clean_expired"),
        ],
        [
            own("ostiary_task_success_timestamp_seconds", "5400x200", task="clean_expired"),
            own("ostiary_task_schedule_seconds", "900x200", task="clean_expired"),
            own("ostiary_task_success_timestamp_seconds", "0x200", task="mail.send"),
        ],
        {"task": "clean_expired"},
    ),
    "OstiaryDeadTasks": (
        [own("ostiary_tasks", "1x80 2x120", state="dead")],
        [own("ostiary_tasks", "2x200", state="dead")],
        {},
    ),
    "OstiaryNoLeader": (
        [own("ostiary_leader", "0x200"), own("ostiary_leader", "0x200", instance="b")],
        [own("ostiary_leader", "0x200"), own("ostiary_leader", "1x200", instance="b")],
        {},
    ),
    "OstiaryBackgroundEnded": (
        [own("ostiary_background_alive", "0x200", work="queue")],
        [own("ostiary_background_alive", "1x200", work="queue")],
        {"instance": "a", "job": "ostiary", "work": "queue"},
    ),
    "OstiaryLoopBlocked": (
        [own("ostiary_event_loop_lag_seconds", "2x200")],
        [own("ostiary_event_loop_lag_seconds", "0.5x200")],
        {"instance": "a", "job": "ostiary"},
    ),
    "OstiaryConnectionsRefused": (
        [own("ostiary_connections_refused_total", "0+1x200"), own("ostiary_accept_errors_total", "0x200")],
        [own("ostiary_connections_refused_total", "4x200"), own("ostiary_accept_errors_total", "4x200")],
        {"instance": "a", "job": "ostiary"},
    ),
    "OstiaryFewDescriptors": (
        [BUILD, own("process_open_fds", "90x200"), own("process_max_fds", "100x200")],
        [
            own("process_open_fds", "90x200"),
            own("process_max_fds", "100x200"),
            own("ostiary_build_info", "1x200", instance="b"),
        ],
        {"instance": "a", "job": "ostiary"},
    ),
    "OstiaryFewMemory": (
        [own("process_resident_memory_bytes", "95x200"), own("ostiary_memory_limit_bytes", "100x200")],
        [own("process_resident_memory_bytes", "80x200"), own("ostiary_memory_limit_bytes", "100x200")],
        {"instance": "a", "job": "ostiary"},
    ),
    "OstiaryRestarts": (
        [BUILD, own("process_start_time_seconds", "0+300x200")],
        [BUILD, own("process_start_time_seconds", "7x200")],
        {"instance": "a", "job": "ostiary"},
    ),
    "OstiaryClockSet": (
        [own("ostiary_clock_jumps_total", "0x100 1x100", direction="back")],
        [own("ostiary_clock_jumps_total", "3x200", direction="back")],
        {"instance": "a", "job": "ostiary", "direction": "back"},
    ),
    "OstiaryCertificateEnds": (
        [own("ostiary_certificate_end_timestamp_seconds", "1000000x200", name="ours")],
        [own("ostiary_certificate_end_timestamp_seconds", "2000000x200", name="ours")],
        {"name": "ours"},
    ),
    "OstiaryVersionsDiffer": (
        [BUILD, own("ostiary_build_info", "1x200", version="2", instance="b")],
        [BUILD, own("ostiary_build_info", "1x200", version="1", instance="b")],
        {},
    ),
}
