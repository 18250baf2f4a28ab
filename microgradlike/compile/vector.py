"""Elementary functions of vectors of floats, written as LLVM IR.

A `Vector` stands for a value of the code; arithmetic with it writes an instruction. So `exp` below reads
like a function of floats, and what it writes computes eight of them at once. Nothing here branches: what
holds for some numbers only is computed for all, and `select` takes its pick.

The polynomials are Chebyshev interpolations (``mpmath.chebyfit``; a test repeats it), of which the error
is below 2⁻⁵⁶ of the function. Numbers are reduced to their short intervals as in Cody and Waite, "Software
Manual for the Elementary Functions" (1980), and the small parts that rounding takes away are carried
along where they matter, so that every function here is within 2 ulp for all floats, with or without a
fused multiply-add; a test measures it against mpmath.
"""

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias, Union

inf, nan = math.inf, math.nan

Operand: TypeAlias = Union["Vector", float]
Function: TypeAlias = Callable[..., "Vector"]


# ── Writing instructions ──────────────────────────────────────────────────────────────────────────────


@dataclass
class Module:
    """The functions of a module, each written once, when it is first asked for."""

    width: int  # of all vectors
    functions: dict[str, str] = field(default_factory=dict)
    declared: set[str] = field(default_factory=set)
    symbols: set[str] = field(default_factory=set)  # functions of the C library

    def text(self, *code: str) -> str:
        return "\n".join([*code, *self.functions.values(), *sorted(self.declared), ATTRIBUTES])

    def call(self, name: str, *operands: "Vector") -> "Vector":
        """Call a function of `FUNCTIONS`, or write its lines here: faster, and longer to compile."""
        code = operands[0].code
        if code.budget > 0 and name not in _BRANCHING:
            before = len(code.lines)
            result = FUNCTIONS[name](*operands)
            code.budget -= len(code.lines) - before
            return result
        return self._call(f"vector.{name}", FUNCTIONS[name], operands)

    def call_library(self, name: str, *operands: "Vector") -> "Vector":
        """Call a function of the C library, for one number after the other."""
        return self._call(f"library.{name}", partial(_one_by_one, name), operands)

    def _call(self, name: str, write: "Function", operands: Sequence["Vector"]) -> "Vector":
        if name not in self.functions:
            self.functions[name] = ""
            inner = Code(self)
            inner.label("entry")
            arguments = [Vector(inner, f"%{letter}") for letter in "abc"[: len(operands)]]
            result = write(*arguments)
            head = f"define internal {result.type} @{name}({_typed(arguments)}) #0 {{"
            self.functions[name] = "\n".join([head, *inner.lines, f"  ret {result.type} {result}", "}", ""])
        return operands[0].code.emit(f"call {operands[0].type} @{name}({_typed(operands)})")


def _typed(operands: Sequence["Vector"]) -> str:
    return ", ".join(f"{operand.type} {operand}" for operand in operands)


#: A processor may have vectors of 512 bits and yet prefer shorter ones, unless told.
ATTRIBUTES = 'attributes #0 = { nounwind "prefer-vector-width"="512" "min-legal-vector-width"="512" }'


