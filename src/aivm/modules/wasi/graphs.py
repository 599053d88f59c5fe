"""Models as `wasi-nn` knows them: graphs, whose program is derived when the inputs are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aivm.commitments import Array
from aivm.compiler import compile_model, inspect_model, load_model
from aivm.engines.base import Engine, Executable, checked_inputs
from aivm.errors import WrongTensor
from aivm.isa.gas import gas_units
from aivm.modules.tensors import Tensor

Shapes = Mapping[str, tuple[int, ...]]
Prepare = Callable[[Shapes], tuple[Executable, Sequence[str]]]
"""The program for these input shapes, loaded, and the names of its inputs in its order."""


class Graph:
    """One model; `names` are its inputs by index, and `prepare` finds the program for shapes."""

    def __init__(self, names: Sequence[str], prepare: Prepare) -> None:
        self._names = names
        self._prepare = prepare
        self._loaded: tuple[Shapes, Executable, Sequence[str]] | None = None

    def check_index(self, index: int) -> None:
        """Raises WrongTensor unless there is an input of that index."""
        if index >= len(self._names):
            raise WrongTensor(f"the model has {len(self._names)} inputs, none with index {index}")

    def compute(self, inputs: Mapping[int, Tensor], charge: Callable[[int], None]) -> list[Tensor]:
        """The model's outputs, paid for by `charge` (gas units of the program) before it runs.

        Raises WrongTensor, UnsupportedModel, InvalidIndex, TooLarge, and what `charge` raises.
        """
        named = {self._names[index]: tensor.array for index, tensor in inputs.items()}
        executable, order = self._executable({name: a.shape for name, a in named.items()})
        if missing := [name for name in order if name not in named]:
            raise WrongTensor(f"input {missing[0]!r} was not set")
        program = executable.program
        charge(gas_units(program))
        arrays: list[Array] = checked_inputs(program, [named[name] for name in order], order)
        types = program.value_types
        outputs = zip(program.outputs, executable.run(arrays), strict=True)
        return [Tensor(types[value].dtype, array) for value, array in outputs]

    def _executable(self, shapes: Shapes) -> tuple[Executable, Sequence[str]]:
        """The one used last is kept: most apps call a model with one shape."""
        if self._loaded is None or self._loaded[0] != shapes:
            self.close()
            self._loaded = (shapes, *self._prepare(shapes))
        return self._loaded[1:]

    def close(self) -> None:
        """Gives memory back; the graph can still be used."""
        if self._loaded is not None:
            self._loaded[1].close()
            self._loaded = None


def onnx_graph(data: bytes, engine: Engine) -> Graph:
    """A graph from the bytes of an ONNX file. Raises MalformedModel, UnsupportedModel."""
    model = load_model(data)
    names = tuple(tensor.name for tensor in inspect_model(model).inputs)

    def prepare(shapes: Shapes) -> tuple[Executable, Sequence[str]]:
        if missing := [name for name in names if name not in shapes]:
            raise WrongTensor(f"input {missing[0]!r} was not set")
        compiled = compile_model(model, shapes)
        return engine.load(compiled.program, compiled.constants), compiled.input_names

    return Graph(names, prepare)
