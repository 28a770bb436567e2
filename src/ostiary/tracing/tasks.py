"""The jobs of a process that traces: each run of a task is a trace of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ostiary.room import Job
from ostiary.spans import CURRENT
from ostiary.tracing.tracer import Tracer


def traced_job(tracer: Tracer, job: Job) -> Job:
    """Return the job with a handler whose runs are traces. Their arguments are not told."""

    async def handle(args: Mapping[str, object], *, now: int) -> None:
        span = tracer.begin(f"task {job.name}", "consumer")
        CURRENT.set(span)  # until the end of the asyncio task, which is that of this run
        with span:
            span.note("ostiary.task", job.name)
            await job.handler(args, now=now)

    return dataclasses.replace(job, handler=handle)