class Code:
    """The lines of one function; results have names with a dot, %.1, which a graph's names have not."""

    def __init__(self, module: Module, budget: int = 0) -> None:
        self.module, self.width = module, module.width
        self.budget = budget  # how many lines of functions may stand here in place of calls
        self.lines: list[str] = []
        self._constants: dict[tuple[str, str], Vector] = {}
        self._count = 0

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")
        self._constants.clear()  # known in a block are the constants of that block

    def fresh(self) -> str:
        self._count += 1
        return f"%.{self._count}"

    def emit(self, text: str, kind: str = "double") -> "Vector":
        result = Vector(self, self.fresh(), kind)
        self.lines.append(f"  {result} = {text}")
        return result

    def write(self, text: str) -> None:
        self.lines.append(f"  {text}")

    def scalar(self, text: str) -> str:
        name = self.fresh()
        self.lines.append(f"  {name} = {text}")
        return name

    def splat(self, scalar: str, kind: str = "double") -> "Vector":
        """The same number in all places."""
        one = self.emit(f"insertelement <{self.width} x {kind}> poison, {kind} {scalar}, i32 0", kind)
        return self.emit(
            f"shufflevector {one.type} {one}, {one.type} poison, <{self.width} x i32> zeroinitializer", kind
        )

    def constant(self, number: float, kind: str = "double") -> "Vector":
        key = literal(number) if kind == "double" else str(number), kind
        if key not in self._constants:
            self._constants[key] = self.splat(*key)
        return self._constants[key]

    def named(self, name: str, vector: "Vector", back: int = 1) -> "Vector":
        """Give a result of the last so many lines, which none of them uses, this name."""
        head = f"  {vector} = "
        for i in range(len(self.lines))[-back:]:
            if self.lines[i].startswith(head) and vector.name.startswith("%."):
                vector.name = f"%{name}" if name.isascii() else f'%"{name}"'
                self.lines[i] = f"  {vector} = {self.lines[i][len(head) :]}"
        return vector

    def _address(self, pointer: str, index: int) -> str:
        return self.scalar(f"getelementptr double, ptr {pointer}, i64 {index}") if index else pointer

    def load(self, kind: str, pointer: str, index: int, align: int = 8) -> str:
        return self.scalar(f"load {kind}, ptr {self._address(pointer, index)}, align {align}")

    def store(self, scalar: str, pointer: str, index: int) -> None:
        self.write(f"store double {scalar}, ptr {self._address(pointer, index)}")

    def store_first(self, vector: "Vector", pointer: str, index: int) -> None:
        self.store(self.scalar(f"extractelement {vector.type} {vector}, i32 0"), pointer, index)

    def load_vector(self, pointer: str, index: int, align: int = 8) -> "Vector":
        return Vector(self, self.load(f"<{self.width} x double>", pointer, index, align))

    def store_vector(self, vector: "Vector", pointer: str, index: int, align: int = 8) -> None:
        self.write(f"store {vector.type} {vector}, ptr {self._address(pointer, index)}, align {align}")

    def shuffled(self, a: "Vector", b: "Vector", places: Sequence[int]) -> "Vector":
        """Of the numbers of a, and then those of b, those at these places."""
        indices = ", ".join(f"i32 {place}" for place in places)
        return self.emit(f"shufflevector {a.type} {a}, {b.type} {b}, <{self.width} x i32> <{indices}>")

    def transposed(self, rows: Sequence["Vector"]) -> list["Vector"]:
        """The columns of a square of numbers: its quarters change places, then the quarters of these."""
        rows = list(rows)
        w = distance = self.width
        while distance := distance // 2:
            for i in range(w):
                if not i & distance:
                    a, b = rows[i], rows[i + distance]
                    upper = [w + k - distance if k & distance else k for k in range(w)]
                    lower = [w + k if k & distance else k + distance for k in range(w)]
                    rows[i], rows[i + distance] = self.shuffled(a, b, upper), self.shuffled(a, b, lower)
        return rows

    def every(self, vectors: Sequence["Vector"], first: int) -> "Vector":
        """Of vectors read one after the other, every n-th number, n the number of vectors."""
        w, n = self.width, len(vectors)
        sources = [divmod(k * n + first, w) for k in range(w)]  # which vector, and where in it
        result = vectors[0]
        for i, vector in enumerate(vectors[1:], 1):
            kept = [place if i == 1 and source == 0 else k for k, (source, place) in enumerate(sources)]
            new = [w + place if source == i else k for k, (source, place) in zip(kept, sources)]
            result = self.shuffled(result, vector, new)
        return result

    def intrinsic(self, name: str, *operands: "Vector") -> "Vector":
        a = operands[0]
        function = f"@llvm.{name}.v{self.width}f64"
        self.module.declared.add(f"declare {a.type} {function}({', '.join([a.type] * len(operands))})")
        return self.emit(f"call {a.type} {function}({_typed(operands)})")


