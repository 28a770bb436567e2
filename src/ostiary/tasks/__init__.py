"""Tasks: work that must be done later, or again and again, and survives whoever was doing it.

Owns the tables `task`, `task_schedule` and `task_leader`. Serves no paths. Must not know what the work is: jobs are
handed over by the application, arguments are plain JSON data.

A task is put into the queue by a statement inside the transaction that needs it (`enqueue`), and done at least once:
whoever claims it holds a lease and renews it; when the lease runs out, somebody else begins again. Handlers are
therefore written so that a second run does no harm.
"""

from ostiary.tasks.job import enqueue
from ostiary.tasks.worker import Worker

__all__ = ["Worker", "enqueue"]
