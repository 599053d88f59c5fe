"""One anvil process: started, watched, stopped; it never outlives its parent.

Anvil's traps, each met here: it exits at once on flags that exclude each other, so the child is
watched and not only its port; its history fills the disk unless it is pruned; its state file is
written on SIGTERM, not on SIGKILL; it writes a line a request, so its output is always drained.
"""

from __future__ import annotations

import collections
import re
import signal
import subprocess
import threading
from pathlib import Path

from aivm import host
from aivm.chain.tools import find_anvil
from aivm.errors import ToolMissing, Unavailable

START_SECONDS = 30.0
STOP_SECONDS = 10.0
_LISTENING = re.compile(rb"Listening on (\S+)")


class AnvilProcess:
    """A running anvil. `url` is its endpoint; close it, or use it as a context manager."""

    def __init__(
        self,
        *,
        chain_id: int = 31337,
        port: int = 0,
        state: Path | None = None,
        block_seconds: float | None = None,
        base_fee: int | None = None,
    ) -> None:
        """Start anvil and wait until it listens.

        `port` 0 takes a free one; `state` is a file that is loaded, and saved every second;
        `block_seconds` None mines a block for each transaction; `base_fee` is the first block's
        base fee in wei. Raises ToolMissing if there is no anvil, or none that runs on this machine,
        and Unavailable if it ends before it listens.

        On Linux anvil ends with the thread that starts it, so start it from the main thread.
        """
        command = [str(find_anvil()), "--host", "127.0.0.1", "--port", str(port)]
        command += ["--chain-id", str(chain_id), "--accounts", "0", "--prune-history"]
        # the strictest rules that a real chain has today, so that nothing works only here
        command += ["--hardfork", "osaka", "--enable-tx-gas-limit"]
        if state is not None:
            state.parent.mkdir(parents=True, exist_ok=True)
            command += ["--state", str(state), "--state-interval", "1"]
        if block_seconds is not None:
            command += ["--block-time", f"{block_seconds:g}"]
        if base_fee is not None:
            command += ["--block-base-fee-per-gas", str(base_fee)]
        self._last_lines: collections.deque[bytes] = collections.deque(maxlen=20)
        self._listening = threading.Event()
        self._address = ""
        self._process = _spawn(command)
        threading.Thread(target=self._drain, name="anvil-output", daemon=True).start()
        self._wait_until_it_listens()

    @property
    def url(self) -> str:
        """The JSON-RPC endpoint, for example `http://127.0.0.1:34567`."""
        return f"http://{self._address}"

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    def check(self) -> None:
        """Raise Unavailable if anvil has ended, with the last lines it wrote."""
        if not self.running:
            last = b" | ".join(self._last_lines).decode(errors="replace")[-500:]
            raise Unavailable(f"anvil ended with status {self._process.returncode}: {last}")

    def close(self) -> None:
        """Ask anvil to end, so that it saves its state; kill it if it does not."""
        if self.running:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End anvil at once, as a crash would: what was not saved yet is lost."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> AnvilProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _drain(self) -> None:
        """Read the output to its end, in a thread of its own: a full pipe would stop anvil."""
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                found = _LISTENING.match(line)
                if found:
                    self._address = found[1].decode()
                    self._listening.set()
                self._last_lines.append(line.strip())
        self._listening.set()  # ended: whoever waits must look at the process

    def _wait_until_it_listens(self) -> None:
        if self._listening.wait(START_SECONDS) and self._address:
            return
        self.kill()
        last = b"\n".join(self._last_lines).decode(errors="replace")
        if "GLIBC" in last:
            raise ToolMissing(
                "anvil needs a newer C library (glibc 2.35: Debian 12, Ubuntu 22.04 or later)",
                hint="Use a newer system, or set AIVM_ANVIL to a build that runs here.",
            )
        raise Unavailable(f"anvil ended before it listened: {last[-500:] or 'it wrote nothing'}")


def _spawn(command: list[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us; we then stop anvil in good order
            preexec_fn=host.die_with_parent(),
        )
    except OSError as error:  # no loader for this binary, or another architecture
        raise ToolMissing(
            f"{command[0]} does not run on this machine ({error.strerror})",
            hint="It needs Linux with glibc 2.35; set AIVM_ANVIL to a build that runs here.",
        ) from None