def literal(number: float) -> str:
    """A float as LLVM reads it: in decimals where they are few, else its bits."""
    text = repr(number)
    if math.isfinite(number) and "e" not in text and len(text) < 8:
        return text
    return f"0x{struct.pack('>d', number).hex().upper()}"


class Vector:
    """A value of the code: of floats, of their bits as integers, or of truth values ("i1")."""

    __slots__ = ("code", "kind", "name")

    def __init__(self, code: Code, name: str, kind: str = "double") -> None:
        self.code, self.name, self.kind = code, name, kind

    def __str__(self) -> str:
        return self.name

    @property
    def type(self) -> str:
        return f"<{self.code.width} x {self.kind}>"

    def of(self, operand: Operand) -> "Vector":
        """The operand as a vector of the same kind."""
        return operand if isinstance(operand, Vector) else self.code.constant(operand, self.kind)

    def _binary(self, instruction: str, a: Operand, b: Operand, kind: str = "") -> "Vector":
        a, b = self.of(a), self.of(b)
        return self.code.emit(f"{instruction} {a.type} {a}, {b}", kind or self.kind)

    def _arithmetic(self, name: str, a: Operand, b: Operand) -> "Vector":
        return self._binary(f"f{name}" if self.kind == "double" else name, a, b)

    def __add__(self, other: Operand) -> "Vector":
        return self._arithmetic("add", self, other)

    def __radd__(self, other: float) -> "Vector":
        return self._arithmetic("add", other, self)

    def __sub__(self, other: Operand) -> "Vector":
        return self._arithmetic("sub", self, other)

    def __rsub__(self, other: float) -> "Vector":
        return self._arithmetic("sub", other, self)

    def __mul__(self, other: Operand) -> "Vector":
        return self._arithmetic("mul", self, other)

    def __rmul__(self, other: float) -> "Vector":
        return self._arithmetic("mul", other, self)

    def __truediv__(self, other: Operand) -> "Vector":
        return self._arithmetic("div", self, other)

    def __rtruediv__(self, other: float) -> "Vector":
        return self._arithmetic("div", other, self)

    def __neg__(self) -> "Vector":
        return self.code.emit(f"fneg {self.type} {self}")

    def __abs__(self) -> "Vector":
        return self.code.intrinsic("fabs", self)

    # What compares is false for nan, except `differs`. (No `__eq__`: vectors are kept in dicts.)

    def _compare(self, how: str, other: Operand) -> "Vector":
        instruction = f"fcmp {how}" if self.kind == "double" else f"icmp {how[1:]}"
        return self._binary(instruction, self, other, "i1")

    def __gt__(self, other: Operand) -> "Vector":
        return self._compare("ogt", other)

    def __ge__(self, other: Operand) -> "Vector":
        return self._compare("oge", other)

    def __lt__(self, other: Operand) -> "Vector":
        return self._compare("olt", other)

    def __le__(self, other: Operand) -> "Vector":
        return self._compare("ole", other)

    def equals(self, other: Operand) -> "Vector":
        return self._compare("oeq", other)

    def differs(self, other: Operand) -> "Vector":
        return self._compare("une", other)

    def is_nan(self) -> "Vector":
        return self._compare("uno", self)

    # Of bits and of truth values.

    def __and__(self, other: Operand) -> "Vector":
        return self._binary("and", self, other)

    def __or__(self, other: Operand) -> "Vector":
        return self._binary("or", self, other)

    def __xor__(self, other: Operand) -> "Vector":
        return self._binary("xor", self, other)

    def __lshift__(self, by: int) -> "Vector":
        return self._binary("shl", self, by)

    def __rshift__(self, by: int) -> "Vector":
        return self._binary("lshr", self, by)

    def bits(self) -> "Vector":
        return self.code.emit(f"bitcast {self.type} {self} to <{self.code.width} x i64>", "i64")

    def float(self) -> "Vector":
        return self.code.emit(f"bitcast {self.type} {self} to <{self.code.width} x double>")


