"""The native backend: one loop over the batch, in which each scalar node is one vector instruction.

What is printed is LLVM's intermediate language, which llvmlite makes machine code of: no compiler is
needed. A vector has the numbers of eight examples; of the rules of derivatives nothing is known here.
"""

import contextlib
import ctypes
import ctypes.util
import itertools
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cached_property, reduce
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from microgradlike import ops
from microgradlike.compile.batch import Arrays
from microgradlike.compile.python import names_of
from microgradlike.compile.scalars import AFTER, BEFORE, EACH, Line, NoRuleError, NotNativeError, Scalars
from microgradlike.compile.vector import Code, Module, Vector, fma, inf, nan, select, sqrt, with_sign
from microgradlike.ops import Op

#: More scalar operations than this are no longer compiled in seconds.
LIMIT = 20_000
#: … and more lines than this neither, where many of these operations take several.
_LINES = 250_000

#: So many lines of functions are written into the loop in place of calls: of a hundred or so.
_INLINED = 12_000

#: The factors of so many groups of examples are kept before they are added to the sums over the batch.
_GROUPS = 4

#: So many examples at least are a piece of work, and a batch has at most so many pieces. They do not depend
#: on the number of threads, and their sums are added in order: neither do the results.
_PIECE, _PIECES = 2048, 256

#: A batch with fewer scalar operations than this is over before another thread has started.
_WORTH_A_THREAD = 4_000_000

#: A batch of no more numbers than this is copied, which is faster than to ask for its address.
_SMALL = 4096


# ── The rows of the op table, for vectors ─────────────────────────────────────────────────────────────


def _called(name: str) -> Callable[..., Vector]:
    return lambda *operands: operands[0].code.module.call(name, *operands)


def _by_library(name: str) -> Callable[..., Vector]:
    return lambda *operands: operands[0].code.module.call_library(name, *operands)


exp, expm1, log, log1p = map(_called, ("exp", "expm1", "log", "log1p"))
sigmoid, softplus = map(_called, ("sigmoid", "softplus"))
_pow = _by_library("pow")


def _sum(*terms: Vector) -> Vector:
    return reduce(Vector.__add__, terms)


def _prod(*factors: Vector) -> Vector:
    return reduce(Vector.__mul__, factors)


def _dot(*operands: Vector) -> Vector:
    n = len(operands) // 2
    weights, xs, bias = operands[:n], operands[n : 2 * n], operands[2 * n :]
    total = bias[0] if bias else weights[0] * xs[0]
    for w, x in list(zip(weights, xs))[not bias :]:
        total = fma(w, x, total)
    return total


def _mean(*xs: Vector) -> Vector:
    return _sum(*(x / float(len(xs)) for x in xs))


def _sign(a: Vector) -> Vector:
    return select(a > 0.0, 1.0, select(a < 0.0, -1.0, a))  # ±0 and nan are their own sign


def _minimum(*xs: Vector) -> Vector:
    return reduce(lambda a, b: select(a.is_nan(), a, select(b >= a, a, b)), xs)


def _maximum(*xs: Vector) -> Vector:
    return reduce(lambda a, b: select(a.is_nan(), a, select(b <= a, a, b)), xs)


def _hypot(*xs: Vector) -> Vector:
    sizes = [abs(x) for x in xs]
    largest = reduce(lambda a, b: select(b > a, b, a), sizes, sizes[0].of(0.0))  # passes over nan
    huge, tiny = largest > 1e150, largest < 1e-150
    scale = select(huge, 2.0**-600, select(tiny, 2.0**600, 1.0))
    back = select(huge, 2.0**600, select(tiny, 2.0**-600, 1.0))
    scaled = [x * scale for x in sizes]
    root = sqrt(reduce(lambda total, x: fma(x, x, total), scaled[1:], scaled[0] * scaled[0])) * back
    return select(largest < inf, root, inf)


def _logsumexp(*xs: Vector) -> Vector:
    # log Σ eᵃ = m + log(1 + Σ eᵃ⁻ᵐ), the second sum without the largest operand m.
    m = _maximum(*xs)
    ties = _sum(*(select(x.equals(m), 1.0, 0.0) for x in xs))
    rest = _sum(*(select(x < m, exp(x - m), 0.0) for x in xs))
    return select(abs(m) < inf, m + log1p(rest + (ties - 1.0)), m)


def _relu(a: Vector) -> Vector:
    return select(a <= 0.0, 0.0, a)


