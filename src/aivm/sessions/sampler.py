"""Sampling as a tensor program: logits and parameters in, one token out.

    inputs   logits f32 (any shape), temperature f32, top_k i64, top_p f32, seed u64[2]
    output   token i64 [1, 1]

Temperature 0 takes the greatest logit, the first among equals. Otherwise:

1. weight[i] = exp((logit[i] - greatest) / temperature), as an integer: truncated to 31 bits after
   the point. From here on sums are exact, so their order cannot matter to anyone.
2. Tokens stand in descending order of logit, equal ones in order of their ids. top_k keeps the
   first k of them (0: all). top_p keeps the shortest beginning that weighs at least the fraction p
   of what top_k kept, and never less than the first.
3. The seed is (key, draw). The first 31 bits of its random word choose a point below the weight of
   what is kept; the token in whose stretch the point lies is drawn.

Token -1 says that nothing can be drawn: the greatest logit is NaN or infinite, or a parameter is
outside its range (temperature >= 0 and finite, top_k >= 0, 0 < top_p <= 1). A logit of minus
infinity has weight 0.
"""

from __future__ import annotations

from functools import reduce

from aivm.compiler import CompiledModel
from aivm.compiler.assemble import assemble
from aivm.compiler.builder import Builder
from aivm.compiler.values import Value
from aivm.isa.instructions import TensorType
from aivm.isa.opcodes import Function, Reduction, Scattering
from aivm.numerics.dtypes import DType

NO_TOKEN = -1
LOGITS, TEMPERATURE, TOP_K, TOP_P, SEED = "logits", "temperature", "top_k", "top_p", "seed"
INPUTS = (LOGITS, TEMPERATURE, TOP_K, TOP_P, SEED)
TOKEN = "token"
TOKEN_TYPE = TensorType(DType.I64, (1, 1))
SCALAR_F32, SCALAR_I64 = TensorType(DType.F32, ()), TensorType(DType.I64, ())
SEED_TYPE = TensorType(DType.U64, (2,))

WEIGHT_BITS = 31
_ONE = 1 << WEIGHT_BITS
_INFINITY = 0x7F80_0000


def sampler_program(logits: TensorType) -> CompiledModel:
    """The sampler for F32 logits of this type; its number of elements is the vocabulary."""
    build = Builder()
    given = build.input(logits)
    temperature, top_k, top_p = map(build.input, (SCALAR_F32, SCALAR_I64, SCALAR_F32))
    seed = build.input(SEED_TYPE)
    token = _Sampler(build, build.reshape(given, (logits.elements,))).token(
        temperature, top_k, top_p, seed
    )
    program, constants = assemble(build, [build.reshape(token, TOKEN_TYPE.shape)])
    return CompiledModel(program, constants, INPUTS, (TOKEN,))