def select(condition: Vector, a: Operand, b: Operand) -> Vector:
    """Of each place the number of a, where the condition holds, or of b."""
    code = condition.code
    a, b = (v if isinstance(v, Vector) else code.constant(v) for v in (a, b))
    return code.emit(f"select {condition.type} {condition}, {a.type} {a}, {b.type} {b}", a.kind)


def fma(a: Vector, b: Operand, c: Operand) -> Vector:
    """a·b + c, rounded once where the processor can do that, else twice."""
    return a.code.intrinsic("fmuladd", a, a.of(b), a.of(c))


def sqrt(a: Vector) -> Vector:
    return a.code.intrinsic("sqrt", a)


def with_sign(a: Vector, sign: Vector) -> Vector:
    return a.code.intrinsic("copysign", a, sign)


def _one_by_one(name: str, *operands: Vector) -> Vector:
    code = operands[0].code
    code.module.symbols.add(name)
    code.module.declared.add(f"declare double @{name}({', '.join(['double'] * len(operands))})")
    result = Vector(code, "poison")
    for i in range(code.width):
        elements = [code.scalar(f"extractelement {v.type} {v}, i32 {i}") for v in operands]
        one = code.scalar(f"call double @{name}({', '.join(f'double {e}' for e in elements)})")
        result = code.emit(f"insertelement {result.type} {result}, double {one}, i32 {i}")
    return result


# ── Numbers ───────────────────────────────────────────────────────────────────────────────────────────

#: Products of the first part with integers below 2¹³ (of π/2: 2²⁰) are exact; the others add what is left.
LN2 = 0.6931471805592082, 7.371002565167799e-13
LOG10_2 = 0.30102999566361177, 3.694239077158931e-13
HALF_PI = 1.5707963267341256, 6.077100506303966e-11, 2.0222662487111665e-21, 8.4784276603689e-32

#: The first part is of 26 bits.
LOG2_E = 1.4426950216293335, 1.9259629911266175e-08
LOG10_E = 0.4342944771051407, 4.798111141615973e-09
_LN2_REST = 2.3190468138462996e-17  # what rounding takes away from log 2

#: Added to a small number, this leaves it rounded to an integer, in the last bits.
_ROUNDER = 1.5 * 2.0**52

_ONE = 0x3FF0000000000000  # the bits of 1.0; the exponent is a number of 11 bits, 52 bits from the right
_MANTISSA = (1 << 52) - 1

