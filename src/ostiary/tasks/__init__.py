"""The task queue: durable background work, immediate, delayed or scheduled.

Owns the tables `task`, `task_schedule` and `task_leader`. Serves no paths. Must not know the work itself: the
application passes the jobs, and arguments are plain JSON data.

A task is enqueued by a statement in the caller's transaction (`enqueue`) and runs at least once: a worker claims it
with a lease and renews the lease. When the lease expires, another worker starts the task again, so that handlers must
be idempotent.
"""

__all__ = ["cleanup", "inspection", "job", "room", "worker"]
