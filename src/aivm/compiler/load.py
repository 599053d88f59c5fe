"""Reading an ONNX file: nothing is used before it has been bounded and checked.

Models arrive from strangers. The bytes are limited, parsed, walked (external data, element types,
domains and nesting), and only then given to the ONNX project's own checker, which would otherwise
open files that the model names.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import onnx
from google.protobuf.message import DecodeError, EncodeError  # type: ignore[import-untyped]
from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto

from aivm.compiler.functions import FunctionKey, domain_of, subgraphs
from aivm.compiler.order import sort_nodes
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.registry import DOMAINS
from aivm.compiler.tensors import (
    NO_FILES,
    Files,
    check_length,
    external_place,
    is_external,
    read_tensor,
)
from aivm.errors import MalformedModel, TooLarge, UnsupportedModel

# Protocol buffers cannot carry more in one message.
MAX_MODEL_BYTES = 2**31 - 1
MAX_NODES = 200_000
_MAX_NESTING = 24
_MAX_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class CheckedModel:
    """A model that `load_model` has accepted, to be compiled for many shapes; do not change it.

    `files` opens the files beside the model in which tensors may keep their elements.
    """

    proto: ModelProto
    files: Files = NO_FILES


Model = bytes | ModelProto | CheckedModel


def load_model(model: Model, files: Files = NO_FILES) -> CheckedModel:
    """A checked model; one that was checked before is returned as it is.

    `files` gives the bytes of files beside the model (external data), by their relative paths.

    Raises MalformedModel, UnsupportedModel and TooLarge.
    """
    if isinstance(model, CheckedModel):
        return model
    data = model.SerializeToString() if isinstance(model, ModelProto) else bytes(model)
    if len(data) > MAX_MODEL_BYTES:
        raise TooLarge(
            f"the model has {len(data)} bytes, over the limit of {MAX_MODEL_BYTES}",
            hint="Protocol buffers end at 2 GiB.",
        )
    proto = _parse(data)
    if not proto.graph.output:
        raise MalformedModel("the file is not an ONNX model: it has no graph with outputs")
    _check_opsets(proto)
    _check_graphs(proto, files)
    moved = [sort_nodes(graph) for graph in _graphs(proto)]
    try:
        onnx.checker.check_model(_in_full(proto, changed=any(moved)) or data)
    except onnx.checker.ValidationError as error:
        raise MalformedModel(f"the model breaks the ONNX rules: {_sentence(error)}") from error
    except (ValueError, EncodeError) as error:
        raise MalformedModel(f"the model cannot be read: {_sentence(error)}") from error
    return CheckedModel(proto, files)


def external_files(model: CheckedModel) -> list[str]:
    """The files beside a model in which it keeps elements, sorted, each once."""
    tensors = (tensor for tensor in _tensors(model.proto) if is_external(tensor))
    return sorted({external_place(tensor).location for tensor in tensors})


def in_one_piece(model: CheckedModel) -> ModelProto:
    """The model with what it keeps in other files inside; a copy, if there is any.

    Raises TooLarge where that is more than a message can hold.
    """
    locations = external_files(model)
    if not locations:
        return model.proto
    if sum(len(model.files(location)) for location in locations) > MAX_MODEL_BYTES:
        raise TooLarge("the model's weights do not fit into one ONNX file of 2 GiB")
    whole = ModelProto()
    whole.CopyFrom(model.proto)
    for tensor in _tensors(whole):
        if is_external(tensor):
            data = read_tensor(tensor, model.files).tobytes()
            tensor.ClearField("external_data")
            tensor.ClearField("data_location")
            tensor.raw_data = data
    return whole


def opsets_of(model: ModelProto) -> dict[str, int]:
    """Domain to version; the default domain is ''."""
    return {domain_of(entry.domain): entry.version for entry in model.opset_import}


def functions_of(model: ModelProto) -> dict[FunctionKey, onnx.FunctionProto]:
    """The functions that the model brings along."""
    return {(domain_of(f.domain), f.name, f.overload): f for f in model.functions}


def _parse(data: bytes | bytearray | memoryview) -> ModelProto:
    try:
        model = ModelProto()
        model.ParseFromString(bytes(data))
    except DecodeError as error:
        raise MalformedModel(f"the file is not an ONNX model: {_sentence(error)}") from error
    return model


def _in_full(model: ModelProto, *, changed: bool) -> ModelProto | None:
    """The model with what runtimes do without and the checker demands; None if all is there.

    That is: a name of the graph, the short name of the standard domain, the shapes of inputs and
    outputs, and the types of outputs, which people append to a graph to see what happens inside.
    Tensors in other files are left out, as the checker would open these. `changed` says that the
    model is not what its bytes say any more.
    """
    graph = model.graph
    long_names = [entry for entry in model.opset_import if entry.domain != domain_of(entry.domain)]
    whole = graph.name and not long_names and all(map(_is_full, [*graph.input, *graph.output]))
    if whole and not changed and not any(map(is_external, _tensors(model))):
        return None
    full = ModelProto()
    full.CopyFrom(model)
    full.graph.name = graph.name or "graph"
    for entry in full.opset_import:
        entry.domain = domain_of(entry.domain)
    for node in (node for graph in _graphs(full) for node in graph.node):
        node.domain = domain_of(node.domain)
    for tensor in _tensors(full):
        if is_external(tensor):
            empty = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=[0])
            tensor.CopyFrom(empty)
    for output in full.graph.output:
        if not output.HasField("type"):
            output.type.tensor_type.elem_type = TensorProto.FLOAT
    for info in (*full.graph.input, *full.graph.output):
        if info.type.HasField("tensor_type"):
            info.type.tensor_type.shape.SetInParent()
    return full


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Every initializer, and every tensor among the attributes of nodes."""
    for graph in _graphs(model):
        yield from graph.initializer
        for attribute in (attribute for node in graph.node for attribute in node.attribute):
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _is_full(info: ValueInfoProto) -> bool:
    kind = info.type
    return info.HasField("type") and (
        not kind.HasField("tensor_type") or kind.tensor_type.HasField("shape")
    )