# fmt: off
#: (eʳ − 1 − r)/r² for |r| ≤ ½ log 2.
EXP = (
    2.09147553258932e-09, 2.5105312729622103e-08, 2.755727347871858e-07, 2.755725517000089e-06,
    2.480158732567746e-05, 0.0001984126987500228, 0.0013888888888883711, 0.008333333333326084,
    0.04166666666666667, 0.1666666666666667, 0.5,
)
#: (2·atanh(s)/s − 2)/s², as a polynomial in s², for |s| ≤ (√2 − 1)/(√2 + 1).
LOG = (
    0.13088034850927555, 0.13268638369266825, 0.15386244737621665, 0.18181795547521137, 0.22222222392581045,
    0.28571428570799784, 0.40000000000000885, 0.6666666666666666,
)
#: (tanh(a)/a − 1)/a², as a polynomial in a², for |a| ≤ 0.625.
TANH = (
    6.485163482793113e-06, -3.12011014257974e-05, 9.257116129556769e-05, -0.0002375906496055562,
    0.0005896606577757043, -0.0014557754120478055, 0.0035921217511549622, -0.008863235103240878,
    0.021869488519008305, -0.05396825396789699, 0.13333333333333042, -0.3333333333333333,
)
#: (sin(a)/a − 1)/a² and (cos(a) − 1 + a²/2)/a⁴, as polynomials in a², for |a| ≤ π/4.
SIN = (
    -7.586576588171073e-13, 1.6058529572267877e-10, -2.5052106219521895e-08, 2.755731921930192e-06,
    -0.00019841269841265017, 0.008333333333333331, -0.16666666666666666,
)
COS = (
    -1.1382456778061306e-11, 2.0876143827993133e-09, -2.7557317260008837e-07, 2.480158729874307e-05,
    -0.0013888888888887382, 0.041666666666666664,
)
#: erf(a)/a − 1, as a polynomial in a², for |a| ≤ 1.
ERF = (
    -7.795898827002142e-10, 1.3720064546777686e-08, -1.6208483801871705e-07, 1.6447424703317362e-06,
    -1.492473690741966e-05, 0.00012055294904839707, -0.0008548325975389692, 0.0052239776071164225,
    -0.02686617064323777, 0.11283791670945006, -0.37612638903183543, 0.12837916709551256,
)
#: (½·erfc(−a/√2) − ½)/a − ¼, as a polynomial in a², for a² ≤ 0.72.
NORMAL = (
    -9.609749929138236e-11, 2.2483815346108404e-09, -4.120567048755531e-08, 6.659586882883486e-07,
    -9.44465289891575e-06, 0.00011543468697027299, -0.0011873282154090741, 0.009973557010031808,
    -0.06649038006690536, 0.14894228040143268,
)
#: log(a·erfc(a)) + a² + 0.625, as a polynomial in (a − 1)/(a + 1), for 0.6 ≤ a ≤ 28.
ERFC = (
    -0.0005251801114976466, 0.003747322288038604, -0.011297459991230687, 0.017898103350617967,
    -0.012703835693693093, -0.007568721844414585, 0.032434588646973836, -0.04909246210289363,
    0.05537888440168578, -0.05708602220345915, 0.05891851064346156, -0.06247711548616141,
    0.06658418362663708, -0.07127548385309514, 0.07732472978422207, -0.08279661808274053,
    0.09118078285592789, -0.10065785556861453, 0.10901724205027331, -0.1279572811612039,
    0.14179932307085577, -0.16083163193768027, 0.21628809468093863, -0.23214725093933297,
    0.31138480295701715, -0.6503640539035238, 0.7220649715304175, -0.22460550993324824,
)
# fmt: on


def polynomial(a: Vector, coefficients: Sequence[float]) -> Vector:
    """Of the highest power first; odd and even powers apart, so that neither waits for the other."""
    square = a * a
    odd, even = (_horner(square, coefficients[::-1][i::2][::-1]) for i in (1, 0))
    return fma(odd, a, even)


def _horner(a: Vector, coefficients: Sequence[float]) -> Vector:
    result = a.of(coefficients[0])
    for coefficient in coefficients[1:]:
        result = fma(result, a, coefficient)
    return result


def two_sum(a: Vector, b: Vector) -> tuple[Vector, Vector]:
    """A + b and what rounding takes away from it, whichever is larger (Knuth)."""
    total = a + b
    of_b = total - a
    return total, (a - (total - of_b)) + (b - of_b)


def _at_least(a: Vector, low: float) -> Vector:
    return select(a < low, low, a)  # nan stays nan


def _at_most(a: Vector, high: float) -> Vector:
    return select(a > high, high, a)


def _rounded(a: Vector, factor: float) -> tuple[Vector, Vector]:
    """The integer k next to a·factor: as a float; and with its bits, modulo 2⁵², last."""
    shifted = fma(a, factor, _ROUNDER)
    return shifted - _ROUNDER, shifted.bits()


def _power_of_two(k: Vector) -> Vector:
    """2ᵏ for −1023 < k < 1024, an integer in the last bits."""
    return ((k + 1023) << 52).float()


# ── Exponentials ──────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Reduced:
    """A number as k·log 2 + r + tail: k is an integer, |r| ≤ ½ log 2, and the tail is below an ulp of r."""

    k: Vector
    bits: Vector  # those of k, last
    r: Vector
    tail: Vector

    def above_one(self) -> Vector:
        """eʳ − 1"""
        return self.r + self.curved()

    def curved(self) -> Vector:
        """eʳ − 1 − r"""
        return fma(self.r * self.r, polynomial(self.r, EXP), self.tail)


