"""Formulas read back: does what `formula` writes, as text and as LaTeX, give the value that it is of?

    python -m campaigns.formulas 10000      (in the folder tests)

The readers know nothing of how a formula was made. The one of text stops where two readings are possible.
The one of LaTeX sees what is typeset: no space between two numbers, and none between two words.
"""

import math
import random
import re
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

import microgradlike as mg
from microgradlike import Constant, Value, ops
from microgradlike.formula import formula
from microgradlike.ops import OPS

_CALLS = {name: op for name, op in OPS.items() if op.text != "" and callable(op.text)}
_EXPONENTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


class CannotRead(Exception):
    """There is no reading, or more than one."""


class Reader(ABC):
    """A reader of an expression, from left to right: what both kinds have in common."""

    def __init__(self, tokens: list[tuple[str, str]], names: Mapping[str, float]) -> None:
        self.tokens, self.names, self.i = [*tokens, ("end", "")], names, 0

    def read(self) -> float:
        value = self.sum()
        self.take("end")
        return value

    @property
    def kind(self) -> str:
        return self.tokens[self.i][0]

    def take(self, kind: str) -> str:
        found, text = self.tokens[self.i]
        if found != kind:
            rest = "".join(text for _, text in self.tokens[self.i : self.i + 8])
            raise CannotRead(f"{kind} was expected at {rest!r}")
        self.i += 1
        return text

    def sum(self) -> float:
        total = self.term()
        while self.kind in {"+", "-"}:
            sign = 1.0 if self.take(self.kind).strip() == "+" else -1.0
            if self.kind == "-":
                raise CannotRead("two signs, one behind the other")
            total += sign * self.term()
        return total

    def term(self) -> float:
        if self.kind == "-":
            self.take("-")
            return -self.term()
        value = self.product()
        if self.kind == "/":
            self.take("/")
            value /= self.power()
            if self.kind in {"/", "*", "("}:
                raise CannotRead("a / b and more: is it in the denominator?")
        return value

    def product(self) -> float:
        value = self.power()
        while self.kind in {"*", "(", *self.also_multiplied}:
            if self.kind == "*":
                self.take("*")
                if self.kind == "-":
                    raise CannotRead("a sign behind a dot")
            value *= self.power()
        return value

    also_multiplied: tuple[str, ...] = ()

    def power(self) -> float:
        value = self.atom()
        if self.kind == "exponent":
            value = power(value, float(self.take("exponent").translate(_EXPONENTS)))
        elif self.kind == "^":
            self.take("^")
            value = power(value, self.exponent())
        if self.kind in {"^", "exponent"}:
            raise CannotRead("a power of a power without brackets")
        return value

    def exponent(self) -> float:
        value = self.atom()
        if self.kind == "(":
            raise CannotRead("a bracket behind an exponent")
        return value

    @abstractmethod
    def atom(self) -> float:
        """A number, a name, a call, or what stands in brackets."""

    def enclosed(self, greater: str) -> float:
        """What stands between bars or in brackets of any kind, whose contents are written alike."""
        match self.kind:
            case "|":
                self.take("|")
                value = self.sum()
                self.take("|")
                return abs(value)
            case "[":
                self.take("[")
                left = self.sum()
                sign = self.take(self.kind)
                right = self.sum()
                self.take("]")
                return float(left > right if sign == greater else left == right)
        return self.bracket()

    def bracket(self) -> float:
        self.take("(")
        value = self.sum()
        self.take(")")
        return value

    def arguments(self) -> list[float]:
        self.take("(")
        values = [self.sum()]
        while self.kind == ",":
            self.take(",")
            values.append(self.sum())
        self.take(")")
        return values

    def named(self, name: str) -> float:
        if name not in self.names:
            raise CannotRead(f"nothing is called {name!r}, but {[*self.names]}")
        return self.names[name]


def power(base: float, exponent: float) -> float:
    return float(ops.pow.forward(base, exponent))


# ── Text ──────────────────────────────────────────────────────────────────────────────────────────────