class _Sampler:
    """The program under construction; every value is a vector over the vocabulary or a scalar."""

    def __init__(self, build: Builder, logits: Value) -> None:
        self.build = build
        self.logits = logits
        self.size = logits.shape[0]

    def token(self, temperature: Value, top_k: Value, top_p: Value, seed: Value) -> Value:
        build = self.build
        greatest = self.over_all(Reduction.MAX, self.logits)
        valid = self.all_of(
            self.finite(greatest),
            build.map(Function.LESS_EQUAL, self.f32(0), temperature),
            self.finite(temperature),
            build.map(Function.LESS_EQUAL, self.i64(0), top_k),
            build.map(Function.LESS, self.f32(0), top_p),
            build.map(Function.LESS_EQUAL, top_p, self.f32(1)),
        )
        greedy = build.map(Function.EQUAL, temperature, self.f32(0))
        first = self.over_all(Reduction.ARG_MAX, self.logits)
        divisor = build.map(Function.SELECT, greedy, self.f32(1), temperature)
        drawn = self.drawn(self.weights(greatest, divisor), top_k, top_p, seed)
        token = build.map(Function.SELECT, greedy, first, drawn)
        return build.map(Function.SELECT, valid, token, self.i64(NO_TOKEN))

    def weights(self, greatest: Value, temperature: Value) -> Value:
        """Integers from 0 to 2**31; at least one token has that greatest weight."""
        build = self.build
        below = build.map(Function.SUB, self.logits, greatest)
        chance = build.map(Function.EXP, build.map(Function.DIV, below, temperature))
        return build.cast(build.map(Function.MUL, chance, self.f32(_ONE)), DType.I64)

    def drawn(self, weights: Value, top_k: Value, top_p: Value, seed: Value) -> Value:
        build, size = self.build, self.size
        rank = build.rank(self.logits, 0, descending=True)
        ids = build.iota(DType.I64, (size,), 0)
        nothing = build.fill(weights.type, 0)
        ordered = build.scatter(Scattering.REPLACE, nothing, rank, weights, 0)
        tokens = build.scatter(Scattering.REPLACE, nothing, rank, ids, 0)

        all_of_them = build.map(Function.EQUAL, top_k, self.i64(0))
        count = build.map(Function.SELECT, all_of_them, self.i64(size), top_k)
        among = build.map(Function.LESS, ids, count)
        kept = build.map(Function.SELECT, among, ordered, self.i64(0))
        after = self.running_sum(kept)
        before = build.map(Function.SUB, after, kept)

        share = build.cast(build.map(Function.MUL, top_p, self.f32(_ONE)), DType.I64)
        limit = self.fraction(self.over_all(Reduction.MAX, after), share)
        limit = build.map(Function.MAX, limit, self.i64(1))
        nucleus = build.map(Function.LESS, before, limit)
        within = build.map(Function.SELECT, nucleus, after, self.i64(0))
        total = self.over_all(Reduction.MAX, within)

        word = build.cast(build.reshape(build.random(seed, (1,)), ()), DType.I64)
        point = self.fraction(total, build.map(Function.DIV, word, self.i64(2)))
        passed = build.cast(build.map(Function.LESS_EQUAL, after, point), DType.I64)
        # Of valid parameters, one token at least is not passed.
        place = build.map(Function.MIN, self.over_all(Reduction.SUM, passed), self.i64(size - 1))
        return build.gather(tokens, place, 0)

    def running_sum(self, values: Value) -> Value:
        """Each place with all before it, by doubling; of integers, so the order is free."""
        build, reach = self.build, 1
        while reach < self.size:
            shifted = build.move(
                values, (self.size,), source=(self.size,), axes=(0,), origins=(-reach,)
            )
            values = build.map(Function.ADD, values, shifted)
            reach *= 2
        return values

    def fraction(self, amount: Value, share: Value) -> Value:
        """floor(amount * share / 2**31) for 0 <= amount < 2**62 and 0 <= share <= 2**31."""
        build, one = self.build, self.i64(_ONE)
        high = build.map(Function.MUL, build.map(Function.DIV, amount, one), share)
        low = build.map(Function.MUL, build.map(Function.MOD, amount, one), share)
        return build.map(Function.ADD, high, build.map(Function.DIV, low, one))

    def over_all(self, function: Reduction, values: Value) -> Value:
        return self.build.reduce(function, values, 1, self.size, ())

    def all_of(self, *conditions: Value) -> Value:
        return reduce(lambda a, b: self.build.map(Function.AND, a, b), conditions)

    def finite(self, value: Value) -> Value:
        """True unless NaN or infinite."""
        infinity = self.build.fill(SCALAR_F32, _INFINITY)
        return self.build.map(Function.LESS, self.build.map(Function.ABS, value), infinity)

    def f32(self, value: float) -> Value:
        return self.build.scalar(value, DType.F32)

    def i64(self, value: int) -> Value:
        return self.build.scalar(value, DType.I64)
