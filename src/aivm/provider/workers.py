"""The agent's side of its workers: start them, hand out jobs, replace the dead."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from aivm import errors, host
from aivm.errors import AivmError, DeadlineExceeded, EngineUnavailable
from aivm.provider import frames

log = logging.getLogger(__name__)
_LARGE = 2**30  # bytes that a pipe reader may hold: tensors are bounded at admission


class WorkerProcess:
    """One worker and its pipes; requests are answered one at a time."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._models: set[str] = set()

    async def run(self, model: str, path: Path, entry: str, inputs: Sequence[bytes]) -> list[bytes]:
        """Outputs of one run, as raw bytes; ConnectionError if the worker died or babbles."""
        await self._ensure_started()
        if model not in self._models:
            await self._ask({"op": "open", "model": model, "path": str(path)}, [])
            self._models.add(model)
        return await self._ask({"op": "run", "model": model, "entry": entry}, inputs)

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

    async def _ask(self, header: dict[str, Any], blobs: Sequence[bytes]) -> list[bytes]:
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
        return results


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

    async def run(self, model: str, path: Path, entry: str, inputs: Sequence[bytes]) -> list[bytes]:
        """Run one program; raises the engine's own error, DeadlineExceeded or EngineUnavailable."""
        worker = await self._idle.get()
        try:
            return await self._attempt(worker, model, path, entry, inputs)
        finally:
            self._idle.put_nowait(worker)

    async def stop(self) -> None:
        await asyncio.gather(*(worker.stop() for worker in self._all))

    async def _attempt(
        self, worker: WorkerProcess, model: str, path: Path, entry: str, inputs: Sequence[bytes]
    ) -> list[bytes]:
        for attempt in (1, 2):
            try:
                async with asyncio.timeout(self._deadline_seconds):
                    return await worker.run(model, path, entry, inputs)
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