_LETTERS = r"[^\W\d_⁰¹²³⁴⁵⁶⁷⁸⁹½](?:[^\W⁰¹²³⁴⁵⁶⁷⁸⁹½]|[′'\u0300-\u036f]|\.(?=\w)|(?<=\d),(?=\d))*"
_WORD = rf"(?:⟨[^⟩]*⟩|{_LETTERS})(?:⁽[⁰¹²³⁴-⁹]+⁾)?"
_TEXT = [
    ("number", r"\d+(?:\.\d+)?(?:e[−+]?\d+)?|inf\b|nan\b"),
    ("½", "½"),
    ("call", rf"(?:{'|'.join([*sorted(_CALLS, key=len, reverse=True), 'σ'])})(?=\()"),
    ("name", _WORD),
    ("exponent", "[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+"),
    ("+", r" \+ "),
    ("-", " − |−"),
    ("/", " / "),
    (">", " > "),
    ("=", " = "),
    ("*", "·"),
    (",", ", "),
    *((c, re.escape(c)) for c in "()[]|^"),
]


class TextReader(Reader):
    def __init__(self, text: str, names: Mapping[str, float]) -> None:
        super().__init__(_tokens(text, _TEXT), names)

    def atom(self) -> float:
        match self.kind:
            case "number":
                return float(self.take("number").replace("−", "-"))
            case "½":
                self.take("½")
                return 0.5 * power_of(self)
            case "name":
                return self.named(self.take("name"))
            case "call":
                name = self.take("call")
                op = ops.sigmoid if name == "σ" else _CALLS[name]
                return float(op.forward(*self.arguments()))
        return self.enclosed(" > ")


def power_of(reader: Reader) -> float:
    """½(…)²: the square is that of the bracket."""
    value = reader.bracket()
    if reader.kind == "exponent":
        value = power(value, float(reader.take("exponent").translate(_EXPONENTS)))
    elif reader.kind == "^":
        reader.take("^")
        value = power(value, reader.exponent())
    return value


def _tokens(text: str, kinds: list[tuple[str, str]]) -> list[tuple[str, str]]:
    tokens, i = [], 0
    while i < len(text):
        for kind, pattern in kinds:
            if found := re.compile(pattern).match(text, i):
                tokens.append((kind, found[0]))
                i = found.end()
                break
        else:
            raise CannotRead(f"{text[i : i + 20]!r} is no notation")
    return tokens


# ── LaTeX ─────────────────────────────────────────────────────────────────────────────────────────────

_FUNCTION = "|".join(["exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh"])
_LATEX = [
    ("number", r"\d+(?:\.\d+)?|\\infty"),
    ("½", r"\\tfrac\{1\}\{2\}"),
    ("frac", r"\\frac"),
    ("root", r"\\sqrt(?:\[\{3\}\])?"),
    ("call", rf"\\(?:log_2|log_\{{10\}}|sigma|operatorname\{{[^}}]*\}}|{_FUNCTION})(?=\\left\()"),
    (
        "name",
        r"(?:\\langle(?:(?!\\rangle).)*\\rangle|\\mathrm\{(?:\\.(?:\{\})?|\\[a-z]+\{\}|[^{}\\])*\}|[^\W\d_])"
        r"(?:_\{[\d,]+\})?(?:\^\{\(\d+\)\})?",
    ),
    ("(", r"\\left\(|\("),
    (")", r"\\right\)|\)"),
    ("|", r"\\left\||\\right\|"),
    ("*", r"\\cdot"),
    *((c, re.escape(c)) for c in "+-^,{}[]>="),
]