def _check_opsets(model: ModelProto) -> None:
    imported = {(domain_of(entry.domain), entry.version) for entry in model.opset_import}
    if len(imported) != len(opsets_of(model)):
        raise MalformedModel("the model imports two versions of one operator domain")
    brought = {domain for domain, _, _ in functions_of(model)}
    for domain, version in opsets_of(model).items():
        if domain not in DOMAINS:
            continue
        oldest, newest = DOMAINS[domain]
        if not oldest <= version <= newest:
            raise UnsupportedModel(
                f"opset {version} {f'of domain {domain!r} ' if domain else ''}"
                f"is outside {oldest}..{newest}",
                hint="Convert the model with onnx.version_converter, or export it again.",
            )
    for node in (node for graph in _graphs(model) for node in graph.node):
        domain = domain_of(node.domain)
        if domain not in DOMAINS and domain not in brought:
            raise UnsupportedModel(
                f"node {node.name or node.op_type!r}: operator {node.op_type!r} is of domain "
                f"{domain!r}, which AIVM does not know",
                hint="Export the model with standard ONNX operators only.",
            )


def _check_graphs(model: ModelProto, files: Files) -> None:
    nodes = 0
    for graph in _graphs(model):
        nodes += len(graph.node)
        _check_names(graph)
        if graph.sparse_initializer:
            raise UnsupportedModel(
                f"graph {graph.name!r} has sparse initializers", hint="Make them dense."
            )
    _check_references(model.graph)
    for tensor in _tensors(model):
        _check_tensor(tensor, files)
    if nodes > MAX_NODES:
        raise TooLarge(f"the model has {nodes} nodes, over the limit of {MAX_NODES}")


def _check_references(graph: GraphProto) -> None:
    """Only a function has parameters that an attribute could refer to."""
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.ref_attr_name:
                raise MalformedModel(
                    f"node {node.name!r}: attribute {attribute.name!r} refers to a parameter of a "
                    f"function, outside of one"
                )
        for inner in subgraphs(node):
            _check_references(inner)


def _check_names(graph: GraphProto) -> None:
    """Protocol buffers hand out a string that is not UTF-8 as bytes."""
    named = [*graph.input, *graph.output, *graph.initializer, *graph.node]
    names = [item.name for item in named]
    for node in graph.node:
        names += [node.op_type, node.domain, *node.input, *node.output]
        names += [attribute.name for attribute in node.attribute]
    if not all(isinstance(name, str) for name in names):
        raise MalformedModel("the model has a name that is not UTF-8")


def _check_tensor(tensor: TensorProto, files: Files) -> None:
    try:
        if is_external(tensor):
            files(external_place(tensor).location)
        check_length(tensor)
    except Malformed as error:
        raise MalformedModel(error.reason) from error
    except Unsupported as error:
        # An element type without a definition is refused where it is used, by the node's name.
        if is_external(tensor):
            raise UnsupportedModel(
                f"tensor {tensor.name!r}: {error.reason}", hint=error.change or None
            ) from error


def _graphs(model: ModelProto) -> Iterator[GraphProto]:
    """The main graph, the bodies of functions (as graphs) and every subgraph, outermost first."""
    pending = deque([(model.graph, 0)])
    pending += [(GraphProto(node=function.node), 0) for function in model.functions]
    while pending:
        graph, depth = pending.popleft()
        if depth > _MAX_NESTING:
            raise UnsupportedModel(f"subgraphs nest deeper than {_MAX_NESTING}")
        yield graph
        pending += [(inner, depth + 1) for node in graph.node for inner in subgraphs(node)]


def _sentence(error: BaseException) -> str:
    """What another library says, on one line of bounded length."""
    return " ".join(str(error).split())[:_MAX_MESSAGE] or type(error).__name__
