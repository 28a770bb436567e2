"""The task queue: work that is done later or on a schedule, and survives the process that does it.

Owns the tables `task`, `task_schedule` and `task_leader`. Serves no paths. Must not know what the work is: the
application passes the jobs, and arguments are plain JSON data.

A task is enqueued by a statement in the caller's transaction (`enqueue`) and runs at least once: a worker claims it
with a lease and renews that; when the lease expires, another worker starts it again. Handlers must therefore be
idempotent.
"""

__all__ = ["cleanup", "inspection", "job", "room", "worker"]