def _reduced(a: Vector, low: float, high: float, rest: Vector | None = None) -> Reduced:
    """Of a + rest, the rest being small, and a not below low and not above high."""
    if low > -inf:
        a = _at_least(a, low)
    if high < inf:
        a = _at_most(a, high)
    k, bits = _rounded(a, 1 / math.log(2))
    large = fma(k, -LN2[0], a)  # exact
    small = k * -LN2[1]
    if rest:
        small = rest + small
    r = large + small
    return Reduced(k, bits, r, (large - r) + small)


def _scaled(a: Vector, k: Vector) -> Vector:
    """a·2ᵏ, in two steps, since the result may be smaller than the smallest 2ᵏ, or infinite."""
    half, bits = _rounded(k, 0.5)
    rest = (k - half) + _ROUNDER
    return a * _power_of_two(bits) * _power_of_two(rest.bits())


def exp(a: Vector) -> Vector:
    x = _reduced(a, -746.0, 710.0)
    return _scaled(1.0 + x.above_one(), x.k)


def exp2(a: Vector) -> Vector:
    a = _at_most(_at_least(a, -1076.0), 1025.0)
    k, bits = _rounded(a, 1.0)
    fraction = a - k
    r = fraction * math.log(2)
    tail = fma(fraction, math.log(2), -r) + fraction * _LN2_REST
    return _scaled(1.0 + Reduced(k, bits, r, tail).above_one(), k)


def expm1(a: Vector) -> Vector:
    # 2ᵏ − 1 + 2ᵏ·r is summed without rounding; all of it at half its size, since 2¹⁰²⁴ is infinite.
    x = _reduced(a, -40.0, 710.0)
    half = _power_of_two(x.bits - 1)
    large, rest = two_sum(half - 0.5, half * x.r)
    return select(abs(a) < 2.0**-54, a, 2.0 * (large + fma(half, x.curved(), rest)))


# ── Logarithms ────────────────────────────────────────────────────────────────────────────────────────

_ROOT_HALF = 0x3FE6A09E667F3BCD  # the bits of √½


def _exponent(a: Vector) -> tuple[Vector, Vector]:
    """K and m with a = 2ᵏ·m, m from √½ to √2, for normal positive numbers."""
    bits = a.bits() + (_ONE - _ROOT_HALF)
    m = ((bits & _MANTISSA) + _ROOT_HALF).float()
    # An integer below 2⁵² in the last bits of 2⁵² is that much more than 2⁵².
    k = ((bits >> 52) | 0x4330000000000000).float() - (2.0**52 + 1023)
    return k, m


def _below(f: Vector, tail: Vector | None = None) -> Vector:
    """How much log(1 + f) + tail is below f, for √½ ≤ 1 + f ≤ √2."""
    # With s = f/(2 + f), log(1 + f) = 2·atanh(s) = f − f²/2 + s·(f²/2 + s²·polynomial).
    s = f / (f + 2.0)
    z = s * s
    half_square = 0.5 * f * f
    small = s * fma(z, polynomial(z, LOG), half_square)
    return half_square - (small + tail if tail else small)


def _log_parts(a: Vector) -> tuple[Vector, Vector]:
    is_tiny = a < 2.0**-1022
    k, m = _exponent(select(is_tiny, a * 2.0**54, a))
    return select(is_tiny, k - 54.0, k), m


def _defined(a: Vector, zero: float, result: Vector) -> Vector:
    """−∞ at the end of the domain, nan beyond it, and infinity and nan themselves."""
    at_the_end = select(a < zero, nan, select(a.equals(zero), -inf, a))
    return select((a > zero) & (a < inf), result, at_the_end)


def log(a: Vector) -> Vector:
    k, m = _log_parts(a)
    f = m - 1.0
    return _defined(a, 0.0, fma(k, LN2[0], f - _below(f, k * LN2[1])))


def log2(a: Vector) -> Vector:
    k, m = _log_parts(a)
    return _defined(a, 0.0, k + _times(LOG2_E, m - 1.0))


def log10(a: Vector) -> Vector:
    k, m = _log_parts(a)
    return _defined(a, 0.0, fma(k, LOG10_2[0], _times(LOG10_E, m - 1.0, k * LOG10_2[1])))


