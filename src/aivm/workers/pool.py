"""A node's side of its workers: start them, hand out jobs, replace the dead."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aivm import errors, host
from aivm.errors import AivmError, DeadlineExceeded, EngineUnavailable
from aivm.workers import frames

log = logging.getLogger(__name__)
Shapes = Mapping[str, tuple[int, ...]]
_LARGE = 2**30  # bytes that a pipe reader may hold: tensors are bounded at admission


@dataclass(frozen=True)
class Request:
    """What a worker is asked to do with which program of which model.

    "run"; "describe"; "roots" of every value of a run; or the "values" whose ids are `wanted`.
    """

    op: str
    model: str
    path: Path
    shapes: Shapes
    blobs: Sequence[bytes]
    wanted: tuple[int, ...] = ()

    def goes_with(self, other: Request) -> bool:
        """Whether one batch can run both."""
        pair = (self, other)
        mine, theirs = ((each.op, each.model, each.path, each.shapes) for each in pair)
        return self.op == "run" and mine == theirs


Reply = tuple[dict[str, Any], list[bytes]]


class WorkerProcess:
    """One worker and its pipes; frames are answered one at a time."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._models: set[str] = set()

    async def ask(self, requests: Sequence[Request]) -> list[Reply | AivmError]:
        """The answers to requests that go with one another, or to a single one.

        Raises ConnectionError if the worker died or babbles, and its error if all share that.
        """
        first = requests[0]
        await self._ensure_started()
        if first.model not in self._models:
            opening = {"op": "open", "model": first.model, "path": str(first.path)}
            await self._ask(opening, [])
            self._models.add(first.model)
        shapes = {name: list(shape) for name, shape in first.shapes.items()}
        header = {
            "op": first.op,
            "model": first.model,
            "shapes": shapes,
            "requests": len(requests),
            "wanted": list(first.wanted),
        }
        blobs = [blob for request in requests for blob in request.blobs]
        answer, results = await self._ask(header, blobs)
        return _split(answer, results, len(requests)) if first.op == "run" else [(answer, results)]

    async def stop(self) -> None:
        """End the process at once; a run in progress is lost, the job is not."""
        process, self._process = self._process, None
        self._models.clear()
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def _ensure_started(self) -> None:
        if self._process is not None and self._process.returncode is None:
            return
        await self.stop()
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LARGE,
            start_new_session=True,  # Ctrl-C is for the node, which lets running jobs finish
            preexec_fn=host.die_with_parent(),
        )

    async def _ask(self, header: dict[str, Any], blobs: Sequence[bytes]) -> Reply:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise ConnectionError("the worker is not running")
        try:
            process.stdin.write(frames.pack(header, blobs))
            await process.stdin.drain()
            answer, results = await frames.read_async(process.stdout)
        except (asyncio.IncompleteReadError, BrokenPipeError, ConnectionResetError) as error:
            raise ConnectionError("the worker died") from error
        except (ValueError, KeyError) as error:
            raise ConnectionError("the worker wrote something that is no frame") from error
        if "error" in answer:
            raise errors.from_json(answer["error"], errors.InternalError)
        return answer, results


def _split(answer: dict[str, Any], results: Sequence[bytes], count: int) -> list[Reply | AivmError]:
    """The answers in a frame, one a request; ConnectionError where it holds others."""
    rest = iter(results)
    try:
        found: list[Reply | AivmError] = [
            errors.from_json(each["error"], errors.InternalError)
            if "error" in each
            else ({}, [next(rest) for _ in range(each["outputs"])])
            for each in answer["answers"]
        ]
    except (KeyError, TypeError, RuntimeError, StopIteration) as error:
        raise ConnectionError("the worker wrote an answer that is none") from error
    if len(found) != count:
        raise ConnectionError(f"the worker answered {len(found)} requests of {count}")
    return found


@dataclass(eq=False)
class _Waiting:
    """A request, and where its answer goes."""

    request: Request
    answer: asyncio.Future[Reply]


