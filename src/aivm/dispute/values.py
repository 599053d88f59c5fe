"""Where a trace has its values from: held in memory, or computed again whenever some are needed."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Protocol

from aivm.commitments import Array, tensor_root
from aivm.engines.base import Executable, check_count, fitting
from aivm.errors import InvalidIndex, WrongTensor
from aivm.isa.program import Program


class Values(Protocol):
    """The values of one execution by value id: inputs, constants, results, F16 as its bits.

    A run that ends in a fault has fewer than the program has; the first missing one met the fault.
    """

    def roots(self) -> list[bytes]:
        """The tensor root of every value that there is, in value order."""
        ...

    def arrays(self, wanted: Collection[int]) -> Mapping[int, Array]:
        """These values, which are among those that there are."""
        ...


class Held:
    """Values that lie in memory.

    Raises WrongTensor for values of other types than the program's, or more than it has.
    """

    def __init__(self, program: Program, values: Sequence[Array]) -> None:
        types = program.value_types
        if len(values) > len(types):
            raise WrongTensor(f"the program has {len(types)} values, {len(values)} were given")
        self._program = program
        self._values = [
            fitting(f"value {value}", type_, array)
            for value, (array, type_) in enumerate(zip(values, types, strict=False))
        ]

    def roots(self) -> list[bytes]:
        return _roots(self._program, self._values)

    def arrays(self, wanted: Collection[int]) -> Mapping[int, Array]:
        return {value: self._values[value] for value in wanted}


class Executed:
    """Values of a run that is done again for every question: none is kept.

    So the memory needed is that of one run and of what is asked for, and no instruction behind the
    last value asked for runs. `inputs` are as the receipt's client sent them, `constants` what the
    executable was loaded with. Raises WrongTensor; methods raise what `Executable.trace` raises,
    but for InvalidIndex.
    """

    def __init__(
        self, executable: Executable, constants: Sequence[Array], inputs: Sequence[Array]
    ) -> None:
        program = executable.program
        check_count("input", len(program.inputs), len(inputs))
        check_count("constant", len(program.constants), len(constants))
        given = enumerate(zip([*inputs, *constants], program.value_types, strict=False))
        self._executable = executable
        # A NaN in them is read as the canonical one, but hashed as it is.
        self._given = [fitting(f"value {value}", type_, array) for value, (array, type_) in given]

    def roots(self) -> list[bytes]:
        with closing(self._values()) as values:
            return _roots(self._executable.program, values)

    def arrays(self, wanted: Collection[int]) -> Mapping[int, Array]:
        found: dict[int, Array] = {}
        with closing(self._values()) as values:
            for value, array in enumerate(values):
                if value in wanted:
                    found[value] = array
                if len(found) == len(set(wanted)):
                    break
        return found

    def _values(self) -> Generator[Array, None, None]:
        """All values in order; the program runs as they are asked for."""
        yield from self._given
        inputs = self._given[: self._executable.program.first_constant]
        try:
            yield from self._executable.trace(inputs)
        except InvalidIndex:  # the values end where the fault is
            return


def _roots(program: Program, values: Iterable[Array]) -> list[bytes]:
    """The roots of values, which are asked for one by one; those of constants are known."""
    constants = dict(enumerate(program.constants, start=program.first_constant))
    types = program.value_types
    return [
        constants[value].root if value in constants else tensor_root(array, types[value].dtype)
        for value, array in enumerate(values)
    ]
