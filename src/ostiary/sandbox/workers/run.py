"""One run: a thread sends the program to a worker, and calls host functions for it."""

from __future__ import annotations

import inspect
import logging
import os
import re
import signal
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from pydantic_monty import (
    ClassInstance,
    ExternalModule,
    FunctionSnapshot,
    Monty,
    MontyComplete,
    MontyCrashedError,
    MontyError,
    MontySession,
    NameLookupSnapshot,
)

from ostiary.sandbox.workers.budget import Spent
from ostiary.sandbox.workers.host import Finish, HostError, HostFunction, HostObject
from ostiary.sandbox.workers.host_proxies import named, wrapped
from ostiary.sandbox.workers.outcome import Aborted, AbortReason, Outcome, Returned
from ostiary.sandbox.workers.threads import Awaited
from ostiary.sandbox.workers.values import NoValue, Outwards, inwards

if TYPE_CHECKING:
    from uuid import UUID

    from pydantic_monty import ExternalResult, SyncSnapshot

    from ostiary.sandbox.workers.run_request import RunRequest

CLOSING: Final = "the workers are being closed"
MAX_MESSAGE_LENGTH: Final = 1000  # characters of an exception's text

_REASONS: Final = {
    "MemoryError": AbortReason.MEMORY,
    "TimeoutError": AbortReason.TIME,
    "RecursionError": AbortReason.RECURSION,
}
_MEASURED: Final = re.compile(r"(limit exceeded): [^>\n]* > ")
_EVALUATED: Final = "<string>"  # the file of what a program evaluates itself
_OF_THE_CLIENT: Final = 100  # suspensions that we do not count

log: Final = logging.getLogger("ostiary.sandbox")


