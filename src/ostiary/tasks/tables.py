"""The tables of the queue, the schedule and its leader."""

from __future__ import annotations

from typing import Final

from ostiary.store.migrations import Migration

# `due` is the time from which a worker may claim the task: the next attempt of a queued task, the end of a running
# task's lease, NULL for a finished task. `state` is queued, running, done or dead.
MIGRATIONS: Final = (
    Migration(
        3,
        "tasks",
        "queue and schedule",
        (
            """
            CREATE TABLE task (
                id {text} PRIMARY KEY,
                name {text} NOT NULL,
                args {text} NOT NULL,
                key {text} UNIQUE,
                state {text} NOT NULL,
                created {int} NOT NULL,
                due {int},
                owner {text},
                attempts {int} NOT NULL,
                error {text},
                finished {int}
            )""",
            "CREATE INDEX task_due ON task (due)",
            "CREATE INDEX task_finished ON task (finished)",
            "CREATE TABLE task_schedule (name {text} PRIMARY KEY, due {int} NOT NULL)",
            "CREATE TABLE task_leader (id {int} PRIMARY KEY, owner {text} NOT NULL, expires {int} NOT NULL)",
            "INSERT INTO task_leader (id, owner, expires) VALUES (1, '', 0)",
        ),
    ),
)