def _elu(a: Vector, alpha: Vector | float) -> Vector:
    return select(a <= 0.0, expm1(a) * alpha, a)


def _clip(a: Vector, low: Vector, high: Vector) -> Vector:
    return _minimum(_maximum(a, low), high)


def _half_squared_error(*operands: Vector) -> Vector:
    n = len(operands) // 2
    differences = [y - t for y, t in zip(operands[:n], operands[n:])]
    return _sum(*(0.5 * d * d for d in differences))


def _floor(a: Vector) -> Vector:
    return a.code.module.call_library("floor", a)


def _division(a: Vector, b: Vector) -> tuple[Vector, Vector]:
    """The rest of a division, which has the sign of a, and whether it is to have that of b."""
    rest = a.code.module.call_library("fmod", a, b)
    return rest, rest.differs(0.0) & ((rest < 0.0) ^ (b < 0.0))


def _mod(a: Vector, b: Vector) -> Vector:
    rest, moves = _division(a, b)
    return select(moves, rest + b, select(rest.equals(0.0), with_sign(rest, b), rest))


def _floor_div(a: Vector, b: Vector) -> Vector:
    rest, moves = _division(a, b)
    quotient = (a - rest) / b  # whole, but for its rounding
    quotient = select(moves, quotient - 1.0, quotient)
    below = _floor(quotient)
    whole = select((quotient - below) > 0.5, below + 1.0, below)
    return select(b.equals(0.0), a / b, select(quotient.differs(0.0), whole, with_sign(quotient, a / b)))


def _share(a: Vector, b: Vector) -> Vector:
    return select(a.equals(0.0), a, a / (b + 0.0))


def _monomial(c: Vector, a: Vector, b: Vector, k: Vector) -> Vector:
    exponent, size = b - k, abs(a)
    half_b, half_k = b * 0.5, k * 0.5
    odd = (half_b.differs(_floor(half_b))) ^ (half_k.differs(_floor(half_k)))
    fraction = (b - _floor(b)).differs(0.0) | (k - _floor(k)).differs(0.0)  # of infinity, too
    signed = select((a < 0.0) & odd, -c, c)
    power = _pow(size, exponent)
    root = _pow(size, exponent * 0.5)  # aᵇ⁻ᵏ leaves the range of a float, but c·aᵇ⁻ᵏ may not
    far = select(root.equals(0.0), 0.0, signed * root * root)
    result = select((power > 1e-290) & (power < 1e290), signed * power, far)
    at_zero = select(exponent.equals(0.0), c, select(exponent > 0.0, 0.0, c * inf))
    result = select(a.equals(0.0), at_zero, select((a < 0.0) & fraction, nan, result))
    return select(c.equals(0.0), 0.0, select(exponent.is_nan(), nan, result))


def _monomial_log(c: Vector, a: Vector, b: Vector, k: Vector, n: Vector) -> Vector:
    logs = _pow(log(select(a > 0.0, a, 1.0)), n)
    half = n * 0.5
    infinite = select(half.differs(_floor(half)), -inf, inf)
    at_zero = select(b > k, 0.0, c * select(b < k, inf, 1.0) * infinite)
    result = select(a.equals(0.0), at_zero, select(a > 0.0, _monomial(c * logs, a, b, k), nan))
    return select(n.equals(0.0) | c.equals(0.0), _monomial(c, a, b, k), result)


def _power_log(a: Vector, b: Vector) -> Vector:
    logs = _monomial_log(a.of(1.0), a, b, a.of(0.0), a.of(1.0))
    return select(a.equals(0.0) & b.equals(0.0), 0.0, logs)


def _binary_cross_entropy(p: Vector, t: Vector) -> Vector:
    for_one = select(t > 0.0, t * log(p), 0.0)
    for_zero = select(t < 1.0, (1.0 - t) * log1p(-p), 0.0)
    allowed = (p >= 0.0) & (p <= 1.0) & (t >= 0.0) & (t <= 1.0)
    return select(allowed, 0.0 - for_one - for_zero, nan)