class LatexReader(Reader):
    also_multiplied = ("name", "frac", "root", "call")

    def __init__(self, text: str, names: Mapping[str, float]) -> None:
        kept = text.replace(r"\ ", "\0")
        typeset = re.sub(r"(\\[a-z]+) (?=[a-zA-Zσ])", r"\1{}", kept).replace(" ", "").replace("\0", r"\ ")
        typeset = (
            typeset.replace(r"\cdot{}", r"\cdot")
            .replace(r"\rangle{}", r"\rangle")
            .replace(r"\langle{}", r"\langle")
        )
        super().__init__(_tokens(typeset, _LATEX), names)
        for (kind, text), (following, after) in zip(self.tokens, self.tokens[1:]):
            if kind == following == "name" and r"\mathrm" in text and r"\mathrm" in after:
                raise CannotRead(f"{text}{after} is one word")
            if kind in {"name", "number"} and following == "number":
                raise CannotRead(f"{text}{after}: the second is no index")

    def group(self) -> float:
        self.take("{")
        value = self.sum()
        self.take("}")
        return value

    def exponent(self) -> float:
        return self.group() if self.kind == "{" else self.digit()

    def digit(self) -> float:
        digit = self.take("number")
        if len(digit) > 1:
            raise CannotRead(f"of ^{digit} the first digit alone is the exponent")
        return float(digit)

    def atom(self) -> float:
        match self.kind:
            case "number":
                return float(self.take("number").replace(r"\infty", "inf"))
            case "½":
                self.take("½")
                return 0.5 * power_of(self)
            case "frac":
                self.take("frac")
                above = self.group()
                return above / self.group()
            case "root":
                root = self.take("root")
                return float((ops.cbrt if "3" in root else ops.sqrt).forward(self.group()))
            case "name":
                return self.named(_latex_name(self.take("name")))
            case "call":
                return self.call(self.take("call"))
        return self.enclosed(">")

    def call(self, written: str) -> float:
        name = (
            written.removeprefix("\\").removeprefix("operatorname{").removesuffix("}").replace(r"\_", "_")
        )
        name = {"sigma": "sigmoid", "log_2": "log2", "log_{10": "log10"}.get(name, name)
        return float(OPS[name].forward(*self.arguments()))


def _latex_name(written: str) -> str:
    r"""The name that is typeset: w_{11} is w11, and \mathrm{a\_b} is a_b."""
    number = re.search(r"\^\{\((\d+)\)\}$", written)
    written = written[: number.start()] if number else written
    index = re.search(r"_\{([\d,]+)\}$", written)
    written = written[: index.start()] if index else written
    is_apart = written.startswith(r"\langle")
    word = written.removeprefix(r"\langle").removesuffix(r"\rangle").removeprefix("{}").strip()
    if word.startswith(r"\mathrm{"):
        word = word[len(r"\mathrm{") : -1]
    word = re.sub(r"\\([ #$%&_{}])", r"\1", word)
    name = f"⟨{word}⟩" if is_apart else word
    return name + (index[1] if index else "") + (marked(number[1]) if number else "")


def marked(number: str) -> str:
    return "⁽" + number.translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")) + "⁾"


# ── Formulas ──────────────────────────────────────────────────────────────────────────────────────────

PLAIN = ["a", "x", "y", "w11", "w10,3", "h2", "loss", "learning_rate", "b", "ab", "cd", "η", "t", "max"]
ODD = ["1 - p", "σ", "exp", "x²", "two words", "a·b", "2", "-", "inf", "x + y", "∂L", "a/b", "|x|"]
_UNSTEADY = {ops.sign, ops.equal, ops.cross_entropy}
_OPERATORS = {"add", "sub", "mul", "div", "neg", "quotient"}  # beside the public functions
ROWS = [
    op for name, op in OPS.items() if (name in mg.__all__ or name in _OPERATORS) and op not in _UNSTEADY
]


class Formulas(NamedTuple):
    tried: int
    rows: Counter[str]
    wrong: list[str]

    def __str__(self) -> str:
        most = ", ".join(f"{name} {count:,}" for name, count in self.rows.most_common(8))
        rows = f"of {len(self.rows)} rows, as {most}"
        return f"{self.tried:,} formulas read, {len(self.wrong):,} wrongly; {rows}"


