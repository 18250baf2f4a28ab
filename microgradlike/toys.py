"""Small examples from formulas: the truth tables, moons, circles, spirals and yin-yang."""

import math
from collections.abc import Callable
from random import Random
from typing import Protocol

from microgradlike.table import Table, number_in, whole_number


def xor() -> Table:
    """The four examples of exclusive or: one of the two, but not both.

    >>> xor().rows, xor().targets
    ([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0])
    """
    return _truth("XOR", [0, 1, 1, 0])


#: So many examples are two gigabytes.
_MOST = 10_000_000


def and_() -> Table:
    """The four examples of and: one neuron learns them, since a straight line parts the classes.

    >>> and_().targets
    [0, 0, 0, 1]
    """
    return _truth("AND", [0, 0, 0, 1])


def or_() -> Table:
    """The four examples of or, which one neuron learns as well.

    >>> or_().targets
    [0, 1, 1, 1]
    """
    return _truth("OR", [0, 1, 1, 1])


def _truth(name: str, targets: list[int]) -> Table:
    rows = [[a, b] for a in (0.0, 1.0) for b in (0.0, 1.0)]
    return Table(name, ["x1", "x2"], rows, targets, classes=["0", "1"])


def moons(n: int = 200, noise: float = 0.1, seed: int = 0) -> Table:
    """Two half circles of radius 1 that reach into each other, as in scikit-learn.

    Args:
        n: how many points; the classes are of one size, or differ by one.
        noise: the standard deviation of what is added to each coordinate.
        seed: of the noise and the order; the same seed gives the same points.

    Raises:
        ValueError: there is no such n or noise.

    >>> moons(n=100)
    <Table moons: 100 examples of x1, x2; 2 classes>
    """

    def place(k: int, i: int, size: int) -> tuple[float, float]:
        angle = math.pi * i / max(1, size - 1)
        x, y = math.cos(angle), math.sin(angle)
        return (1 - x, 0.5 - y) if k else (x, y)

    return _scattered("moons", n, 2, noise, seed, place)


def circles(n: int = 200, noise: float = 0.05, factor: float = 0.5, seed: int = 0) -> Table:
    """A circle of radius 1, class 0, and a smaller one within it, class 1.

    Args:
        n: how many points; the classes are of one size, or differ by one.
        noise: the standard deviation of what is added to each coordinate.
        factor: the radius of the smaller circle, between 0 and 1.
        seed: of the noise and the order; the same seed gives the same points.

    Raises:
        ValueError: there is no such n, noise or factor.

    >>> circles(n=4, noise=0, seed=1).targets
    [1, 1, 0, 0]
    """
    factor = number_in("factor", factor, lambda x: 0 < x < 1, "a number between 0 and 1")

    def place(k: int, i: int, size: int) -> tuple[float, float]:
        angle, radius = math.tau * i / size, factor if k else 1.0
        return radius * math.cos(angle), radius * math.sin(angle)

    return _scattered("circles", n, 2, noise, seed, place)


def spirals(
    n: int = 300, classes: int = 3, turns: float = 1.0, noise: float = 0.03, seed: int = 0
) -> Table:
    """Two or three arms that wind around the origin, from radius 0.1 to radius 1.

    Args:
        n: how many points; the classes are of one size, or differ by one.
        classes: how many arms, 2 or 3.
        turns: how often each arm winds around the origin.
        noise: the standard deviation of what is added to each coordinate.
        seed: of the noise and the order; the same seed gives the same points.

    Raises:
        ValueError: there is no such n, classes, turns or noise.

    >>> spirals(classes=2)
    <Table spirals: 300 examples of x1, x2; 2 classes>
    """
    if classes not in (2, 3):
        raise ValueError(f"classes is {classes!r:.60}: write 2 or 3")
    turns = number_in("turns", turns, lambda x: 0 < x < math.inf, "a number above 0")

    def place(k: int, i: int, size: int) -> tuple[float, float]:
        way = i / max(1, size - 1)
        radius, angle = 0.1 + 0.9 * way, math.tau * (turns * way + k / classes)
        return radius * math.cos(angle), radius * math.sin(angle)

    return _scattered("spirals", n, classes, noise, seed, place)


