"""The error function."""

from __future__ import annotations

from aivm.numerics.functions.blocks import copy_sign, hexadecimal, magnitude, polynomial
from aivm.numerics.functions.exponential import exp
from aivm.numerics.machine import Machine, W

_SMALL = float.fromhex("0x1.d8p-1")
# erf(t) = t + t * S(t**2) up to _SMALL
_SERIES = hexadecimal(
    "-0x1.38e000p-11 0x1.471a58p-8 -0x1.b691b2p-6 0x1.ce1c44p-4 -0x1.812700p-2 0x1.06eba8p-3"
)
# erf(t) = 1 - exp(E(t)) above it; E has degree 8 and its upper half is evaluated by pairs
_EVEN = hexadecimal("-0x1.220000p-16 0x1.91cfb2p-12")
_ODD = hexadecimal("-0x1.fd1438p-9 0x1.8d6342p-6")
_REST = hexadecimal("-0x1.b55cb8p-4 -0x1.450aa0p-1 -0x1.079d0cp-3")


def erf(m: Machine[W], x: W) -> W:
    """The error function, within 1.1 ulp; odd, so erf(-0) = -0; erf(+-inf) = +-1."""
    t = magnitude(m, x)
    square = m.mul(t, t)
    small = m.fma(polynomial(m, square, _SERIES), t, t)

    upper = m.fma(polynomial(m, t, _EVEN), square, polynomial(m, t, _ODD))
    for coefficient in _REST:
        upper = m.fma(upper, t, m.f32(coefficient))
    exponent = m.fma(upper, t, m.sub(m.f32(0.0), t))
    saturated = m.select(m.less(m.f32(4.0), t), m.f32(-20.0), exponent)
    large = m.sub(m.f32(1.0), exp(m, saturated))

    return copy_sign(m, m.select(m.less(m.f32(_SMALL), t), large, small), x)