class WorkerPool:
    """A fixed number of workers. Requests that wait for one program run together.

    At most `batch` of them; each has the bits, and the fault, that it has alone. A free worker
    takes what is there, or waits `batch_delay_seconds` for more: with 0 nobody waits for company,
    and batches grow with the load. A job whose worker dies is run once more on a fresh one, alone.
    """

    def __init__(
        self,
        *,
        engine: str,
        workers: int = 1,
        threads: int = 1,
        deadline_seconds: float = 60.0,
        module: str = "aivm.workers.worker",
        batch: int = 8,
        batch_delay_seconds: float = 0.0,
    ) -> None:
        command = [sys.executable, "-m", module, engine, str(threads)]
        self._deadline_seconds = deadline_seconds
        self._batch = batch
        self._batch_delay_seconds = batch_delay_seconds
        self._all = [WorkerProcess(command) for _ in range(workers)]
        self._idle = list(self._all)
        self._waiting: deque[_Waiting] = deque()
        self._callers: set[asyncio.Future[Reply]] = set()
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def pids(self) -> list[int]:
        """Process ids of the running workers."""
        return [worker.pid for worker in self._all if worker.pid is not None]

    async def run(
        self, model: str, path: Path, shapes: Shapes, inputs: Sequence[bytes]
    ) -> list[bytes]:
        """Outputs, as raw bytes, of the program for these input shapes.

        Raises the engine's own error, DeadlineExceeded or EngineUnavailable.
        """
        _, outputs = await self._answer(Request("run", model, path, shapes, inputs))
        return outputs

    async def describe(self, model: str, path: Path, shapes: Shapes) -> dict[str, Any]:
        """Root, gas, inputs and outputs of the program for these shapes, derived if need be.

        Raises WrongTensor, UnsupportedModel, TooLarge, DeadlineExceeded or EngineUnavailable.
        """
        answer, _ = await self._answer(Request("describe", model, path, shapes, ()))
        described: dict[str, Any] = answer["program"]
        return described

    async def roots(
        self, model: str, path: Path, shapes: Shapes, inputs: Sequence[bytes]
    ) -> list[bytes]:
        """The tensor root of every value of a run, in value order; a fault ends the list early.

        The inputs are hashed as they are. Raises as `run` does, but for InvalidIndex.
        """
        _, roots = await self._answer(Request("roots", model, path, shapes, inputs))
        return roots

    async def values(
        self,
        model: str,
        path: Path,
        shapes: Shapes,
        inputs: Sequence[bytes],
        wanted: Sequence[int],
    ) -> list[bytes]:
        """These values of a run as raw bytes; raises as `roots` does. They must be there."""
        asked = Request("values", model, path, shapes, inputs, tuple(wanted))
        _, values = await self._answer(asked)
        return values

    async def _answer(self, request: Request) -> Reply:
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._callers.add(answer)
        answer.add_done_callback(self._callers.discard)
        self._waiting.append(_Waiting(request, answer))
        self._hand_out()
        return await answer

    async def stop(self) -> None:
        """End all workers at once; whoever still waits is cancelled."""
        for answer in list(self._callers):
            answer.cancel()
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self._all))

    # --- who runs what ----------------------------------------------------------------------------

    def _hand_out(self) -> None:
        """Gives idle workers something to do, the longest waiting first."""
        while self._idle and self._waiting:
            first = self._waiting.popleft()
            if first.answer.done():  # its caller has gone
                continue
            task = asyncio.create_task(self._serve(self._idle.pop(), first))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)

    async def _serve(self, worker: WorkerProcess, first: _Waiting) -> None:
        """Answers `first` and whoever goes with it; always settles all of them."""
        batch = [first]
        try:
            if self._batch_delay_seconds > 0:
                await asyncio.sleep(self._batch_delay_seconds)
            batch += self._company(first)
            self._end_when_all_have_gone(batch)
            await self._settle(worker, [each for each in batch if not each.answer.done()])
        except BaseException as error:
            cancelled = isinstance(error, asyncio.CancelledError)
            for each in batch:
                if cancelled:
                    each.answer.cancel()
                elif not each.answer.done():
                    each.answer.set_exception(error)
        finally:
            self._idle.append(worker)
            self._hand_out()

    @staticmethod
    def _end_when_all_have_gone(batch: Sequence[_Waiting]) -> None:
        """Cancels the current task once every caller of the batch has been cancelled."""
        task = asyncio.current_task()
        assert task is not None

        def look(_: object) -> None:
            if all(each.answer.cancelled() for each in batch):
                task.cancel()

        for each in batch:
            each.answer.add_done_callback(look)

    def _company(self, first: _Waiting) -> list[_Waiting]:
        """Takes those who wait for the same program, as many as fit in a batch."""
        waiting = (each for each in self._waiting if not each.answer.done())
        fitting = [each for each in waiting if first.request.goes_with(each.request)]
        taken = fitting[: self._batch - 1]
        for each in taken:
            self._waiting.remove(each)
        return taken

    async def _settle(self, worker: WorkerProcess, batch: Sequence[_Waiting]) -> None:
        """Settles every future of the batch."""
        answers = await self._together(worker, batch) if len(batch) > 1 else None
        for number, each in enumerate(batch):
            answer = answers[number] if answers else await self._alone(worker, each)
            if each.answer.done():  # its caller has gone
                continue
            if isinstance(answer, BaseException):
                each.answer.set_exception(answer)
            else:
                each.answer.set_result(answer)

    async def _together(
        self, worker: WorkerProcess, batch: Sequence[_Waiting]
    ) -> list[Reply | AivmError] | None:
        """None where the batch as a whole came to nothing: then each of it is run alone."""
        try:
            # As long as all of them may take one after another.
            async with self._watched(worker, len(batch)):
                return await worker.ask([each.request for each in batch])
        except (AivmError, ConnectionError, TimeoutError) as error:
            log.warning("a batch of %d runs one by one: %s", len(batch), error)
            return None

    async def _alone(self, worker: WorkerProcess, each: _Waiting) -> Reply | AivmError:
        for attempt in (1, 2):
            try:
                async with self._watched(worker, 1):
                    (answer,) = await worker.ask([each.request])
                    return answer
            except AivmError as error:
                return error
            except ConnectionError as error:
                log.warning("%s (attempt %d)", error, attempt)
            except TimeoutError:
                return DeadlineExceeded(f"the run did not end within {self._deadline_seconds:g} s")
        return EngineUnavailable("the worker died twice on this job", hint="See the node's log.")

    @asynccontextmanager
    async def _watched(self, worker: WorkerProcess, runs: int) -> AsyncIterator[None]:
        """The deadline of so many runs; stops a worker that may be out of step."""
        try:
            async with asyncio.timeout(self._deadline_seconds * runs):
                yield
        except AivmError:
            raise  # the worker's own answer
        except BaseException:
            # Late, dead or cancelled: what it still writes must not answer the next job.
            await worker.stop()
            raise