def _scattered(
    name: str,
    n: int,
    classes: int,
    noise: float,
    seed: int,
    place: Callable[[int, int, int], tuple[float, float]],
) -> Table:
    """Points around places in the plane, in an order by chance; a place is that of k, i of how many."""
    n, rng = whole_number("n", n, classes, _MOST), Random(whole_number("seed", seed))
    noise = number_in("noise", noise, lambda x: 0 <= x < math.inf, "0 or a number above it")
    points = []
    for k in range(classes):
        size = n // classes + (k < n % classes)
        for i in range(size):
            x, y = place(k, i, size)
            points.append(([x + rng.gauss(0, noise), y + rng.gauss(0, noise)], k))
    rng.shuffle(points)
    rows, targets = [row for row, _ in points], [k for _, k in points]
    return Table(name, ["x1", "x2"], rows, targets, classes=[str(k) for k in range(classes)])


#: Of each kind: the means and the standard deviations of sepal length and width, petal length and width.
_FLOWERS = {
    "setosa": ((5.01, 3.43, 1.46, 0.25), (0.35, 0.38, 0.17, 0.11)),
    "versicolor": ((5.94, 2.77, 4.26, 1.33), (0.52, 0.31, 0.47, 0.20)),
    "virginica": ((6.59, 2.97, 5.55, 2.03), (0.64, 0.32, 0.55, 0.27)),
}


def flowers(n: int = 150, seed: int = 0) -> Table:
    """Three kinds of iris in four measures, drawn at random: an example for words, names and units.

    The measures, in centimetres, are normally distributed and independent of each other, with the means
    and the standard deviations of the flowers that Fisher has: "The use of multiple measurements in
    taxonomic problems" (1936).

    Args:
        n: how many flowers, of the three kinds in turn.
        seed: of the measures.

    >>> table = flowers(3)
    >>> table.labels, table.features[3], len(table.rows[0])
    (['setosa', 'versicolor', 'virginica'], 'petal width', 4)
    """
    n, rng = whole_number("n", n, 3, _MOST), Random(seed)
    rows = [
        [max(0.1, round(rng.gauss(*measure), 1)) for measure in zip(*[*_FLOWERS.values()][i % 3])]
        for i in range(n)
    ]
    features = ["sepal length", "sepal width", "petal length", "petal width"]
    return Table("flowers", features, rows, [i % 3 for i in range(n)], "species", [*_FLOWERS])


class Uniform(Protocol):
    """A source of random numbers between two bounds, as random.Random is one."""

    def uniform(self, a: float, b: float, /) -> float:
        """The next of them."""


_R_SMALL, _R_BIG = 0.1, 0.5


def yinyang(n: int = 300, seed: int = 0, random: Uniform | None = None) -> Table:
    """The Yin-Yang dataset of Kriener, Göltz and Petrovici (2022): yin, yang and dot in turn.

    Args:
        n: how many points; the classes are of one size, or differ by one.
        seed: of the points; the same seed gives the same points.
        random: draws the points in place of the seed, by its method uniform(a, b): x, then y, and both
            anew until the class fits. So a published run with a generator of its own can be rebuilt.

    Raises:
        ValueError: n is below 3, or the numbers of `random` never lie in one of the classes.

    >>> yinyang(n=6).labels
    ['yin', 'yang', 'dot', 'yin', 'yang', 'dot']
    """
    n, rng = (
        whole_number("n", n, 3, _MOST),
        Random(whole_number("seed", seed)) if random is None else random,
    )
    if not hasattr(rng, "uniform"):
        raise TypeError(f"random is {rng!r:.60}: give what has a method uniform(a, b), as random.Random(0)")
    names = ["yin", "yang", "dot"]
    rows, targets = [], [i % 3 for i in range(n)]
    for k in targets:
        for _ in range(10_000):  # of which one in 16 is a dot: so many fail only without chance
            x, y = rng.uniform(0, 2 * _R_BIG), rng.uniform(0, 2 * _R_BIG)
            if math.hypot(x - _R_BIG, y - _R_BIG) <= _R_BIG and _part(x, y) == k:
                break
        else:
            raise ValueError(f"random gives no point of the class {names[k]!r}, in 10000 draws")
        rows.append([(x / _R_BIG - 1) * 2, (y / _R_BIG - 1) * 2])
    return Table("yinyang", ["x1", "x2"], rows, targets, classes=names)


def _part(x: float, y: float) -> int:
    """Where in the disc a point lies: 0 yin, 1 yang, 2 a dot."""
    left, right = (math.hypot(x - at * _R_BIG, y - _R_BIG) for at in (0.5, 1.5))
    if left < _R_SMALL or right < _R_SMALL:
        return 2
    yin = right <= _R_SMALL or _R_SMALL < left <= 0.5 * _R_BIG or (y > _R_BIG and right > 0.5 * _R_BIG)
    return 0 if yin else 1
