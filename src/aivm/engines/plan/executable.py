"""An `Executable` on any machine that runs tapes: a wasm guest, or the native library."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from aivm.commitments import Array, VerifiedTensors, numpy_dtype
from aivm.engines.base import (
    Kept,
    check_count,
    checked,
    checked_constants,
    checked_inputs,
    fitting,
)
from aivm.engines.plan.memory import ALIGNMENT
from aivm.engines.plan.plan import Plan, Upload, plan_inference, plan_trace
from aivm.engines.plan.prepared import Bytes, Prepared, PreparedUnits
from aivm.engines.plan.products import Target
from aivm.engines.plan.tape import Address, Step, encode
from aivm.engines.plan.units import Unit
from aivm.errors import DeadlineExceeded, InvalidIndex
from aivm.isa.instructions import TensorType
from aivm.isa.program import Program
from aivm.isa.validate import validate

STATE_BYTES = 64  # `run_state` of tape.h, and room to keep it in a cache line of its own
_CANCEL, _FAULT = 0, 16  # offsets in it
_WORD = 8


class Machine(Protocol):
    """Memory and kernels. Addresses are what the kernels dereference."""

    target: Target
    workers: int
    reads_host_memory: bool  # the kernels can read constants where numpy keeps them

    def reserve(self, size_bytes: int) -> int:
        """Makes a 64-byte aligned block; called once. Raises TooLarge."""
        ...

    def block(self) -> npt.NDArray[np.uint8]:
        """The reserved block, writable."""
        ...

    def run(self, state: int, tape: int, end: int, scratch: int, scratch_bytes: int) -> int:
        """Calls `aivm_run` with all workers; worker w has the scratch at `scratch + w * bytes`."""
        ...

    def close(self) -> None: ...


class MachineMaker(Protocol):
    """Opens a fresh machine."""

    def __call__(self) -> Machine: ...


class TapeExecutable:
    """An `Executable`: the fused plan on one machine, and an unfused one for every trace.

    With `prepared`, which needs a machine that reads host memory, what is made once of verified
    constants is shared with all other executables and processes.
    """

    def __init__(
        self,
        program: Program,
        constants: Sequence[Array],
        open_machine: MachineMaker,
        deadline_seconds: float | None,
        prepared: PreparedUnits | None = None,
    ) -> None:
        validate(program)
        self.program = program
        self._constants = checked_constants(program, constants)
        # A unit is known by the roots of what it is made of, so only true roots may name one.
        self._prepared = prepared if isinstance(constants, VerifiedTensors) else None
        self._open_machine = open_machine
        self._deadline_seconds = deadline_seconds
        loaded = self._load(trace=False)
        self._loaded: _Loaded | None = loaded
        self._outputs = loaded.output_windows()
        self._staying = _outputs_in_inputs(program, loaded.plan, self._outputs)
        self._kept: list[weakref.ref[Kept]] = []  # what the latest run has left in its memory

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        return [kept.array() for kept in self.advance(inputs)]

    def advance(self, inputs: Sequence[Array | Kept]) -> list[Kept]:
        loaded = self._open()
        arrays, staying = self._ready(inputs)
        for kept in staying:
            kept.use_up()
        self._move_out()
        loaded.write_inputs(arrays)
        with self._deadline(loaded):
            loaded.run_steps(0, len(loaded.plan.steps))
        outputs = [Kept(window) for window in self._outputs]
        self._kept = [weakref.ref(kept) for kept in outputs]
        return outputs

    def _ready(self, inputs: Sequence[Array | Kept]) -> tuple[list[Array | None], list[Kept]]:
        """The inputs, None where the place of one holds it already, and what is left in place."""
        types = self.program.inputs
        check_count("input", len(types), len(inputs))
        arrays: list[Array | None] = []
        staying: list[Kept] = []
        for number, (given, type_) in enumerate(zip(inputs, types, strict=True)):
            if not isinstance(given, Kept):
                arrays.append(checked(f"input {number}", type_, given))
            elif given.lies_in(self._staying[number]):
                arrays.append(None)
                staying.append(given)
            else:  # an engine made it, so every NaN is canonical
                arrays.append(fitting(f"input {number}", type_, given.array()))
        return arrays, staying

    def _move_out(self) -> None:
        """Saves, before the memory changes, what somebody may still ask for."""
        for reference in self._kept:
            kept = reference()
            if kept is not None and kept.is_in_place:
                kept.array()
        self._kept.clear()

    def trace(self, inputs: Sequence[Array]) -> Iterator[Array]:
        self._open()
        loaded = self._load(trace=True)
        try:
            loaded.write_inputs(checked_inputs(self.program, inputs))
            done = 0
            results = zip(
                self.program.instructions, loaded.plan.results, loaded.plan.ends, strict=True
            )
            for instruction, address, end in results:
                with self._deadline(loaded):
                    loaded.run_steps(done, end)
                done = end
                yield loaded.window(address, instruction.type).copy()
        finally:
            loaded.close()

    def close(self) -> None:
        if self._loaded is not None:
            self._move_out()
            self._outputs.clear()
            self._staying.clear()
            self._loaded.close()
            self._loaded = None

    def _open(self) -> _Loaded:
        if self._loaded is None:
            raise ValueError("this executable is closed")
        return self._loaded

    def _load(self, *, trace: bool) -> _Loaded:
        machine = self._open_machine()
        in_place = machine.reads_host_memory
        if trace:
            plan = plan_trace(self.program, machine.target, constants_in_place=in_place)
        else:
            least = None if self._prepared is None else self._prepared.least_bytes
            plan = plan_inference(
                self.program, machine.target, constants_in_place=in_place, shared_bytes=least
            )
        try:
            return _Loaded(plan, self.program, self._constants, machine, self._prepared)
        except BaseException:
            machine.close()
            raise

    @contextmanager
    def _deadline(self, loaded: _Loaded) -> Iterator[None]:
        """Asks the kernels to stop when the time is up; they look before every step."""
        if self._deadline_seconds is None:
            yield
            return
        timer = threading.Timer(self._deadline_seconds, loaded.cancel)
        timer.daemon = True
        loaded.start_clock()
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def _outputs_in_inputs(
    program: Program, plan: Plan, outputs: Sequence[Array]
) -> list[Array | None]:
    """For each input the output that an inference leaves in its place, where there is one."""
    found: list[Array | None] = []
    for buffer, type_ in zip(plan.inputs, program.inputs, strict=True):
        left = (
            window
            for address, value, window in zip(plan.results, program.outputs, outputs, strict=True)
            if address == Address(buffer) and program.value_types[value] == type_
        )
        found.append(next(left, None))
    return found


class _Loaded:
    """A plan in the memory of a machine: state, tape, scratch, then the buffers."""

    def __init__(
        self,
        plan: Plan,
        program: Program,
        constants: Sequence[Array],
        machine: Machine,
        prepared: PreparedUnits | None,
    ) -> None:
        self.plan = plan
        self.program = program
        self.constants = constants
        self.machine = machine
        self.shared: dict[int, int] = {}  # buffers of units: their addresses
        self.units: list[Prepared] = []
        steps = [step for step in (*plan.setup, *plan.steps) if isinstance(step, Step)]
        tapes = [steps, *(unit.steps for unit in plan.units)]
        tape_bytes = max(sum(3 + len(step.words) for step in tape) for tape in tapes) * _WORD
        self.scratch_bytes = _aligned(plan.scratch_bytes)
        self.tape_at = STATE_BYTES
        self.scratch_at = self.tape_at + _aligned(tape_bytes)
        self.buffers_at = self.scratch_at + self.scratch_bytes * machine.workers
        self.base = machine.reserve(self.buffers_at + plan.memory_bytes)
        self.memory = machine.block()
        self.memory[:STATE_BYTES] = 0
        self._write_literals()
        self._fault: InvalidIndex | None = None  # of what is made once, so of every run
        try:
            if prepared is not None:
                for unit in plan.units:
                    self._share(unit, prepared)
            self._write_tape(steps)
            self._set_up()
        except InvalidIndex as fault:
            self._fault = fault
        inputs = zip(plan.inputs, program.inputs, strict=True)
        self._inputs = [self.window(Address(buffer), type_) for buffer, type_ in inputs]

    def _write_literals(self) -> None:
        for buffer, content in self.plan.literals:
            offset = self.plan.offsets[buffer]
            if offset is not None:
                self._write(self.buffers_at + offset, np.frombuffer(content, np.uint8))

    def _share(self, unit: Unit, prepared: PreparedUnits) -> None:
        """Finds the memory of a unit, which is filled here if nobody has done so before."""

        def fill(content: Bytes) -> None:
            self._place_unit(unit, int(content.ctypes.data))
            self._write_tape(unit.steps)
            self._run(0, len(unit.steps))

        found = prepared.get(unit.recipe, unit.size_bytes, fill)
        self.units.append(found)
        self._place_unit(unit, found.address)

    def _place_unit(self, unit: Unit, address: int) -> None:
        for buffer, place in unit.places.items():
            self.shared[buffer] = address + place

    def _write_tape(self, steps: Sequence[Step]) -> None:
        words = encode(steps, self._place)
        self._write(self.tape_at, words)
        self.step_at = [self.tape_at]
        for step in steps:
            self.step_at.append(self.step_at[-1] + (3 + len(step.words)) * _WORD)

    def _place(self, buffer: int) -> int:
        if buffer in self.shared:
            return self.shared[buffer]
        offset = self.plan.offsets[buffer]
        if offset is not None:
            return self.base + self.buffers_at + offset
        constant = self.constants[buffer - self.program.first_constant]
        return int(constant.ctypes.data)

    def _set_up(self) -> None:
        first = done = 0
        for entry in self.plan.setup:
            if not isinstance(entry, Step):
                self._upload(entry)
                continue
            done += 1
            if not entry.joined:  # else it runs with the one behind it
                self._run(first, done)
                first = done
        self.first_step = done

    def _upload(self, entry: Upload) -> None:
        offset = self.plan.offsets[entry.buffer]
        if offset is not None:
            self._write(self.buffers_at + offset, self.constants[entry.constant])

    def output_windows(self) -> list[Array]:
        """Where an inference leaves its outputs."""
        types = [self.program.value_types[value] for value in self.program.outputs]
        return [self.window(*pair) for pair in zip(self.plan.results, types, strict=True)]

    def write_inputs(self, arrays: Sequence[Array | None]) -> None:
        """Copies the inputs to their places; None stands for one that is there."""
        for window, array in zip(self._inputs, arrays, strict=True):
            if array is not None:
                np.copyto(window, array)

    def run_steps(self, first: int, last: int) -> None:
        """Runs steps [first, last) of the plan. Raises InvalidIndex or DeadlineExceeded."""
        if self._fault is not None:
            raise InvalidIndex(self._fault.message)
        self._run(self.first_step + first, self.first_step + last)

    def _run(self, first: int, last: int) -> None:
        self.memory[_CANCEL + 4 : STATE_BYTES] = 0
        tape, end = self.base + self.step_at[first], self.base + self.step_at[last]
        scratch = self.base + self.scratch_at
        stopped = self.machine.run(self.base, tape, end, scratch, self.scratch_bytes)
        if not stopped:
            return
        fault = int(self.memory[_FAULT : _FAULT + 8].view(np.int64)[0])
        if fault:
            family = type(self.program.instructions[fault - 1]).__name__.upper()
            raise InvalidIndex(f"instruction {fault - 1} ({family}) met an index outside its axis")
        raise DeadlineExceeded("the run was stopped at its deadline")

    def start_clock(self) -> None:
        self.memory[_CANCEL : _CANCEL + 4] = 0

    def cancel(self) -> None:
        self.memory[_CANCEL] = 1

    def window(self, address: Address, type_: TensorType) -> Array:
        """What lies at the address, as an array over the memory itself."""
        dtype = numpy_dtype(type_.dtype)
        if type_.elements == 0:
            return np.empty(type_.shape, dtype)
        offset = self.plan.offsets[address.buffer]
        if offset is None:
            constant = self.constants[address.buffer - self.program.first_constant]
            whole, start = constant.reshape(-1).view(np.uint8), address.offset
        else:
            whole, start = self.memory, self.buffers_at + offset + address.offset
        content = whole[start : start + type_.size_bytes]
        return content.view(dtype).reshape(type_.shape)

    def _write(self, offset: int, array: npt.NDArray[Any]) -> None:
        content = array.reshape(-1).view(np.uint8)
        self.memory[offset : offset + content.size] = content

    def close(self) -> None:
        self.memory = np.zeros(0, np.uint8)
        self._inputs.clear()
        self.units.clear()
        self.machine.close()


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