def grown(rng: random.Random) -> Value:
    """A random value of moderate numbers."""
    names = PLAIN + ODD if rng.random() < 0.5 else PLAIN
    leaves = [
        Value(rng.choice([rng.uniform(-3, 3), rng.uniform(0.1, 0.9)]), rng.choice(names)) for _ in range(5)
    ]
    pool: list[Value] = [*leaves]
    most = rng.randint(1, 7)
    while len(pool) < 5 + most:
        op = rng.choice(
            [
                ops.add,
                ops.sub,
                ops.mul,
                ops.div,
                ops.neg,
                ops.power(rng.choice([2.0, 3.0, -1.0, 0.5])),
                ops.dot,
                ops.sum,
                ops.prod,
            ]
            if rng.random() < 0.6
            else ROWS
        )
        count = op.arity or rng.choice([2, 3, 4, 5])
        if op is ops.half_squared_error:
            count = 4
        operands = [number(rng) if rng.random() < 0.2 else rng.choice(pool[-6:]) for _ in range(count)]
        if all(isinstance(v, Constant) for v in operands):
            continue
        try:
            made = operands[0].apply(op, operands)
        except (ValueError, ArithmeticError):
            continue
        if 1e-3 < abs(made.data) < 1e4:
            if rng.random() < 0.2:
                made.name = rng.choice(names)
            pool.append(made)
    return pool[-1]


def number(rng: random.Random) -> Constant:
    return Constant(rng.choice([2.0, 10.0, -3.0, 0.5, 1e-7, -2.5e-6, 1e20, rng.uniform(-2, 2)]))


def mentioned(value: Value, depth: int) -> list[Value]:
    """The values that go by their names where so many named ones are opened up."""
    found: dict[Value, None] = {}
    stack = [(value, depth)]
    seen = set()
    while stack:
        v, left = stack.pop()
        if (v, left) in seen:
            continue
        seen.add((v, left))
        if v.name and (not v.op or not left):
            found[v] = None
        elif v.op:
            inside = left - 1 if v.name or v is value else left
            stack += [(p, inside) for p in v.parents]
    return [*found]


def in_forward_order(value: Value) -> list[Value]:
    order: dict[Value, None] = {}

    def visit(v: Value) -> None:
        if v not in order:
            for p in v.parents:
                visit(p)
            order[v] = None

    visit(value)
    return [*order]


def names_of(value: Value, depth: int) -> dict[str, float]:
    """The numbers that the names in a formula stand for, by the rule for equal names."""
    shown = mentioned(value, depth)
    alike = {v.name for v in shown if sum(v.name == other.name for other in shown) > 1}
    in_all = [v for v in in_forward_order(value) if v.name]
    names = {}
    for v in shown:
        same = [other for other in in_all if other.name == v.name]
        name = v.name if v.name in PLAIN else f"⟨{v.name}⟩"
        names[name + (marked(str(same.index(v) + 1)) if alike and len(same) > 1 else "")] = v.data
    return names


def campaign(count: int, seed: int = 0, *, latex: bool = False) -> Formulas:
    rows: Counter[str] = Counter()
    wrong = []
    reader: Callable[[str, Mapping[str, float]], Reader] = LatexReader if latex else TextReader
    for i in range(count):
        rng = random.Random(f"{seed} {i}")
        value, depth = grown(rng), rng.choice([1, 1, 2, 9])
        text = formula(value, depth=depth, latex=latex)
        rows.update({node.op.name.partition("(")[0] for node in mg.topological_order(value) if node.op})
        try:
            got = reader(text, names_of(value, depth)).read()
        except (CannotRead, ValueError, ArithmeticError) as error:
            wrong.append(f"{i}: {text}: {error!r}")
            continue
        if not math.isclose(got, value.data, rel_tol=1e-6, abs_tol=1e-6):
            wrong.append(f"{i}: {text} is {value.data}, and is read as {got}")
    return Formulas(count, rows, wrong)


if __name__ == "__main__":
    for latex in (False, True):
        result = campaign(int(sys.argv[1]), latex=latex)
        print("LaTeX:" if latex else "text:", result)
        print("\n".join(result.wrong[:12]))
