"""Third pass, convolutions and pooling: products of windows, taps and frames to steps."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from aivm.engines.plan.products import Operand, Product
from aivm.engines.plan.tape import Address, Kind, Word, padded
from aivm.engines.plan.views import View, broadcast, dense_strides, merged_axes
from aivm.engines.plan.windows import Frame, Taps, WindowProduct
from aivm.isa.instructions import TensorType
from aivm.numerics.dtypes import DType

if TYPE_CHECKING:
    from aivm.engines.plan.graph import Node
    from aivm.engines.plan.lower import Lowering


def lower_product(lowering: Lowering, node: Node) -> None:
    """Rows are places, in lines where they do not lie evenly; columns are channels."""
    work, (a, b) = node.work, node.operands
    assert isinstance(work, WindowProduct)
    images, groups, *places = a.shape[: 2 + work.places]
    first = len((images, groups, *places))
    b_group, b_row, b_col = b.strides
    product = Product(
        Operand(a, 0, 0, a.strides[:2]),
        Operand(b, b_row, b_col, (0, b_group)),
        batch=(images, groups),
        m=prod(places),
        n=node.type.shape[-1],
        k=prod(a.shape[first:]),
    )
    words, b_batch = lowering.placed_b(node, product)
    c = dense_strides(node.type.shape)
    strides = (a.strides[:first], (*b_batch, *(0 for _ in places)), (c[0], c[-2], *c[1:-2]))
    axes = merged_axes((images, groups, *places), strides)
    lowering.emit_product(node, product, axes, words, columns(lowering, a, first))


def columns(lowering: Lowering, walk: View, first: int) -> tuple[int, Word]:
    """Of the axes of a walk from `first` on: one stride in elements, or a table of offsets."""
    sizes, strides = walk.shape[first:], walk.strides[first:]
    axes = merged_axes(sizes, (strides,))
    if len(axes) == 1:
        return axes[0][1][0], 0
    return 0, table(lowering, _offsets(sizes, strides))


def table(lowering: Lowering, offsets: np.ndarray) -> Address:
    """The numbers as a constant of the plan's own; equal tables are one."""
    content = np.asarray(offsets, np.int32).tobytes()
    if content not in lowering.tables:
        value = lowering.graph.add_value(TensorType(DType.I32, (len(offsets),)))
        lowering.buffer_bytes.append(len(content))
        lowering.graph.literals[value] = content
        lowering.tables[content] = Address(value)
    return lowering.tables[content]


def _offsets(sizes: tuple[int, ...], strides: tuple[int, ...]) -> np.ndarray:
    total = np.zeros(1, np.int64)
    for size, stride in zip(sizes, strides, strict=True):
        total = (total[:, None] + stride * np.arange(size)).reshape(-1)
    return total


def lower_taps(lowering: Lowering, node: Node) -> None:
    work, walk = node.work, node.operands[0]
    assert isinstance(work, Taps)
    first = 1 + work.places
    channels = walk.shape[-1]
    places = walk.shape[:first]
    axes = merged_axes(places, (walk.strides[:first],))
    offsets = _offsets(walk.shape[first:-1], walk.strides[first:-1])
    words: list[Word] = [work.reduction or 0, Address(node.value), lowering.address(walk)]
    words += [lowering.address(node.operands[1]) if len(node.operands) > 1 else 0]
    words += [channels, len(offsets), table(lowering, offsets), prod(places), len(axes)]
    words += padded([size for size, _ in axes], fill=1)
    words += padded([stride for _, (stride,) in axes])
    made = (prod(places), prod(places), 1, channels)
    lowering.emit_rows(Kind.TAPS, node, words, made, 0)


def lower_frame(lowering: Lowering, node: Node) -> None:
    """Strips of `fill` around the operand's elements, axis by axis from the outermost."""
    work, (inner,) = node.work, node.operands
    assert isinstance(work, Frame)
    strides = dense_strides(node.type.shape)
    size_bytes = node.type.dtype.size_bytes
    fill = lowering.filler(node.type.dtype, work.fill)
    # Within the range of the axes before it, each axis has a strip at either end.
    shape, offset = list(node.type.shape), 0
    for axis, edges in enumerate(zip(work.before, inner.shape, work.after, strict=True)):
        before, size, after = edges
        for start, count in ((0, before), (before + size, after)):
            if count:
                strip = (*shape[:axis], count, *shape[axis + 1 :])
                at = Address(node.value, (offset + start * strides[axis]) * size_bytes)
                lowering.copy_view(node, broadcast(fill, strip), at, strides)
        shape[axis] = size
        offset += before * strides[axis]
    lowering.copy_view(node, inner, Address(node.value, offset * size_bytes), strides)
