"""Discrete Fourier transforms, as products with constant matrices.

The cosines and sines of whole fractions of a turn are computed in integers, so that the constants
are the same on every machine, whatever its mathematical library.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from aivm.commitments import Array
from aivm.compiler.builder import Builder
from aivm.compiler.lowering.joining import cut, joined
from aivm.compiler.node import Node, normalised_axis
from aivm.compiler.refusals import Malformed
from aivm.compiler.registry import operator
from aivm.compiler.tensors import check_table
from aivm.compiler.values import Value
from aivm.isa.opcodes import Function
from aivm.numerics.dtypes import DType

_BITS = 80
# floor(pi * 2^80), of which 60 bits are enough for any table.
_PI = 3797952473636338580787993


@lru_cache(maxsize=16)
def turn_table(length: int) -> Array:
    """cos and sin of 2 pi j / length for each j, as [2, length] of F32."""
    table = np.empty((2, length), np.float32)
    for place in range(length):
        cosine, sine = _cos_sin(8 * place, length)
        table[0, place], table[1, place] = cosine, sine
    return table


def _cos_sin(eighths: int, length: int) -> tuple[float, float]:
    """cos and sin of an angle of eighths / length octants, reduced to the first octant exactly."""
    octant, rest = divmod(eighths, length)
    if octant % 2:
        rest = length - rest
    angle = _PI * rest // (4 * length)
    c, s = _taylor(angle, 0), _taylor(angle, 1)
    if octant % 4 in (1, 2):
        c, s = s, c
    if octant % 8 in (2, 3, 4, 5):
        c = -c
    if octant % 8 >= 4:
        s = -s
    return c / 2**_BITS, s / 2**_BITS


def _taylor(angle: int, power: int) -> int:
    """cos (power 0) or sin (power 1) of angle / 2^80, times 2^80."""
    term = angle if power else 1 << _BITS
    square, total, sign = angle * angle >> _BITS, 0, 1
    while term:
        total += sign * term
        term = (term * square >> _BITS) // ((power + 1) * (power + 2))
        power, sign = power + 2, -sign
    return total


def _matrices(rows: int, length: int) -> tuple[Array, Array]:
    """cos and sin of 2 pi r c / length, [length, rows] each: to be multiplied from the right."""
    check_table(rows * length)
    places = np.outer(np.arange(length), np.arange(rows)) % length
    table = turn_table(length)
    return np.ascontiguousarray(table[0][places]), np.ascontiguousarray(table[1][places])


def _transformed(
    build: Builder, real: Value, imaginary: Value | None, kept: int, *, inverse: bool
) -> tuple[Value, Value]:
    """The first `kept` places of the transform over the last axis."""
    length = real.shape[-1]
    cosines, sines = (build.constant(matrix) for matrix in _matrices(kept, length))
    sign = Function.SUB if inverse else Function.ADD
    first, second = build.matmul(real, cosines), build.matmul(real, sines)
    if not inverse:
        second = build.map(Function.NEG, second)
    if imaginary is not None:
        first = build.map(sign, first, build.matmul(imaginary, sines))
        second = build.map(Function.ADD, second, build.matmul(imaginary, cosines))
    if inverse:
        size = build.scalar(length, DType.F32)
        return build.map(Function.DIV, first, size), build.map(Function.DIV, second, size)
    return first, second


def _parts(build: Builder, value: Value) -> tuple[Value, Value | None]:
    """[..., 1 or 2] as its real and imaginary part."""
    shape = value.shape[:-1]
    if value.rank < 2 or value.shape[-1] not in (1, 2):
        raise Malformed(f"shape {value.shape} does not end with the parts of complex numbers")
    parts = [
        build.reshape(cut(build, value, value.rank - 1, part, 1), shape)
        for part in range(value.shape[-1])
    ]
    return parts[0], parts[1] if len(parts) > 1 else None


def _complex(build: Builder, real: Value, imaginary: Value) -> Value:
    columns = [build.reshape(part, (*part.shape, 1)) for part in (real, imaginary)]
    return joined(build, columns, real.rank)


@operator("DFT", since=17)
def fourier_transform(node: Node) -> Value:
    """[..., n, ..., 1 or 2] along an axis; one-sided transforms keep the half that is not known."""
    build, value = node.build, node.build.widened(node.input(0))
    inverse, onesided = bool(node.integer("inverse", 0)), bool(node.integer("onesided", 0))
    if node.version >= 20:
        given = node.known_integer(2) if node.optional(2) is not None else -2
    else:
        given = node.integer("axis", 1)
    axis = normalised_axis(given, value.rank)
    if axis == value.rank - 1:
        raise Malformed("the last axis holds the parts of complex numbers")
    real, imaginary = _parts(build, value)
    length = value.shape[axis]
    if node.optional(1) is not None:
        length = node.known_integer(1)
    elif onesided and inverse:
        length = 2 * (length - 1)
    if length < 1:
        raise Malformed(f"a transform of length {length}")
    order = [a for a in range(real.rank) if a != axis] + [axis]
    back = [order.index(a) for a in range(real.rank)]
    real = build.transpose(real, order)
    imaginary = None if imaginary is None else build.transpose(imaginary, order)
    if onesided and inverse:
        real, imaginary = _whole(build, real, imaginary, length)
        first, _ = _transformed(build, real, imaginary, length, inverse=True)
        result = build.reshape(build.transpose(first, back), (*_moved(first, back), 1))
        return build.cast(result, node.input(0).dtype)
    last = real.rank - 1
    real = cut(build, real, last, 0, length)
    imaginary = None if imaginary is None else cut(build, imaginary, last, 0, length)
    kept = length // 2 + 1 if onesided else length
    parts = _transformed(build, real, imaginary, kept, inverse=inverse)
    result = _complex(build, *(build.transpose(part, back) for part in parts))
    return build.cast(result, node.input(0).dtype)


def _moved(value: Value, order: list[int]) -> list[int]:
    return [value.shape[axis] for axis in order]


def _whole(
    build: Builder, real: Value, imaginary: Value | None, length: int
) -> tuple[Value, Value | None]:
    """The spectrum of a real signal out of its first half: the rest is conjugate and mirrored."""
    axis, half = real.rank - 1, length // 2 + 1

    def mirrored(value: Value, *, negative: bool) -> Value:
        head = cut(build, value, axis, 0, half)
        tail = cut(build, head, axis, length - half, length - half, -1)
        if negative:
            tail = build.map(Function.NEG, tail)
        return joined(build, [head, tail], axis)

    return mirrored(real, negative=False), (
        None if imaginary is None else mirrored(imaginary, negative=True)
    )


@operator("STFT", since=17)
def short_time_fourier_transform(node: Node) -> Value:
    """signal [B, n, 1 or 2] -> [B, frames, bins, 2]: the spectra of windows, `step` apart."""
    build, signal = node.build, node.build.widened(node.input(0))
    if signal.rank == 2:
        signal = build.reshape(signal, (*signal.shape, 1))
    step, window = node.known_integer(1), node.optional(2)
    if node.optional(3) is not None:
        length = node.known_integer(3)
    elif window is not None:
        length = window.type.elements
    else:
        raise Malformed("STFT needs a window or a frame_length")
    if window is not None and window.shape != (length,):
        raise Malformed(f"a window of shape {window.shape} does not fit frames of {length}")
    if signal.rank != 3 or step < 1 or not 1 <= length <= signal.shape[1]:
        raise Malformed(f"frames of {length}, {step} apart, do not fit {signal.shape}")
    frames = (signal.shape[1] - length) // step + 1
    onesided = bool(node.integer("onesided", 1))
    kept = length // 2 + 1 if onesided else length
    cut_out = []
    for part in _parts(build, signal):
        if part is not None:
            framed = build.move(
                part,
                (part.shape[0], frames, length),
                source=part.shape,
                axes=(0, 1, 1),
                steps=(1, step, 1),
            )
            if window is not None:
                framed = build.map(Function.MUL, framed, build.widened(window))
            cut_out.append(framed)
    imaginary = cut_out[1] if len(cut_out) > 1 else None
    parts = _transformed(build, cut_out[0], imaginary, kept, inverse=False)
    return build.cast(_complex(build, *parts), node.input(0).dtype)