#: What is neither here nor a function of `vector` is a function of the C library.
ROWS: dict[str, Callable[..., Vector]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "abs": abs,
    "sign": _sign,
    "where": lambda c, a, b: select(c.differs(0.0), a, b),
    "quotient": lambda a, b: a / (b + 0.0),  # a zero counts as positive, whatever its sign
    "share": _share,
    "mod": _mod,
    "floor_div": _floor_div,
    "square": lambda a: a * a,
    "log_or_limit": log,
    "monomial": _monomial,
    "monomial_log": _monomial_log,
    "power_log": _power_log,
    "sqrt": sqrt,
    "sum": _sum,
    "prod": _prod,
    "dot": _dot,
    "mean": _mean,
    "logsumexp": _logsumexp,
    "minimum": _minimum,
    "maximum": _maximum,
    "hypot": _hypot,
    "relu": _relu,
    "leaky_relu": lambda a, slope: select(a <= 0.0, a * slope, a),
    "elu": _elu,
    "selu": lambda a: ops._SELU_SCALE * _elu(a, ops._SELU_ALPHA),
    "softsign": lambda a: a / (1.0 + abs(a)),
    "hardtanh": lambda a: _clip(a, a.of(-1.0), a.of(1.0)),
    "clip": _clip,
    "half_squared_error": _half_squared_error,
    "binary_cross_entropy": _binary_cross_entropy,
    "binary_cross_entropy_with_logits": lambda z, t: t * softplus(-z) + (1.0 - t) * softplus(z),
    **{name: _called(name) for name in (
        "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "erf", "erfc",
        "tanh", "sigmoid", "softplus", "gelu",
    )},
    **{name: _by_library(name) for name in (
        "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "asinh", "acosh", "atanh", "cbrt", "pow",
    )},
}  # fmt: skip

#: Constant powers; the others are the C library's.
_POWERS: dict[float, Callable[[Vector], Vector]] = {
    0.0: lambda a: a.of(1.0),
    1.0: lambda a: a,
    2.0: lambda a: a * a,
    3.0: lambda a: a * a * a,
    -1.0: lambda a: 1.0 / a,
    0.5: lambda a: select(a > -inf, sqrt(a + 0.0), abs(a)),  # C's pow says inf for −inf, and 0 for −0
    -0.5: lambda a: select(a > -inf, 1.0 / sqrt(a + 0.0), 1.0 / abs(a)),
}

_COMPARISONS: dict[Op, Callable[[Vector, Vector], Vector]] = {
    ops.greater: Vector.__gt__,
    ops.equal: Vector.equals,
}


def _applied(op: Op, operands: Sequence[Vector]) -> Vector:
    if op.name.startswith("power("):
        exponent = float(op.name[len("power(") : -1])
        if exponent in _POWERS:
            return _POWERS[exponent](operands[0])
        return _pow(operands[0], operands[0].of(exponent))
    if op.book:
        vector: Vector = op.book(operands[-1])
        return vector
    if op.name not in ROWS:
        raise NoRuleError("llvm", op.name, "llvm.py")
    return ROWS[op.name](*operands)


# ── Printing ──────────────────────────────────────────────────────────────────────────────────────────


