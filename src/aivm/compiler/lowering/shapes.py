"""Operators that only rename, reorder or repeat the elements of one tensor."""

from __future__ import annotations

from math import prod

from aivm.compiler.builder import broadcast_shape
from aivm.compiler.node import Node, normalised_axes, normalised_axis
from aivm.compiler.refusals import Malformed
from aivm.compiler.registry import operator
from aivm.compiler.values import Value


@operator("Reshape", since=5)
def reshape(node: Node) -> Value:
    value, wanted = node.input(0), node.known_integers(1)
    sizes = list(wanted)
    if not node.integer("allowzero", 0):
        for position, size in enumerate(sizes):
            if size == 0:
                if position >= value.rank:
                    raise Malformed(
                        f"dimension {position} of {wanted} copies one that is not there"
                    )
                sizes[position] = value.shape[position]
    open_places = [position for position, size in enumerate(sizes) if size == -1]
    if len(open_places) > 1 or any(size < -1 for size in sizes):
        raise Malformed(f"{wanted} is not a shape")
    if open_places:
        rest = prod(size for size in sizes if size != -1)
        if rest == 0 or value.type.elements % rest:
            raise Malformed(f"a tensor of shape {value.shape} cannot take shape {wanted}")
        sizes[open_places[0]] = value.type.elements // rest
    return node.build.reshape(value, sizes)


@operator("Flatten", since=1)
def flatten(node: Node) -> Value:
    value, axis = node.input(0), node.integer("axis", 1)
    if axis != value.rank:
        axis = normalised_axis(axis, value.rank)
    return node.build.reshape(value, (prod(value.shape[:axis]), prod(value.shape[axis:])))


def _axes(node: Node) -> list[int] | None:
    """Axes, an attribute before version 13 and an operand since."""
    if node.optional(1) is not None:
        return node.known_integers(1)
    return node.integers("axes")


@operator("Squeeze", since=1)
def squeeze(node: Node) -> Value:
    value, axes = node.input(0), _axes(node)
    if axes is None:
        dropped = [axis for axis, size in enumerate(value.shape) if size == 1]
    else:
        dropped = normalised_axes(axes, value.rank)
    if any(value.shape[axis] != 1 for axis in dropped):
        raise Malformed(f"axes {axes} of shape {value.shape} are not all of size 1")
    kept = [size for axis, size in enumerate(value.shape) if axis not in dropped]
    return node.build.reshape(value, kept)


@operator("Unsqueeze", since=1)
def unsqueeze(node: Node) -> Value:
    value, axes = node.input(0), _axes(node)
    if axes is None:
        raise Malformed("Unsqueeze needs axes")
    rank = value.rank + len(axes)
    added = normalised_axes(axes, rank)
    sizes = iter(value.shape)
    return node.build.reshape(value, [1 if axis in added else next(sizes) for axis in range(rank)])


@operator("Transpose", since=1)
def transpose(node: Node) -> Value:
    value = node.input(0)
    order = node.integers("perm")
    order = list(reversed(range(value.rank))) if order is None else order
    if sorted(order) != list(range(value.rank)):
        raise Malformed(f"perm {order} is not an order of {value.rank} axes")
    return node.build.transpose(value, order)


@operator("Expand", since=8)
def expand(node: Node) -> Value:
    value = node.input(0)
    wanted = tuple(node.known_integers(1))
    if any(size < 0 for size in wanted):
        raise Malformed(f"{wanted} is not a shape")
    return node.build.broadcast(value, broadcast_shape(value.shape, wanted))


@operator("Tile", since=6)
def tile(node: Node) -> Value:
    """Each repeated axis is walked by two result dimensions: which copy, and where in it."""
    value, repeats = node.input(0), node.known_integers(1)
    if len(repeats) != value.rank or any(count < 0 for count in repeats):
        raise Malformed(f"repeats {repeats} do not fit a tensor of rank {value.rank}")
    shape: list[int] = []
    axes: list[int] = []
    for axis, (size, count) in enumerate(zip(value.shape, repeats, strict=True)):
        if count != 1:
            shape.append(count)
            axes.append(-1)
        shape.append(size)
        axes.append(axis)
    copies = node.build.move(value, shape, source=value.shape, axes=axes)
    sizes = [size * count for size, count in zip(value.shape, repeats, strict=True)]
    return node.build.reshape(copies, sizes)


@operator("DepthToSpace", since=1)
def depth_to_space(node: Node) -> Value:
    value, block = _image(node), node.integer("blocksize")
    batch, channels, height, width = value.shape
    if block < 1 or channels % (block * block):
        raise Malformed(f"{channels} channels cannot be spread over blocks of {block}")
    depth = channels // (block * block)
    if node.text("mode", "DCR") == "DCR":
        source, order = (batch, block, block, depth, height, width), (0, 3, 4, 1, 5, 2)
    else:
        source, order = (batch, depth, block, block, height, width), (0, 1, 4, 2, 5, 3)
    spread = node.build.transpose(node.build.reshape(value, source), order)
    return node.build.reshape(spread, (batch, depth, height * block, width * block))


@operator("SpaceToDepth", since=1)
def space_to_depth(node: Node) -> Value:
    value, block = _image(node), node.integer("blocksize")
    batch, channels, height, width = value.shape
    if block < 1 or height % block or width % block:
        raise Malformed(f"an image of {height} x {width} cannot be cut into blocks of {block}")
    source = (batch, channels, height // block, block, width // block, block)
    order = (0, 3, 5, 1, 2, 4) if node.text("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    gathered = node.build.transpose(node.build.reshape(value, source), order)
    depth = channels * block * block
    return node.build.reshape(gathered, (batch, depth, height // block, width // block))


def _image(node: Node) -> Value:
    value = node.input(0)
    if value.rank != 4:
        raise Malformed("the operand must have rank 4")
    return value
