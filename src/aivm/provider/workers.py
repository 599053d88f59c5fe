"""The agent's side of its workers: start them, hand out jobs, replace the dead."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aivm import errors, host
from aivm.errors import AivmError, DeadlineExceeded, EngineUnavailable
from aivm.provider import frames

log = logging.getLogger(__name__)
Shapes = Mapping[str, tuple[int, ...]]
_LARGE = 2**30  # bytes that a pipe reader may hold: tensors are bounded at admission


@dataclass(frozen=True)
class Request:
    """What a worker is asked to do ("run" or "describe") with which program of which model."""

    op: str
    model: str
    path: Path
    shapes: Shapes
    blobs: Sequence[bytes]


class WorkerProcess:
    """One worker and its pipes; requests are answered one at a time."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._models: set[str] = set()

    async def ask(self, request: Request) -> tuple[dict[str, Any], list[bytes]]:
        """The answer to one request; ConnectionError if the worker died or babbles."""
        await self._ensure_started()
        if request.model not in self._models:
            opening = {"op": "open", "model": request.model, "path": str(request.path)}
            await self._ask(opening, [])
            self._models.add(request.model)
        shapes = {name: list(shape) for name, shape in request.shapes.items()}
        header = {"op": request.op, "model": request.model, "shapes": shapes}
        return await self._ask(header, request.blobs)

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
            start_new_session=True,  # Ctrl-C is for the agent, which lets running jobs finish
            preexec_fn=host.die_with_parent(),
        )

    async def _ask(
        self, header: dict[str, Any], blobs: Sequence[bytes]
    ) -> tuple[dict[str, Any], list[bytes]]:
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


class WorkerPool:
    """A fixed number of workers; a job whose worker dies is run once more on a fresh one."""

    def __init__(
        self,
        *,
        engine: str,
        workers: int = 1,
        threads: int = 1,
        deadline_seconds: float = 60.0,
        module: str = "aivm.provider.worker",
    ) -> None:
        command = [sys.executable, "-m", module, engine, str(threads)]
        self._deadline_seconds = deadline_seconds
        self._all = [WorkerProcess(command) for _ in range(workers)]
        self._idle: asyncio.Queue[WorkerProcess] = asyncio.Queue()
        for worker in self._all:
            self._idle.put_nowait(worker)

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

    async def _answer(self, request: Request) -> tuple[dict[str, Any], list[bytes]]:
        worker = await self._idle.get()
        try:
            return await self._attempt(worker, request)
        finally:
            self._idle.put_nowait(worker)

    async def stop(self) -> None:
        await asyncio.gather(*(worker.stop() for worker in self._all))

    async def _attempt(
        self, worker: WorkerProcess, request: Request
    ) -> tuple[dict[str, Any], list[bytes]]:
        for attempt in (1, 2):
            try:
                async with asyncio.timeout(self._deadline_seconds):
                    return await worker.ask(request)
            except AivmError:
                raise  # the worker's own answer: it is in step
            except ConnectionError as error:
                log.warning("%s (attempt %d)", error, attempt)
                await worker.stop()
            except TimeoutError:
                await worker.stop()
                raise DeadlineExceeded(
                    f"the run did not end within {self._deadline_seconds:g} s"
                ) from None
            except BaseException:
                # Cancelled, or not understood: what it still writes must not answer the next job.
                await worker.stop()
                raise
        raise EngineUnavailable("the worker died twice on this job", hint="See the agent's log.")
