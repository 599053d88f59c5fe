"""Sliding windows over the spatial axes of an image: what convolution and pooling share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aivm.compiler.builder import Builder
from aivm.compiler.node import Node
from aivm.compiler.refusals import Malformed
from aivm.compiler.tensors import check_table
from aivm.compiler.values import Value


@dataclass(frozen=True, slots=True)
class Axis:
    """One spatial axis: tap k of window o looks at place o * stride + k * dilation - before."""

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    windows: int

    @property
    def reach(self) -> int:
        """Places that a window spans."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def is_whole(self) -> bool:
        """True if the windows are the places themselves."""
        return self.kernel == self.stride == 1 and not self.before and self.windows == self.size

    def counts(self, *, padding: bool) -> list[int]:
        """Taps of each window that fall on the axis (with its padding, if that counts)."""
        check_table(self.windows * self.kernel)
        low = -self.before if padding else 0
        high = self.size + (self.after if padding else 0)
        return [
            sum(
                low <= o * self.stride + k * self.dilation - self.before < high
                for k in range(self.kernel)
            )
            for o in range(self.windows)
        ]


def read_axes(node: Node, value: Value, kernel: Sequence[int]) -> list[Axis]:
    """The spatial axes of `value` [N, C, ...] as a node's attributes describe them."""
    spatial = value.shape[2:]
    count = len(spatial)
    if value.rank < 3 or len(kernel) != count or any(size < 1 for size in kernel):
        raise Malformed(f"a kernel of shape {list(kernel)} does not fit an operand {value.shape}")
    strides = per_axis(node, "strides", count, 1)
    dilations = per_axis(node, "dilations", count, 1)
    pads = node.integers("pads") or [0] * (2 * count)
    if len(pads) != 2 * count:
        raise Malformed(f"pads {pads} do not fit {count} spatial axes")
    mode = node.text("auto_pad", "NOTSET")
    ceil_mode = bool(node.integer("ceil_mode", 0))
    axes = []
    for place, size in enumerate(spatial):
        geometry = (size, kernel[place], strides[place], dilations[place])
        if mode in ("SAME_UPPER", "SAME_LOWER"):
            axes.append(_same(*geometry, lower=mode == "SAME_LOWER"))
        else:
            explicit = mode != "VALID"
            before = pads[place] if explicit else 0
            after = pads[place + count] if explicit else 0
            axes.append(_padded(*geometry, before, after, ceil_mode=ceil_mode))
    return axes


def per_axis(node: Node, name: str, count: int, default: int) -> list[int]:
    """A list attribute with one positive entry an axis."""
    entries = node.integers(name) or [default] * count
    if len(entries) != count or any(entry < 1 for entry in entries):
        raise Malformed(f"{name} {entries} do not fit {count} spatial axes")
    return entries


def _same(size: int, kernel: int, stride: int, dilation: int, *, lower: bool) -> Axis:
    """As many windows as strides fit; the padding that this needs is split in halves."""
    windows = -(-size // stride)
    reach = (kernel - 1) * dilation + 1
    total = max(0, (windows - 1) * stride + reach - size)
    before = total - total // 2 if lower else total // 2
    return Axis(size, kernel, stride, dilation, before, total - before, windows)


def _padded(
    size: int,
    kernel: int,
    stride: int,
    dilation: int,
    before: int,
    after: int,
    *,
    ceil_mode: bool,
) -> Axis:
    room = size + before + after - ((kernel - 1) * dilation + 1)
    if room < 0:
        raise Malformed(f"a window of {kernel} (dilation {dilation}) is larger than its axis")
    windows = (-(-room // stride) if ceil_mode else room // stride) + 1
    # A last window that would begin in the padding after the axis does not count.
    if ceil_mode and (windows - 1) * stride >= size + before:
        windows -= 1
    return Axis(size, kernel, stride, dilation, before, after, windows)


def windows(build: Builder, value: Value, axes: Sequence[Axis], fill: int = 0) -> Value:
    """[N * C, kernel..., windows...]: every tap of every window, `fill` outside the image."""
    count = len(axes)
    planes = value.shape[0] * value.shape[1]
    spatial = range(1, count + 1)
    return build.move(
        value,
        (planes, *(axis.kernel for axis in axes), *(axis.windows for axis in axes)),
        source=(planes, *(axis.size for axis in axes)),
        axes=(0, *spatial, *spatial),
        steps=(1, *(axis.dilation for axis in axes), *(axis.stride for axis in axes)),
        origins=(0, *(-axis.before for axis in axes)),
        fill=fill,
    )