class Run:
    """A run of one request. `execute` is called once, in a thread."""

    def __init__(self, request: RunRequest, monty: Monty, used: Callable[[int | None], None]) -> None:
        """`used` is told the process of the worker."""
        self._request = request
        self._monty = monty
        self._used = used
        self._budget = request.budget
        self._limits = request.limits
        self._pending: Awaited | None = None
        self._cancelled = False
        self._process: int | None = None
        self._printed: list[str] = []
        self._spent: Spent | None = None  # by output, which is counted while the worker runs
        self._functions = dict(request.functions)
        self._objects: dict[UUID, HostObject] = {}
        self._wrapped: dict[HostObject, ClassInstance] = {}
        self._numbers = count(1)
        self._began = time.perf_counter()

    def cancel(self) -> None:
        """End the run now, and with it its worker. Called on the event loop."""
        self._cancelled = True
        if self._pending is not None:
            self._pending.cancel()
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.kill(self._process, signal.SIGKILL)

    def execute(self) -> Outcome:
        """Run the program and say how it ended; raises nothing. Blocks."""
        try:
            return self._returned(self._checked_out())
        except Finish as finish:
            return self._returned(finish.value)
        except MontyError as error:
            return self._raised(error)
        except Spent as spent:
            reason, message = spent.reason, spent.message
        except CancelledError:
            reason, message = AbortReason.UNAVAILABLE, CLOSING
        except TimeoutError:
            reason, message = AbortReason.BUSY, "no worker was free in time"
        except NoValue as error:
            log.error("%s: %s", self._request.program.name, error)  # noqa: TRY400 - the message says it all
            reason, message = AbortReason.ERROR, str(error)
        except (ValueError, OverflowError, RecursionError) as error:  # of the client, about what came out
            reason, message = AbortReason.RESULT, str(error)
        except BaseException:  # nobody else would hear of it
            log.exception("%s: a mistake of ours", self._request.program.name)
            reason, message = AbortReason.ERROR, "an internal error, which the log shows"
        return self._failed(reason, message)

    def _checked_out(self) -> object:
        budget, limits = self._budget, self._limits
        budget.remaining()
        # guard: A56 a program does not sleep
        session = self._monty.checkout(
            script_name="expression",
            limits={
                "max_feed_duration_secs": budget.seconds,
                "max_memory": limits.memory,
                "max_recursion_depth": limits.recursion,
                "max_suspensions": budget.calls + _OF_THE_CLIENT,
            },
            os_policy={"sleep": "zero"},
            external_modules={name: self._module(name) for name in self._request.modules},
        )
        with session:
            self._process = session.worker_pid
            self._used(self._process)
            try:
                if self._cancelled:
                    raise CancelledError
                return self._drive(session)
            finally:
                self._process = None

    def _module(self, name: str) -> ExternalModule:
        """Return a module. Its functions go by their whole names, which no other function can have."""
        content: dict[str, Any] = {}
        for key, value in self._request.modules[name].items():
            if callable(value):
                whole = f"{name}.{key}"
                self._functions[whole] = value
                content[key] = named(whole)
            else:
                content[key] = self._inwards(value)
        return ExternalModule(content)

    def _drive(self, session: MontySession) -> object:
        inputs = {name: self._inwards(value) for name, value in self._request.inputs.items()}
        source = self._request.program.source
        state = self._turn(lambda: session.feed_start(source, inputs=inputs, print_callback=self._print))
        while not isinstance(state, MontyComplete):
            self._budget.called()
            resume = self._next(state)
            self._budget.check()  # a run inside this one may have used it up
            state = self._turn(resume)
        # guard: A56 a result is copied with a limit
        return Outwards(self._limits.result).copy(state.output)

    def _turn(self, go: Callable[[], SyncSnapshot]) -> SyncSnapshot:
        """Let the program compute until it needs the host, or is done."""
        began = time.perf_counter()
        try:
            state = go()
        finally:
            self._budget.seconds -= time.perf_counter() - began
        self._budget.check()
        if self._cancelled:
            raise CancelledError
        if self._spent is not None:  # the program may have caught what we raised
            raise self._spent
        return state

    def _next(self, state: SyncSnapshot) -> Callable[[], SyncSnapshot]:
        """Do what the program waits for, and return how it goes on."""
        if isinstance(state, NameLookupSnapshot):
            found = self._look_up(state)
            return lambda: state.resume(**found)
        if not isinstance(state, FunctionSnapshot):
            raise Spent(AbortReason.ERROR, "asynchronous code is not supported")
        if state.function_name == "import":
            return state.resume_auto
        if state.is_os_function:
            return state.resume_not_handled
        answer = self._call(state)
        return lambda: state.resume(answer)

    def _look_up(self, state: NameLookupSnapshot) -> dict[str, object]:
        name = state.variable_name
        if state.object_id is None:
            return {"value": named(name)} if name in self._functions else {}
        # guard: A56 of a host object, only what it names is read
        one = self._objects.get(state.object_id)
        read = one.lazy.get(name) if one is not None else None
        return {} if read is None else {"value": self._inwards(self._answer(name, read))}

    def _call(self, state: FunctionSnapshot) -> ExternalResult:
        name = str(state.function_name)
        function = self._function(name, state.object_id)
        if function is None:
            if state.object_id is None:
                return {"exc_type": "NameError", "message": f"name {name!r} is not defined"}
            return {"exc_type": "AttributeError", "message": f"no method {name!r}"}
        # guard: A56 arguments are copied with a limit
        copies = Outwards(self._limits.result)
        args = [copies.copy(value) for value in state.args]
        kwargs = {key: copies.copy(value) for key, value in state.kwargs.items()}
        try:
            return {"return_value": self._inwards(self._answer(name, lambda: function(*args, **kwargs)))}
        except HostError as error:
            return {"exception": error.kind(str(error))}

    def _function(self, name: str, receiver: UUID | None) -> HostFunction | None:
        if receiver is not None:
            # guard: A56 of a host object, only what it names is called
            one = self._objects.get(receiver)  # none for a class, which the program may call as well
            return one.methods.get(name) if one is not None else None
        return self._functions.get(name)

    def _answer(self, name: str, function: Callable[[], object]) -> object:
        """Call the host. Raises HostError for what the program sees, and Finish, Spent, CancelledError."""
        try:
            answer = function()
            return self._awaited(answer) if inspect.iscoroutine(answer) else answer
        except (HostError, Finish, Spent, CancelledError):
            raise
        except Exception:
            log.exception("%s: the host function %s failed", self._request.program.name, name)
            # guard: A56 texts of our own errors stay here
            raise HostError(f"{name} failed", RuntimeError) from None

    def _awaited(self, coroutine: Coroutine[object, object, object]) -> object:
        try:
            seconds = self._budget.remaining()
        except Spent:
            coroutine.close()
            raise
        pending = self._pending = Awaited(coroutine, self._request.loop)
        if self._cancelled:
            pending.cancel()
        try:
            return pending.result(seconds)
        except TimeoutError:
            self._budget.remaining()  # ours, not one that was raised over there
            raise
        finally:
            self._pending = None

    def _inwards(self, value: object) -> object:
        return inwards(value, self._wrap)

    def _wrap(self, one: HostObject) -> object:
        known = self._wrapped.get(one)
        if known is None:
            known = self._wrapped[one] = wrapped(one, next(self._numbers), self._inwards)
            self._objects[known.id] = one
        return known

    def _print(self, _stream: str, text: str) -> None:
        try:
            self._budget.printed(len(text))
        except Spent as spent:
            self._spent = spent
            raise
        self._printed.append(text)

    def _returned(self, value: object) -> Returned:
        return Returned(value, "".join(self._printed), time.perf_counter() - self._began)

    def _failed(self, reason: AbortReason, message: str, frames: tuple[tuple[int, int], ...] = ()) -> Aborted:
        return Aborted(reason, message, frames, "".join(self._printed), time.perf_counter() - self._began)

    def _raised(self, error: MontyError) -> Outcome:
        if self._spent is not None:
            return self._failed(self._spent.reason, self._spent.message)
        if self._cancelled:
            return self._failed(AbortReason.UNAVAILABLE, CLOSING)
        if isinstance(error, MontyCrashedError):
            late = bool(getattr(error, "timed_out", False))
            return self._failed(AbortReason.TIME if late else AbortReason.CRASHED, "the worker died")
        # Without the measured value the text of one fault is always the same, and is logged once a minute.
        text = _MEASURED.sub(r"\1: ", str(error))
        message = text if len(text) <= MAX_MESSAGE_LENGTH else f"{text[:MAX_MESSAGE_LENGTH]}..."
        traceback = error.traceback() if hasattr(error, "traceback") else ()
        reason = _REASONS.get(type(error.exception()).__name__, AbortReason.ERROR)
        frames = tuple((frame.line, frame.column) for frame in traceback if frame.filename != _EVALUATED)
        return self._failed(reason, message, frames)