class _Printer:
    """Writes the functions of a program. What does not vary lies in one array, ``known``."""

    def __init__(self, scalars: Scalars, roots: Sequence[int], outputs: Sequence[int], width: int) -> None:
        self.scalars, self.roots, self.outputs, self.width = scalars, roots, outputs, width
        self.needed = scalars.needed([*roots, *outputs])
        self.names = names_of(scalars, self.needed)
        self.module = Module(width)
        #: The sums, those with a common factor next to each other; and all factors, with their places.
        self.sums = sorted((n for n in self.needed if n in scalars.means), key=lambda n: scalars.means[n])
        self.factors = {
            n: i for i, n in enumerate(sorted({a for n in self.sums for a in scalars.means[n]}))
        }
        kept = [n for n in self.needed if scalars.phases[n] == BEFORE and scalars.operations[n]]
        places = [*scalars.parameters, *kept, *self.sums]
        self.place = {n: i for i, n in enumerate(places)}

    def text(self) -> str:
        loop = self.write_loop(_INLINED)
        around = [self.write_before(), self.write_piece(), self.write_after(), self.write_whole()]
        return self.module.text(loop, *around)

    def function(self, name: str, arguments: str, code: Code) -> str:
        head = f"define void @{name}({arguments}) #0 {{"
        return "\n".join([head, *code.lines, "  ret void", "}", ""])

    # Values of the graph, as vectors.

    def start(self, budget: int = 0) -> Code:
        self.vectors: dict[int, Vector] = {}
        self.masks: dict[int, Vector] = {}  # of comparisons
        return Code(self.module, budget)

    def vector(self, code: Code, n: int) -> Vector:
        if n in self.vectors:
            return self.vectors[n]
        if n in self.masks:
            return select(self.masks[n], 1.0, 0.0)
        if n in self.scalars.constants:
            return code.constant(self.scalars.constants[n])
        # From memory, each time: a register less, and no instruction more.
        return code.splat(code.load("double", "%.known", self.place[n]))

    def compute(self, code: Code, n: int) -> None:
        op = self.scalars.operations[n]
        assert op
        operands = self.scalars.operands[n]
        if op in _COMPARISONS:
            self.masks[n] = _COMPARISONS[op](*(self.vector(code, a) for a in operands))
        elif op is ops.where and operands[0] in self.masks:
            choices = [self.vector(code, a) for a in operands[1:]]
            self.vectors[n] = code.named(self.names[n], select(self.masks[operands[0]], *choices))
        else:
            result = _applied(op, [self.vector(code, a) for a in operands])
            self.vectors[n] = code.named(self.names[n], result)

    # The functions.

    def write_before(self) -> str:
        code = self.start()
        for n in self.needed:
            if self.scalars.phases[n] == BEFORE and self.scalars.operations[n]:
                self.compute(code, n)
                code.store_first(self.vector(code, n), "%.known", self.place[n])
        return self.function("before", "ptr noalias %.known", code)

    def write_loop(self, budget: int = 0) -> str:
        """Over groups of examples, as many as a vector has places.

        A sum over the batch lies in memory, and to read and write it takes longer than to add to it. So
        of several groups all factors are kept, and are then added one sum after the other.
        """
        s, w = self.scalars, self.width
        size = len(self.factors) * w
        code = self.start(budget)
        code.lines += f"""
entry:
  br label %some.groups
some.groups:
  %.start = phi i64 [ 0, %entry ], [ %.stop, %add ]
  %.full = add i64 %.start, {_GROUPS}
  %.is.full = icmp ule i64 %.full, %.groups
  %.stop = select i1 %.is.full, i64 %.full, i64 %.groups
  br label %each.group
each.group:
  %.group = phi i64 [ %.start, %some.groups ], [ %.next, %each.group ]
  %.first = mul i64 %.group, {w}
  %.done = sub i64 %.group, %.start
  %.at = mul i64 %.done, {size}
  %.kept = getelementptr double, ptr %.factors, i64 %.at
""".strip("\n").splitlines()
        self.load_inputs(code)
        for n in self.needed:
            if s.phases[n] == EACH:
                if s.operations[n]:
                    self.compute(code, n)
                if n in self.factors:
                    code.store_vector(self.vector(code, n), "%.kept", self.factors[n] * w, 64)
        self.store_outputs(code)
        self.module.declared.add("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
        code.lines += f"""
  %.next = add i64 %.group, 1
  %.more = icmp ult i64 %.next, %.stop
  br i1 %.more, label %each.group, label %groups.done
groups.done:
  br i1 %.is.full, label %add, label %clear
clear: ; the groups that are missing add 0
  %.there = sub i64 %.stop, %.start
  %.missing = sub i64 {_GROUPS}, %.there
  %.bytes = mul i64 %.missing, {8 * size}
  %.end = mul i64 %.there, {size}
  %.empty = getelementptr double, ptr %.factors, i64 %.end
  call void @llvm.memset.p0.i64(ptr %.empty, i8 0, i64 %.bytes, i1 false)
  br label %add
add:
""".strip("\n").splitlines()
        self.add(code)
        code.write("%.any = icmp ult i64 %.stop, %.groups")
        code.write("br i1 %.any, label %some.groups, label %exit")
        code.label("exit")
        pointers = ", ".join(
            f"ptr noalias %.{name}" for name in ("known", "rows", "sums", "factors", "outputs")
        )
        return self.function("loop", f"{pointers}, i64 %.groups", code)

    def load_inputs(self, code: Code) -> None:
        """The columns of the next rows: vectors are read along the rows, and turned in registers."""
        s, w, columns = self.scalars, self.width, len(self.scalars.inputs)
        used = {*self.needed}
        wanted = [i for i, n in enumerate(s.inputs) if n in used]
        if not wanted:
            return
        start = code.scalar(f"mul i64 %.first, {columns}")
        row = code.scalar(f"getelementptr double, ptr %.rows, i64 {start}")
        if columns < w:
            vectors = [code.load_vector(row, i * w) for i in range(columns)]
            for i in wanted:
                self.vectors[s.inputs[i]] = code.named(self.names[s.inputs[i]], code.every(vectors, i))
            return
        for first in dict.fromkeys(min(i // w * w, columns - w) for i in wanted):
            vectors = [code.load_vector(row, i * columns + first) for i in range(w)]
            for i, vector in enumerate(code.transposed(vectors), first):
                if s.inputs[i] in used and s.inputs[i] not in self.vectors:  # the last squares overlap
                    self.vectors[s.inputs[i]] = code.named(self.names[s.inputs[i]], vector, 3 * w)

    def add(self, code: Code) -> None:
        w, means = self.width, self.scalars.means
        kept: dict[int, list[Vector]] = {}

        def factor(n: int) -> list[Vector]:
            starts = range(0, _GROUPS * len(self.factors) * w, len(self.factors) * w)
            return [code.load_vector("%.factors", start + self.factors[n] * w, 64) for start in starts]

        for i, n in enumerate(self.sums):
            first, *rest = means[n]
            if first not in kept:
                kept = {first: factor(first)}
            total = code.load_vector("%.sums", i * w, 64)
            if rest:
                for a, b in zip(kept[first], factor(rest[0])):
                    total = fma(a, b, total)
            else:
                total = _sum(total, *kept[first])
            code.store_vector(total, "%.sums", i * w, 64)

    def store_outputs(self, code: Code) -> None:
        if not self.outputs:
            return
        start = code.scalar(f"mul i64 %.first, {len(self.outputs)}")
        row = code.scalar(f"getelementptr double, ptr %.outputs, i64 {start}")
        for j, n in enumerate(self.outputs):
            vector = self.vector(code, n)
            for i in range(self.width):
                one = code.scalar(f"extractelement {vector.type} {vector}, i32 {i}")
                code.store(one, row, i * len(self.outputs) + j)

    def write_piece(self) -> str:
        """Of any number of examples, the sums; the examples that fill no group are computed apart."""
        w, s = self.width, len(self.sums)
        i, o = len(self.scalars.inputs), len(self.outputs)
        self.module.declared |= {
            "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)",
            "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)",
        }
        code = Code(self.module)
        numbers = ", ".join(f"i64 {k}" for k in range(w))
        text = f"""
entry:
  %sums = getelementptr double, ptr %scratch, i64 0
  %rest.sums = getelementptr double, ptr %scratch, i64 {s * w}
  %rest.rows = getelementptr double, ptr %scratch, i64 {2 * s * w}
  %rest.outputs = getelementptr double, ptr %scratch, i64 {(2 * s + i) * w}
  %factors = getelementptr double, ptr %scratch, i64 {(2 * s + i + o) * w}
  call void @llvm.memset.p0.i64(ptr %sums, i8 0, i64 {8 * s * w}, i1 false)
  %groups = udiv i64 %n, {w}
  %rest = urem i64 %n, {w}
  %any.groups = icmp ne i64 %groups, 0
  br i1 %any.groups, label %whole, label %after.whole
whole:
  call void @loop(ptr %known, ptr %rows, ptr %sums, ptr %factors, ptr %outputs, i64 %groups)
  br label %after.whole
after.whole:
  %any.rest = icmp ne i64 %rest, 0
  br i1 %any.rest, label %copy, label %add
copy: ; the last row takes the places of those that are missing
  %k = phi i64 [ 0, %after.whole ], [ %k.next, %copy ]
  %last = sub i64 %n, 1
  %done = mul i64 %groups, {w}
  %row = add i64 %done, %k
  %is.there = icmp ult i64 %row, %last
  %from = select i1 %is.there, i64 %row, i64 %last
  %from.number = mul i64 %from, {i}
  %to.number = mul i64 %k, {i}
  %source = getelementptr double, ptr %rows, i64 %from.number
  %target = getelementptr double, ptr %rest.rows, i64 %to.number
  call void @llvm.memcpy.p0.p0.i64(ptr %target, ptr %source, i64 {8 * i}, i1 false)
  %k.next = add i64 %k, 1
  %k.more = icmp ult i64 %k.next, {w}
  br i1 %k.more, label %copy, label %rest.of.them
rest.of.them:
  call void @llvm.memset.p0.i64(ptr %rest.sums, i8 0, i64 {8 * s * w}, i1 false)
  call void @loop(ptr %known, ptr %rest.rows, ptr %rest.sums, ptr %factors, ptr %rest.outputs, i64 1)
  %output.number = mul i64 %done, {o}
  %output = getelementptr double, ptr %outputs, i64 %output.number
  %output.size = mul i64 %rest, {8 * o}
  call void @llvm.memcpy.p0.p0.i64(ptr %output, ptr %rest.outputs, i64 %output.size, i1 false)
  br label %add
add:
  %rest.all = insertelement <{w} x i64> poison, i64 %rest, i32 0
  %rest.places = shufflevector <{w} x i64> %rest.all, <{w} x i64> poison, <{w} x i32> zeroinitializer
  %counts = icmp ult <{w} x i64> <{numbers}>, %rest.places
  br label %{"each.sum" if s else "end"}
"""
        code.lines += text.strip("\n").splitlines()
        if s:
            code.lines += f"""
each.sum:
  %sum = phi i64 [ 0, %add ], [ %sum.next, %each.sum ]
  %at = mul i64 %sum, {w}
  %at.sum = getelementptr double, ptr %sums, i64 %at
  %at.rest = getelementptr double, ptr %rest.sums, i64 %at
  %vector.sum = load <{w} x double>, ptr %at.sum, align 64
  %rest.sum = load <{w} x double>, ptr %at.rest, align 64
""".strip("\n").splitlines()
            counts = Vector(code, "%counts", "i1")
            total = Vector(code, "%vector.sum") + select(counts, Vector(code, "%rest.sum"), 0.0)
            distance = w // 2
            while distance:
                places = [(k + distance) % w for k in range(w)]
                total = total + code.shuffled(total, total, places)
                distance //= 2
            one = code.scalar(f"extractelement {total.type} {total}, i32 0")
            code.write("%at.total = getelementptr double, ptr %totals, i64 %sum")
            code.write(f"store double {one}, ptr %at.total")
            code.write("%sum.next = add i64 %sum, 1")
            code.write(f"%sum.more = icmp ult i64 %sum.next, {s}")
            code.write("br i1 %sum.more, label %each.sum, label %end")
        code.label("end")
        arguments = "ptr %known, ptr %rows, i64 %n, ptr %scratch, ptr %outputs, ptr %totals"
        return self.function("piece", arguments, code)

    def write_after(self) -> str:
        """The means, of the sums of all pieces; and what is made of them."""
        code = self.start()
        code.label("entry")
        code.write("%examples = uitofp i64 %n to double")
        code.write(f"br label %{'each.sum' if self.sums else 'end'}")
        if self.sums:
            first = self.place[self.sums[0]]
            code.lines += f"""
each.sum:
  %sum = phi i64 [ 0, %entry ], [ %sum.next, %store ]
  br label %each.piece
each.piece:
  %piece = phi i64 [ 0, %each.sum ], [ %piece.next, %each.piece ]
  %so.far = phi double [ 0.0, %each.sum ], [ %total, %each.piece ]
  %start = mul i64 %piece, {len(self.sums)}
  %at = add i64 %start, %sum
  %at.part = getelementptr double, ptr %totals, i64 %at
  %part = load double, ptr %at.part
  %total = fadd double %so.far, %part
  %piece.next = add i64 %piece, 1
  %piece.more = icmp ult i64 %piece.next, %pieces
  br i1 %piece.more, label %each.piece, label %store
store:
  %mean = fdiv double %total, %examples
  %place = add i64 %sum, {first}
  %at.mean = getelementptr double, ptr %.known, i64 %place
  store double %mean, ptr %at.mean
  %sum.next = add i64 %sum, 1
  %sum.more = icmp ult i64 %sum.next, {len(self.sums)}
  br i1 %sum.more, label %each.sum, label %end
""".strip("\n").splitlines()
        code.label("end")
        for n in self.needed:
            if self.scalars.phases[n] == AFTER and self.scalars.operations[n]:
                self.compute(code, n)
        for i, n in enumerate(self.roots):
            if n in self.place:
                code.store(code.load("double", "%.known", self.place[n]), "%results", i)
            else:
                code.store_first(self.vector(code, n), "%results", i)
        arguments = "ptr noalias %.known, ptr noalias %totals, i64 %pieces, i64 %n, ptr noalias %results"
        return self.function("after", arguments, code)

    def write_whole(self) -> str:
        """All of a small batch: one call, with one address of all that it computes in."""
        code = Code(self.module)
        offset = 0
        for name, length in self.memory().items():
            code.write(f"%{name} = getelementptr double, ptr %memory, i64 {offset}")
            offset += length
        code.write("call void @before(ptr %known)")
        code.write(
            "call void @piece(ptr %known, ptr %rows, i64 %n, ptr %scratch, ptr %outputs, ptr %totals)"
        )
        code.write("call void @after(ptr %known, ptr %totals, i64 1, i64 %n, ptr %results)")
        return self.function("whole", "ptr %memory, ptr %rows, i64 %n, ptr %outputs", code)

    def memory(self) -> dict[str, int]:
        """What a call computes in: how many numbers, in multiples of the longest vector."""
        inputs, outputs, sums = len(self.scalars.inputs), len(self.outputs), len(self.sums)
        lengths = {
            "known": len(self.place),
            "scratch": self.width * (2 * sums + _GROUPS * len(self.factors) + inputs + outputs),
            "totals": sums,
            "results": len(self.roots),
        }
        return {name: -(-length // 8) * 8 for name, length in lengths.items()}


# ── Compiling ─────────────────────────────────────────────────────────────────────────────────────────


def _width(features: str) -> int:
    """How many numbers a vector has: what a register holds."""
    return 8 if "+avx512f" in features else 4 if "+avx" in features else 2


def _machine(triple: str = "", cpu: str = "", features: str = "") -> tuple[Any, int]:
    """A target machine, and the width of its vectors; of this computer, if nothing is said."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    cpu = cpu or ("" if triple else llvm.get_host_cpu_name())
    triple = triple or llvm.get_process_triple()
    features = features or llvm.get_host_cpu_features().flatten()
    # Level 1 of code generation, and no passes before it: what is printed is in its final order.
    machine = llvm.Target.from_triple(triple).create_target_machine(
        cpu=cpu, features=features, opt=1, codemodel="jitdefault", jit=True
    )
    return machine, _width(features)


def _find_symbol(name: str) -> None:
    """Make a function of the C library known to LLVM, which searches this process."""
    if llvm.address_of_symbol(name) is not None:
        return
    library = ctypes.util.find_library("m") or ctypes.util.find_library("ucrtbase")
    try:
        function = getattr(ctypes.CDLL(library), name)
    except (AttributeError, OSError):
        raise NotNativeError(
            f"there is no function {name} in the C library of this computer ({platform.platform()}), which "
            'native code needs for this graph: compile it with backend="numpy"'
        ) from None
    llvm.add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)


# ── Running ───────────────────────────────────────────────────────────────────────────────────────────

_pool: list[ThreadPoolExecutor] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.clear)  # a child process has none of the threads


def _threads() -> ThreadPoolExecutor:
    if not _pool:
        _pool.append(ThreadPoolExecutor(_cores(), "microgradlike"))
    return _pool[0]


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _aligned(length: int) -> tuple[Any, int]:
    """Zeros, and the address of the first of them, which a vector may have."""
    array = np.zeros(length + 8)
    address = array.ctypes.data
    skip = -address % 64 // 8
    return array[skip : skip + length], address + 8 * skip


class _Memory:
    """What one call at a time computes in."""

    def __init__(self, code: "Llvm") -> None:
        p = code.printer
        lengths = p.memory()
        self.all, self.address = _aligned(sum(lengths.values()))
        places, start = {}, 0
        for name, length in lengths.items():
            places[name] = start
            start += length
        self.at_known, self.at_scratch = self.address, self.address + 8 * places["scratch"]
        self.at_results = self.address + 8 * places["results"]
        self.parameters = self.all[: len(p.scalars.parameters)]
        self.results = self.all[places["results"] :][: len(p.roots)]
        small = _SMALL // max(1, len(p.scalars.inputs))
        self.rows, self.at_rows = _aligned(small * len(p.scalars.inputs))
        self.rows = self.rows.reshape(small, len(p.scalars.inputs))


class Llvm:
    """A program as native code: `source` to read, `lines` for a table, `run` to compute.

    Args:
        scalars: the lowered graph.
        roots: the numbers that are wanted: the loss, and maybe the gradients.
        outputs: what is wanted of each example.
        threads: how many compute a large batch; by default as many as there are cores. The results do not
            depend on it.
    """

    reads = Arrays

    def __init__(
        self,
        scalars: Scalars,
        roots: Sequence[int],
        outputs: Sequence[int],
        threads: int | None = None,
    ) -> None:
        self.operations = sum(map(scalars.count, scalars.needed([*roots, *outputs])))
        self._refuse_if(self.operations > LIMIT)
        machine, width = _machine()
        self.printer = printer = _Printer(scalars, roots, outputs, width)
        text = printer.text()
        self._refuse_if(text.count("\n") > _LINES)
        self.source = printer.write_loop()
        for name in sorted(printer.module.symbols):
            _find_symbol(name)
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(text), machine)
        self._engine.finalize_object()
        self.threads = threads or _cores()
        self.where = f", vectors of {width} numbers"
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        self._before = self._function("before", pointer)
        self._piece = self._function("piece", pointer, pointer, number, pointer, pointer, pointer)
        self._after = self._function("after", pointer, pointer, number, number, pointer)
        self._whole = self._function("whole", pointer, pointer, number, pointer)
        self._spare: list[_Memory] = []

    def _refuse_if(self, is_too_large: bool) -> None:
        if is_too_large:
            raise NotNativeError(
                f"native code of {self.operations:,} scalar operations would take long to compile (the "
                f'limit is {LIMIT:,}, or less for long ones): compile this graph with backend="numpy"'
            )

    def _function(self, name: str, *arguments: Any) -> Any:
        return ctypes.CFUNCTYPE(None, *arguments)(self._engine.get_function_address(name))

    @cached_property
    def lines(self) -> list[Line]:
        """A line for each scalar instruction, and for each sum over the batch."""
        return [*_lines(self.printer)]

    def run(self, batch: Any, parameters: Sequence[float]) -> tuple[Any, Any]:
        """The wanted numbers, one array; and the outputs, a row for each example (None: there are none)."""
        # Each call, in whatever thread, takes memory that no other has.
        try:
            memory = self._spare.pop()
        except IndexError:
            memory = _Memory(self)
        try:
            return self._run(memory, batch, parameters)
        finally:
            self._spare.append(memory)

    def _run(self, memory: _Memory, batch: Any, parameters: Sequence[float]) -> tuple[Any, Any]:
        n = len(batch)
        memory.parameters[:] = parameters
        if n <= len(memory.rows):
            memory.rows[:n] = batch
            at_rows = memory.at_rows
        else:
            batch = np.ascontiguousarray(batch)
            at_rows = batch.ctypes.data
        outputs, at_outputs = None, 0
        if self.printer.outputs:
            outputs = np.empty((n, len(self.printer.outputs)))
            at_outputs = outputs.ctypes.data
        if n < 2 * _PIECE:
            self._whole(memory.address, at_rows, n, at_outputs)
        else:
            self._in_pieces(memory, at_rows, n, at_outputs, [batch, outputs])
        return memory.results.copy(), outputs

    def _in_pieces(
        self, memory: _Memory, at_rows: int, n: int, at_outputs: int, arrays: Sequence[Any]
    ) -> None:
        width = self.printer.width
        pieces = min(1 << (n // _PIECE).bit_length() - 1, _PIECES)
        size = -(-n // (pieces * width)) * width
        count = -(-n // size)
        sums = len(self.printer.sums)
        totals, at_totals = _aligned(count * sums)
        row, output = 8 * len(self.printer.scalars.inputs), 8 * len(self.printer.outputs)
        next_piece = itertools.count()

        def work(at_scratch: int) -> None:
            while (i := next(next_piece)) < count:
                start = i * size
                self._piece(
                    memory.at_known,
                    at_rows + start * row,
                    min(size, n - start),
                    at_scratch,
                    at_outputs + start * output,
                    at_totals + 8 * i * sums,
                )

        def help_out(*_arrays: Any) -> None:  # which must not go while native code has their addresses
            own, at_scratch = _aligned(self.printer.memory()["scratch"])
            work(at_scratch)
            del own

        self._before(memory.at_known)
        helpers = min(self.threads, _cores(), count, 1 + n * self.operations // _WORTH_A_THREAD) - 1
        others: list[Future[None]] = []
        try:
            with contextlib.suppress(RuntimeError):  # at the end of the program no thread begins any more
                others.extend(_threads().submit(help_out, totals, *arrays) for _ in range(helpers))
            work(memory.at_scratch)
        finally:  # who has not begun yet need not, and nobody may be left behind
            others = [other for other in others if not other.cancel()]
            wait(others)
        for other in others:
            other.result()
        self._after(memory.at_known, at_totals, count, n, memory.at_results)


def _lines(printer: _Printer) -> Iterator[Line]:
    s, names = printer.scalars, printer.names

    def text(n: int) -> tuple[str, str]:
        return (repr(s.constants[n]) if n in s.constants else names[n]), "!"

    for n in printer.needed:
        op = s.operations[n]
        if op:
            written, _ = op.write([text(a) for a in s.operands[n]])
            yield Line(names[n], written, (1, None if s.phases[n] == EACH else 1), s.count(n))
        elif n in s.means:
            yield Line(names[n], f"mean of {'·'.join(text(a)[0] for a in s.means[n])}", (1, 1), 1)