def _times(factor: tuple[float, float], f: Vector, tail: Vector | None = None) -> Vector:
    """The logarithm of 1 + f, times a factor, and the tail."""
    small = fma(_below(f), -sum(factor), f * factor[1])
    head = _head(f)  # of which the product with the first part of the factor is exact
    return fma(head, factor[0], fma(f - head, factor[0], small + tail if tail else small))


def _head(a: Vector) -> Vector:
    """The first 26 bits."""
    return (a.bits() & ~((1 << 27) - 1)).float()


def log1p(a: Vector) -> Vector:
    u, rest = two_sum(a.of(1.0), a)
    k, m = _exponent(u)
    near = k.equals(0.0)  # then 1 + a need not be rounded at all
    f = select(near, a, m - 1.0)
    tail = select(near, 0.0, fma(k, LN2[1], rest / u))
    of_mantissa = f - _below(f, tail)
    result = select(near, of_mantissa, fma(k, LN2[0], of_mantissa))
    return _defined(a, -1.0, result)


# ── Sine and cosine ───────────────────────────────────────────────────────────────────────────────────

#: Beyond it, multiples of π/2 in four parts have not digits enough, and the C library is asked.
_LARGE_ANGLE = 1e6


def _two_difference(a: Vector, b: Vector) -> tuple[Vector, Vector]:
    return two_sum(a, -b)


def _sine(a: Vector, quarters: int, library: str) -> Vector:
    """sin(a + quarters·π/2)"""
    k, bits = _rounded(a, 2 / math.pi)
    first, rest = _two_difference(fma(k, -HALF_PI[0], a), k * HALF_PI[1])
    second, more = _two_difference(first, k * HALF_PI[2])
    small = (rest + more) - k * HALF_PI[3]
    r = second + small
    tail = (second - r) + small
    z = r * r
    half = 0.5 * z
    sine = r + fma(r * z, polynomial(z, SIN), tail * (1.0 - half))
    if not quarters:
        sine = select(abs(a) < 2.0**-27, a, sine)  # and −0 stays −0
    near_one = 1.0 - half
    cosine = near_one + (((1.0 - near_one) - half) + fma(z * z, polynomial(z, COS), -(r * tail)))
    quarter = bits + quarters if quarters else bits
    result = select((quarter & 1).equals(0), sine, cosine)
    result = (result.bits() ^ ((quarter & 2) << 62)).float()
    return _or_else(result, (abs(a) > _LARGE_ANGLE) & (abs(a) < inf), library, a)


def _or_else(result: Vector, condition: Vector, library: str, a: Vector) -> Vector:
    """The C library's result, for all places, where the condition holds for any."""
    code, width = a.code, a.code.width
    any_place = code.scalar(f"bitcast {condition.type} {condition} to i{width}")
    is_any = code.scalar(f"icmp ne i{width} {any_place}, 0")
    code.write(f"br i1 {is_any}, label %large, label %done")
    code.label("large")
    other = code.module.call_library(library, a)
    code.write("br label %done")
    code.label("done")
    return code.emit(f"phi {a.type} [ {result}, %entry ], [ {other}, %large ]")


def sin(a: Vector) -> Vector:
    return _sine(a, 0, "sin")


def cos(a: Vector) -> Vector:
    return _sine(a, 1, "cos")


# ── Activations ───────────────────────────────────────────────────────────────────────────────────────


def tanh(a: Vector) -> Vector:
    size = abs(a)
    z = a * a
    near = fma(a * z, polynomial(z, TANH), a)
    x = _reduced(2.0 * size, -inf, 44.0)
    e = _power_of_two(x.bits) * (1.0 + x.above_one())
    return with_sign(select(size < 0.625, near, 1.0 - 2.0 / (1.0 + e)), a)  # and −0 stays −0


