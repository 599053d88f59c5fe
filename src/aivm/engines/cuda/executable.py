"""An `Executable` on a device: the fused plan, and an unfused one for every trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf

import numpy as np

from aivm import host
from aivm.commitments import Array, numpy_dtype
from aivm.engines.base import Kept, advance_by_arrays, checked_constants, checked_inputs
from aivm.engines.cuda.device import Device, Function, Words
from aivm.engines.cuda.kernel import Launch
from aivm.engines.cuda.plan import GpuPlan, plan_inference, plan_trace
from aivm.engines.plan.memory import ALIGNMENT
from aivm.engines.plan.tape import Address
from aivm.errors import DeadlineExceeded, InvalidIndex, TooLarge
from aivm.isa.instructions import TensorType
from aivm.isa.program import Program
from aivm.isa.validate import validate

# With a deadline the host stays this close to the device, so that it can stop in time.
LAUNCHES_AHEAD = 4
_NO_FAULT = 2**64 - 1


class CudaExecutable:
    """Owns its device, which is one queue: executables in different threads share nothing."""

    def __init__(
        self,
        program: Program,
        constants: Sequence[Array],
        device: Device,
        memory_limit_bytes: int | None,
        deadline_seconds: float | None,
    ) -> None:
        validate(program)
        self.program = program
        self._constants = checked_constants(program, constants)
        self._device = device
        self._limit_bytes = memory_limit_bytes
        self._deadline_seconds = inf if deadline_seconds is None else deadline_seconds
        types = program.value_types
        self._output_types = [types[value] for value in program.outputs]
        self._loaded: _Loaded | None = self._load(plan_inference(program, device.target))

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        loaded = self._open()
        loaded.begin(checked_inputs(self.program, inputs))
        loaded.run_steps(0, len(loaded.plan.steps), self._deadline())
        outputs = zip(loaded.plan.results, self._output_types, strict=True)
        arrays = [loaded.read(address, type_) for address, type_ in outputs]
        loaded.check_fault()
        return arrays

    def advance(self, inputs: Sequence[Array | Kept]) -> list[Kept]:
        return advance_by_arrays(self.run, inputs)

    def trace(self, inputs: Sequence[Array]) -> Iterator[Array]:
        self._open()
        loaded = self._load(plan_trace(self.program, self._device.target))
        try:
            loaded.begin(checked_inputs(self.program, inputs))
            done = 0
            plan = loaded.plan
            for instruction, address, end in zip(
                self.program.instructions, plan.results, plan.ends, strict=True
            ):
                loaded.run_steps(done, end, self._deadline())
                done = end
                array = loaded.read(address, instruction.type)
                loaded.check_fault()
                yield array
        finally:
            loaded.close()

    def close(self) -> None:
        if self._loaded is not None:
            self._loaded.close()
            self._loaded = None
            self._device.close()

    def _open(self) -> _Loaded:
        if self._loaded is None:
            raise ValueError("this executable is closed")
        self._device.enter()
        return self._loaded

    def _deadline(self) -> float:
        return host.monotonic() + self._deadline_seconds

    def _load(self, plan: GpuPlan) -> _Loaded:
        limit = self._limit_bytes
        if limit is not None and plan.memory_bytes > limit:
            raise TooLarge(
                f"the program needs {plan.memory_bytes} bytes of GPU memory, the limit is {limit}",
                hint="Raise the limit, or run a smaller batch.",
            )
        return _Loaded(plan, self.program, self._constants, self._device)


class _Loaded:
    """A plan in the memory of a device, its launches ready."""

    def __init__(
        self, plan: GpuPlan, program: Program, constants: Sequence[Array], device: Device
    ) -> None:
        self.plan = plan
        self.device = device
        self.program = program
        self._fault: InvalidIndex | None = None  # of what is made once, so of every run
        functions = device.compiled(plan.kernels)
        self.base = device.allocate(max(plan.memory_bytes, ALIGNMENT))
        try:
            for buffer, content in plan.literals:
                self._upload(buffer, np.frombuffer(content, np.uint8))
            for number, array in enumerate(constants):
                self._upload(program.first_constant + number, array)
            self._upload(plan.fault, np.array(_NO_FAULT, np.uint64))
            self.launches = [self._ready(launch, functions) for launch in plan.steps]
            for function, blocks, words in (self._ready(each, functions) for each in plan.setup):
                function(blocks, words)
            try:
                self.check_fault()
            except InvalidIndex as fault:
                self._fault = fault
        except BaseException:
            self.close()
            raise

    def _ready(
        self, launch: Launch, functions: Mapping[str, Function]
    ) -> tuple[Function, int, Words]:
        words = [self._place(word) if isinstance(word, Address) else word for word in launch.words]
        return functions[launch.kernel.name], launch.blocks, np.array(words, np.int64)

    def _place(self, address: Address) -> int:
        offset = self.plan.offsets[address.buffer]
        assert offset is not None, "whatever a launch names has a place"
        return self.base + offset + address.offset

    def _upload(self, buffer: int, content: Array) -> None:
        """Nothing is copied for what no launch reads and nobody asks for."""
        offset = self.plan.offsets[buffer]
        if offset is not None and content.size:
            self.device.upload(self.base + offset, content)

    def begin(self, inputs: Sequence[Array]) -> None:
        """Uploads the inputs, in their order."""
        for buffer, array in enumerate(inputs):
            self._upload(buffer, array)

    def run_steps(self, first: int, last: int, deadline: float) -> None:
        """Queues steps [first, last). Raises DeadlineExceeded."""
        limited = deadline < inf
        for function, blocks, words in self.launches[first:last]:
            function(blocks, words)
            if limited:
                self.device.keep_pace(LAUNCHES_AHEAD)
                self._check_time(deadline)
        if limited:
            self.device.keep_pace(0)
            self._check_time(deadline)

    def _check_time(self, deadline: float) -> None:
        if host.monotonic() > deadline:
            raise DeadlineExceeded("the run was stopped at its deadline")

    def check_fault(self) -> None:
        """Raises InvalidIndex where an index left its axis since this was asked last."""
        if self._fault is not None:
            raise InvalidIndex(self._fault.message)
        word = np.zeros(1, np.uint64)
        self.device.download(self._place(Address(self.plan.fault)), word)
        fault = int(word[0])
        if fault == _NO_FAULT:
            return
        self._upload(self.plan.fault, np.array(_NO_FAULT, np.uint64))
        family = type(self.program.instructions[fault - 1]).__name__.upper()
        raise InvalidIndex(f"instruction {fault - 1} ({family}) met an index outside its axis")

    def read(self, address: Address, type_: TensorType) -> Array:
        """A fresh array of what lies at the address."""
        array = np.empty(type_.shape, numpy_dtype(type_.dtype))
        if array.size:
            self.device.download(self._place(address), array)
        return array

    def close(self) -> None:
        self.device.enter()
        self.device.release(self.base)