def sigmoid(a: Vector) -> Vector:
    # 1/(1 + e) or e/(1 + e), e the exponential of −|a|.
    x = _reduced(-abs(a), -1000.0, inf)
    above_one = x.above_one()
    e = 1.0 + above_one
    k = _at_least(x.k, -1000.0)
    scale, more = (_power_of_two((v + _ROUNDER).bits()) for v in (k, x.k - k))
    scaled = e * scale
    total = 1.0 + scaled
    is_negative = a < 0.0
    quotient = select(is_negative, e, 1.0) / total
    # What rounding took from e, which is near 1, and from 1 + e; that counts most where it is next to 1.
    rest = select(is_negative, above_one - (e - 1.0), 0.0)
    quotient = fma(quotient, rest - ((1.0 - total) + scaled), quotient)
    # Two powers of 2, of which the product may underflow.
    return quotient * select(is_negative, scale, 1.0) * select(is_negative, more, 1.0)


def softplus(a: Vector) -> Vector:
    return select(a > 0.0, a, 0.0) + log1p(exp(-abs(a)))


def _erf_near_zero(a: Vector) -> Vector:
    """(erf(a) − a) for |a| < 1."""
    return a * polynomial(a * a, ERF)


def _erfc_times(x: Vector, half: float = 1.0, factor: float = 1.0) -> tuple[Vector, Vector, Vector]:
    """The product of factor, y and erfc(y), where y² = half·x², for 0.6 ≤ y ≤ 28.

    As k, e and rest: it is 2ᵏ·(e + rest), e near 1 and the rest below an ulp.
    """
    # Nothing may be rounded of what is added up in the exponent: x², and the constants.
    head = _head(x)
    rest = (x - head) * (x + head)
    y = x * math.sqrt(half)
    t = (y - 1.0) / (y + 1.0)
    constants = ERFC[-1], -0.625, math.log(factor)
    constant = math.fsum(constants)
    total, lost = two_sum(-half * (head * head), x.of(constant))
    lost = lost + math.fsum([*constants, -constant])
    total, lost = two_sum(total, lost + (t * _horner(t, ERFC[:-1]) - half * rest))
    reduced = _reduced(total, -inf, inf, lost)
    above_one = reduced.above_one()
    e = 1.0 + above_one
    return reduced.k, e, above_one - (e - 1.0)


def _erfc_tail(a: Vector) -> Vector:
    k, e, rest = _erfc_times(a)
    quotient = e / a
    left = fma(-quotient, a, e) + rest
    return _scaled(quotient + left * (1.0 / a), k)


def erf(a: Vector) -> Vector:
    size = abs(a)
    far = 1.0 - _erfc_tail(_at_most(size, 6.0))  # where it is 1
    return select(size >= 1.0, with_sign(far, a), a + _erf_near_zero(a))


def erfc(a: Vector) -> Vector:
    size = _at_most(abs(a), 28.0)  # where it is 0
    tail = _erfc_tail(size)
    far = select(a < 0.0, 2.0 - tail, tail)
    small = _erf_near_zero(a)
    near = select(a < 0.25, 1.0 - (a + small), 0.5 - ((a - 0.5) + small))
    return select(size >= 0.6, far, near)


def gelu(a: Vector) -> Vector:
    # −y·erfc(y)/√2, where y = −a/√2, and that is subtracted from a where a is positive.
    k, e, _ = _erfc_times(_at_most(abs(a), 39.0), 0.5, math.sqrt(0.5))
    tail = _scaled(e, k)
    far = select(a < 0.0, select(a > -inf, -tail, nan), a - tail)  # −∞·0 at −∞
    z = a * a
    quarter, rest = 0.25 * a, a * polynomial(z, NORMAL)
    most = 0.5 + quarter
    rest_of_most = (0.5 - most) + quarter
    near = select(z > 0.0625, a * (most + (rest_of_most + rest)), 0.5 * a + a * (quarter + rest))
    return select(z > 0.72, far, with_sign(near, a))  # and −0 stays −0


FUNCTIONS: dict[str, Function] = {
    function.__name__: function
    for function in (
        exp, exp2, expm1, log, log2, log10, log1p, sin, cos, tanh, sigmoid, softplus, erf, erfc, gelu,
    )
}  # fmt: skip

#: These have several blocks.
_BRANCHING = frozenset({"sin", "cos"})
