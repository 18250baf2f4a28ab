"""Training as pictures: what is drawn, and that drawing changes nothing else."""

import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import microgradlike as mg
from microgradlike import plot
from microgradlike.history import History

matplotlib = pytest.importorskip("matplotlib", reason='needs matplotlib: pip install "microgradlike[plot]"')
matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.colors import to_rgb  # noqa: E402
from matplotlib.contour import ContourSet  # noqa: E402
from matplotlib.path import Path  # noqa: E402

# As matplotlib types them, the numbers and colours that Axes give back are nearly anything.
loss_curve: Any = plot.loss_curve
decision_boundary: Any = plot.decision_boundary
loss_surface: Any = plot.loss_surface
weight_changes: Any = plot.weight_changes

XOR = [([0.0, 0.0], 0.0), ([0.0, 1.0], 1.0), ([1.0, 0.0], 1.0), ([1.0, 1.0], 0.0)]
SQUARE = [x for x, _ in XOR]


@pytest.fixture(autouse=True, params=["default", "dark_background"])
def style(request: pytest.FixtureRequest) -> Iterator[str]:
    """Everything holds in a light and in a dark style, and every picture can be drawn."""
    with plt.style.context(request.param):
        yield request.param
        try:
            for number in plt.get_fignums():
                plt.figure(number).canvas.draw()
        finally:
            plt.close("all")


def contours(ax: Any, filled: bool) -> list[Any]:
    return [c for c in ax.collections if isinstance(c, ContourSet) and c.filled == filled]


def vertices(contour: Any) -> list[tuple[float, float]]:
    return [(float(a), float(b)) for path in contour.get_paths() for a, b in path.vertices]


def bands(ax: Any) -> list[tuple[float, float, str]]:
    result = []
    for band in ax.patches:  # rectangles, or polygons before matplotlib 3.9
        across = band.get_patch_transform().transform(band.get_path().vertices)[:, 0]
        result.append((float(min(across)), float(max(across)), band.get_label()))
    return result


def legend(ax: Any) -> list[str]:
    box = ax.get_legend()
    return [text.get_text() for text in box.get_texts()] if box else []


def filled_at(ax: Any, x: float, y: float) -> list[tuple[int, int]]:
    """Which areas, as pairs of the number of the plot and of its band, lie under a point."""
    return [
        (i, j)
        for i, contour in enumerate(contours(ax, filled=True))
        for j, path in enumerate(contour.get_paths())
        # An area may have holes: within it is what an odd number of its outlines go around.
        if sum(Path(outline).contains_point((x, y)) for outline in path.to_polygons()) % 2
    ]


# ── The loss, epoch by epoch ──────────────────────────────────────────────────────────────────────────


def test_the_curve_is_the_history_and_the_bands_are_its_phases() -> None:
    losses = [1.0, 0.95, 0.8, 0.5, 0.2, 0.15, 0.12, 0.11]
    history = History(losses=losses)
    ax = loss_curve(history)
    [line] = ax.lines
    assert list(line.get_xdata()) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert list(line.get_ydata()) == losses
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("epoch", "mean loss", "linear")
    assert [epochs for _, epochs in history.phases()] == [range(2), range(2, 5), range(5, 8)]
    assert bands(ax) == [
        (0.5, 2.5, "early: epochs 1 to 2"),
        (2.5, 5.5, "middle: epochs 3 to 5"),
        (5.5, 8.5, "late: epochs 6 to 8"),
    ]
    assert legend(ax) == [label for _, _, label in bands(ax)]
    assert len({patch.get_facecolor() for patch in ax.patches}) == 3
    assert ax.get_xlim() == (0.5, 8.5)
    assert all(tick == int(tick) for tick in ax.get_xticks())


def test_phases_without_epochs_are_left_out() -> None:
    assert bands(loss_curve([1.0, 0.0])) == [(0.5, 1.5, "early: epoch 1"), (1.5, 2.5, "late: epoch 2")]
    ax = loss_curve([0.5])
    assert bands(ax) == [(0.5, 1.5, "early: epoch 1")]
    assert ax.lines[0].get_marker() == "o"  # a line through one point cannot be seen


@pytest.mark.parametrize(
    ("losses", "scale"),
    [
        ([1.0, 0.11], "linear"),
        ([1.0, 0.1], "linear"),
        ([1.0, 0.09], "log"),
        ([0.09, 1.0, 0.5], "log"),
        ([1.0, 0.0], "linear"),
        ([1.0, 0.01, -0.5], "linear"),
    ],
)
def test_the_scale(losses: list[float], scale: str) -> None:
    assert loss_curve(losses).get_yscale() == scale


def test_losses_that_are_not_finite_leave_gaps_and_no_phases() -> None:
    ax = loss_curve([1.0, math.nan, 0.01, math.inf])
    assert math.isnan(ax.lines[0].get_ydata()[1])
    assert (ax.get_yscale(), bands(ax)) == ("log", [])
    assert bands(loss_curve([math.nan])) == []


def test_a_history_of_values_and_one_without_epochs() -> None:
    ax = loss_curve([mg.Value(2.0), mg.Value(1.0)])
    assert list(ax.lines[0].get_ydata()) == [2.0, 1.0]
    empty: Any
    for empty in (History(), []):
        with pytest.raises(ValueError, match="there are no epochs in this history: train for at least one"):
            loss_curve(empty)


def test_validation_is_a_dashed_line_of_its_own() -> None:
    history = History([1.0, 0.5, 0.25], [1.1, 0.7, 0.9], changes=[0.1] * 3)
    ax = loss_curve(history)
    _, dashed = ax.lines
    assert (list(dashed.get_ydata()), dashed.get_linestyle()) == (history.validation_losses, "--")
    assert legend(ax)[-1] == "validation"


def test_weight_changes_have_the_mean_of_each_phase() -> None:
    history = History([1.0, 0.95, 0.5, 0.2, 0.05, 0.0], changes=[1.0, 3.0, 4.0, 8.0, 16.0, 32.0])
    ax = weight_changes(history)
    curve, *means = ax.lines
    assert list(curve.get_ydata()) == history.changes
    assert [(list(m.get_xdata()), list(m.get_ydata())) for m in means] == [
        ([0.5, 2.5], [2.0, 2.0]),
        ([2.5, 4.5], [6.0, 6.0]),
        ([4.5, 6.5], [24.0, 24.0]),
    ]
    assert legend(ax) == ["early: 2", "middle: 6", "late: 24"]
    assert (ax.get_xlabel(), ax.get_yscale()) == ("epoch", "log")
    with pytest.raises(ValueError, match="there are no epochs in this history"):
        weight_changes(History())


# ── What a network decides ────────────────────────────────────────────────────────────────────────────


def linear(x: Any) -> float:
    return float(2 * x[0] - x[1] + 0.25)


@pytest.mark.parametrize(
    ("targets", "level", "where"),
    [([0, 1, 0, 1], None, 0.5), ([-1.0, 1.0, -1.0, 1.0], None, 0.0), ([0, 1, 0, 1], 0, 0.0)],
)
def test_the_line_is_where_the_model_crosses_the_level(
    targets: list[float], level: float | None, where: float
) -> None:
    ax = decision_boundary(linear, SQUARE, targets, level=level, resolution=7)
    [line] = contours(ax, filled=False)
    assert len(vertices(line)) > 5
    assert all(math.isclose(linear(x), where, abs_tol=1e-12) for x in vertices(line))
    for x, y in (min(vertices(line)), max(vertices(line))):  # from one side of the picture to the other
        assert min(abs(z - edge) for z in (x, y) for edge in (-0.15, 1.15)) < 1e-12
    assert legend(ax) == [f"{t:g}" for t in sorted(set(targets))] + [f"output = {where:g}"]


def test_below_the_level_is_the_colour_of_the_first_class() -> None:
    ax = decision_boundary(linear, SQUARE, [0, 1, 0, 1])
    [fill] = contours(ax, filled=True)
    colours = [to_rgb(colour) for colour in fill.get_facecolor()]
    first, second = (to_rgb(dots.get_facecolor()[0]) for dots in ax.collections if dots.get_label() in "01")
    for x, this, other in (([-0.1, 1.1], first, second), ([1.1, -0.1], second, first)):
        [(_, band)] = filled_at(ax, *x)
        assert math.dist(colours[band], this) < math.dist(colours[band], other)


def test_a_level_that_is_not_crossed_has_no_line() -> None:
    for model in (lambda x: 0.5, lambda x: 0.5 + 1e-17 * x[0], lambda x: 3.0, lambda x: [mg.Value(0.1)]):
        ax = decision_boundary(model, SQUARE, [0, 0, 1, 1], resolution=5)
        assert contours(ax, filled=False) == []
        assert legend(ax) == ["0", "1"]
        assert filled_at(ax, 0.5, 0.5)


def test_regions_by_the_largest_of_several_outputs() -> None:
    def model(x: Any) -> list[mg.Value]:
        return [mg.Value(-x[0] - x[1]), mg.Value(x[0]), mg.Value(x[1])]

    X = [[-1.0, -1.0], [1.0, 0.0], [0.0, 1.0], [1.0, -0.5]]
    ax = decision_boundary(model, X, [0, 1, 2, 1], labels=["low", "right", "up"])
    fills = contours(ax, filled=True)
    colours = [fill.get_facecolor()[0] for fill in fills]
    assert len({tuple(colour) for colour in colours}) == 3
    for i in range(11):
        for j in range(11):
            x = [-1.2 + 0.211 * i, -1.21 + 0.209 * j]
            outputs = [z.data for z in model(x)]
            *_, second, first = sorted(outputs)
            if first - second > 0.1:
                assert filled_at(ax, *x) == [(outputs.index(first), 0)]
    for line in contours(ax, filled=False):
        for x0, x1 in vertices(line):
            *_, second, first = sorted(z.data for z in model([x0, x1]))
            assert first - second < 0.1  # a cell of the grid is 0.04 wide
    assert legend(ax) == ["low", "right", "up"]


def test_an_output_that_is_never_the_largest_has_no_region_but_its_examples() -> None:
    ax = decision_boundary(lambda x: [x[0], -1.0, 0.0], SQUARE, [0, 1, 2, 2])
    assert len(contours(ax, filled=True)) == 2
    assert legend(ax) == ["0", "1", "2"]
    ax = decision_boundary(lambda x: [0.0, 0.0], SQUARE, [0, 1, 0, 1])  # nobody leads
    assert contours(ax, filled=True) == []


def test_examples_differ_in_marker_and_colour_and_have_edges(style: str) -> None:
    n = 9
    X = [[float(i), float(i % 2)] for i in range(n)]
    ax = decision_boundary(
        lambda x: [-((x[0] - i) ** 2) for i in range(n)], X, list(range(n)), resolution=9
    )
    dots = [c for c in ax.collections if not isinstance(c, ContourSet)]
    assert [list(map(float, c.get_offsets()[0])) for c in dots] == X
    markers = [c.get_paths()[0].vertices.tobytes() for c in dots]
    colours = [tuple(c.get_facecolor()[0]) for c in dots]
    assert len(set(markers[:7])) == 7
    assert len(set(zip(markers, colours))) == n
    ink = to_rgb("black" if style == "default" else "white")
    assert {to_rgb(c.get_edgecolor()[0]) for c in dots} == {ink}


def test_the_two_classes_of_one_output_stay_distinct_in_grey() -> None:
    ax = decision_boundary(linear, SQUARE, [0, 1, 0, 1])
    dots = [to_rgb(c.get_facecolor()[0]) for c in ax.collections if not isinstance(c, ContourSet)]
    first, second = (0.299 * r + 0.587 * g + 0.114 * b for r, g, b in dots)
    assert abs(first - second) > 0.2


def test_the_range_is_that_of_the_data_with_a_margin() -> None:
    ax = decision_boundary(linear, [[0, -10], [2, 10]], [0, 1])
    assert ax.get_xlim() == pytest.approx((-0.3, 2.3))
    assert ax.get_ylim() == pytest.approx((-13, 13))
    ax = decision_boundary(linear, [[3, 1], [3, 2]], [0, 1])
    assert ax.get_xlim() == (2, 4)
    decision_boundary(linear, [[1e17, 1], [1e17, 1]], [0, 1])


def test_a_model_that_fails_somewhere_is_blank_there() -> None:
    ax = decision_boundary(lambda x: mg.log(mg.Value(x[0])), [[0.1, 0.0], [2.0, 1.0]], [0, 1])
    assert ax.get_xlim()[0] < 0
    assert ax.patch.get_hatch()
    assert not filled_at(ax, -0.1, 0.5)
    assert filled_at(ax, 1.0, 0.5)


def test_the_model_is_asked_without_recording() -> None:
    network = mg.MLP(2, [2, 1])
    seen = []

    def model(x: Any) -> Any:
        seen.append(network(x))
        return seen[-1]

    decision_boundary(model, SQUARE, [0, 1, 1, 0], resolution=3)
    assert len(seen) == 10  # the grid, and once to count the outputs
    assert not any(value.parents for value in seen)
    assert all(p.grad is mg.NOT_COMPUTED for p in network.parameters())


@pytest.mark.parametrize(
    ("X", "y", "options", "message"),
    [
        ([], [], {}, "there are no examples: X is a list of pairs"),
        (
            [[0, 1], [1, 2, 3]],
            [0, 1],
            {},
            r"X\[1\] is \[1, 2, 3\], not a pair of numbers: write \[1.0, 2.0\]",
        ),
        ([0.0, 1.0], [0, 1], {}, r"X\[0\] is 0.0, not a pair of numbers"),
        ([[0, math.nan]], [0], {}, r"X\[0\]\[1\] is nan, not a finite number"),
        ([[0, "a"]], [0], {}, r"X\[0\]\[1\] is 'a', not a finite number"),
        ([[0, 1], [1, 0]], [0], {}, "there are 2 examples in X, but 1 targets in y"),
        ([[0, 1]], ["cat"], {}, "one output separates two classes, .*: add the other class"),
        ([[0, 1]], [[0, 1]], {}, r"y\[0\] is \[0, 1\], not a finite number"),
        ([[0, 1]], [1], {}, "one output separates two classes, but the targets are 1: add the other class"),
        (SQUARE, [0, 1, 2, 2], {}, "the targets are 0, 1, 2: give the model an output for each class"),
        (SQUARE, [0, 1, 1, 0], {"labels": ["no"]}, "there are 1 labels, but 2 classes: 0, 1"),
        (SQUARE, [0, 1, 1, 0], {"resolution": 1}, "the resolution is 1: at least 2 points"),
    ],
)
def test_what_cannot_be_drawn_is_refused(X: Any, y: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decision_boundary(mg.MLP(2, [1]), X, y, **options)
    assert not plt.get_fignums()  # and no empty figure stays behind


def test_models_that_do_not_fit_are_refused() -> None:
    message = r"a model of two inputs is needed, and this one refuses \[0.0, 0.0\]: .*takes 3 inputs, got 2"
    with pytest.raises(ValueError, match=message):
        decision_boundary(mg.MLP(3, [1]), SQUARE, [0, 1, 1, 0])
    with pytest.raises(ValueError, match=r"y\[3\] is 3, .* with 3 outputs, 0 is the first and 2 the last"):
        decision_boundary(mg.MLP(2, [3]), SQUARE, [0, 1, 2, 3])
    with pytest.raises(ValueError, match=r"y\[1\] is 0.5, which is no class"):
        decision_boundary(mg.MLP(2, [3]), SQUARE, [0, 0.5, 2, 2])
    with pytest.raises(ValueError, match="no number in this picture is finite"):
        decision_boundary(lambda x: math.nan, SQUARE, [0, 1, 1, 0])


# ── The surface that training goes down ───────────────────────────────────────────────────────────────


def bowl(a: mg.Value, b: mg.Value) -> Callable[[], mg.Value]:
    return lambda: (a - 1) ** 2 + 4 * (b + 2) ** 2


def test_the_contours_are_those_of_the_loss() -> None:
    a, b = mg.Value(0.5, "w11"), mg.Value(0.0, "w10,3")
    ax = loss_surface(bowl(a, b), a, b, span=3.0, resolution=61)
    assert (ax.get_xlim(), ax.get_ylim()) == ((-2.5, 3.5), (-3.0, 3.0))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("$w_{11}$", "$w_{10,3}$")
    [lines] = contours(ax, filled=False)
    assert len(lines.levels) >= 8
    for level, path in zip(lines.levels, lines.get_paths()):
        assert len(path.vertices)
        for x, y in path.vertices:
            assert (x - 1) ** 2 + 4 * (y + 2) ** 2 == pytest.approx(level, abs=0.02)
    [(_, bottom)], [(_, top)] = filled_at(ax, 1.0, -2.0), filled_at(ax, -2.4, 2.9)
    assert bottom == 0
    assert top == len(lines.levels)
    assert not ax.patch.get_hatch()


def test_the_path_has_a_start_and_an_end_and_fits_in() -> None:
    a, b = mg.Value(0.0, "w"), mg.Value(0.0)
    optimizer = mg.SGD([a, b], lr=0.05)
    path = [(a.data, b.data)]
    for _ in range(20):
        optimizer.zero_grad()
        bowl(a, b)().backward()
        optimizer.step()
        path.append((a.data, b.data))
    ax = loss_surface(bowl(a, b), a, b, path=path)
    line, start, end = ax.lines
    assert list(zip(line.get_xdata(), line.get_ydata())) == path
    assert (start.get_xdata()[0], start.get_ydata()[0]) == path[0]
    assert (end.get_xdata()[0], end.get_ydata()[0]) == path[-1]
    assert start.get_marker() != end.get_marker()
    assert legend(ax) == ["start", "end"]
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    assert all(left < x < right and low < y < high for x, y in path)
    assert right - left == pytest.approx(high - low)
    assert ax.get_aspect() == 1
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("$w$", "second weight")


def test_without_a_path_the_surroundings_are_those_of_the_present_numbers() -> None:
    for now, reach in (((0.1, -0.2), 1.0), ((3.0, -5.0), 5.0)):
        a, b = mg.Value(now[0]), mg.Value(now[1])
        ax = loss_surface(bowl(a, b), a, b)
        assert (ax.get_xlim(), ax.get_ylim()) == (
            (now[0] - reach, now[0] + reach),
            (now[1] - reach, now[1] + reach),
        )
        assert ax.get_xlabel() == "first weight"
        assert not ax.lines
    ax = loss_surface(bowl(a, b), a, b, path=[(2.0, 7.0)])  # a path of no length
    assert (ax.get_xlim(), ax.get_ylim()) == ((-5, 9), (0, 14))
    ax = loss_surface(bowl(a, b), a, b, path=[(2.0, 7.0), (3.0, -5.0)], span=0.5)  # its end, from near
    assert (ax.get_xlim(), ax.get_ylim()) == ((2.5, 3.5), (-5.5, -4.5))


class Stop(Exception):
    pass


@pytest.mark.parametrize("error", [None, Stop, KeyboardInterrupt, TypeError, ValueError])
def test_numbers_and_gradients_are_as_before(error: type[BaseException] | None) -> None:
    a, b, other = mg.Value(0.1 + 0.2, "a"), mg.Value(-0.0, "b"), mg.Value(7.0)
    (a * other).backward()
    before = a.data, b.data
    calls = 0

    def loss() -> mg.Value:
        nonlocal calls
        calls += 1
        if calls >= 8 and error:
            raise error
        result = a * a + b * other
        assert not result.parents
        return result

    if error in {None, ValueError}:  # a ValueError leaves a point blank
        loss_surface(loss, a, b, resolution=5)
        assert calls == 25
    else:
        assert error
        with pytest.raises(error):
            loss_surface(loss, a, b, resolution=5)
        assert calls == 8
        assert not plt.get_fignums()
    assert a.data is before[0]
    assert b.data is before[1]
    assert math.copysign(1.0, b.data) == -1.0
    assert (a.grad, other.grad) == (7.0, 0.1 + 0.2)
    assert b.grad is mg.NOT_COMPUTED
    assert (a * a).parents  # and recording is on again


def test_points_without_a_finite_loss_are_blank() -> None:
    a, b = mg.Value(1.0), mg.Value(1.0)

    def ragged() -> Any:
        if a.data < -0.3 and b.data < 0.7:
            return 1 / mg.Value(0.0)
        if a.data < 0.0:
            return math.inf
        return mg.log(a + 1) if b.data < 0.7 else mg.sqrt(b) + a

    ax = loss_surface(ragged, a, b, span=2.0)
    assert ax.patch.get_hatch()
    assert not filled_at(ax, -0.6, 0.1)
    assert not filled_at(ax, -0.6, 2.0)
    assert filled_at(ax, 1.0, 2.0)
    with pytest.raises(ValueError, match=r"no number in this picture is finite: log\(.*\) is undefined"):
        loss_surface(lambda: mg.log(-1 - a * a - b * b), a, b)
    with pytest.raises(ValueError, match=r"no number in this picture is finite$"):
        loss_surface(lambda: math.nan, a, b)


@pytest.mark.parametrize(
    "surface",
    [
        lambda a, b: 2.0,
        lambda a, b: 0.0,
        lambda a, b: 0.7 + 1e-16 * math.sin(1000 * a * b),
        lambda a, b: max(0.0, a),
        lambda a, b: float(a > 0),
        lambda a, b: -1e-300 * a * a,
        lambda a, b: 1e200 * (a * a + b * b),
        lambda a, b: math.exp(100 * a),
    ],
)
def test_plateaus_and_extreme_heights(surface: Callable[[float, float], float]) -> None:
    a, b = mg.Value(0.0), mg.Value(0.0)
    ax = loss_surface(lambda: surface(a.data, b.data), a, b)
    assert len(filled_at(ax, 0.501, 0.402)) == 1
    assert sum(len(path.vertices) for c in contours(ax, filled=False) for path in c.get_paths()) < 2000


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"first": 1.0}, TypeError, "the first weight is 1.0, not a Value"),
        (
            {"second": mg.Value(1.0) * 2},
            ValueError,
            "the second weight, .* is computed from others: give a leaf",
        ),
        ({"first": mg.Value(math.inf)}, ValueError, "the first weight is inf, not a finite number"),
        ({"loss": mg.Value(1.0)}, TypeError, "which cannot be computed anew: give a function of no arg"),
        ({"loss": lambda: None}, TypeError, "a real number is needed, not None"),
        ({"span": 0.0}, ValueError, "the span is 0.0: a positive number is needed"),
        ({"span": math.nan}, ValueError, "the span is nan"),
        ({"resolution": 0}, ValueError, "the resolution is 0"),
        ({"path": [(1.0, 2.0), (1.0,)]}, ValueError, r"path\[1\] is \(1.0,\), not a pair of numbers"),
        ({"path": [(1.0, math.nan)]}, ValueError, r"path\[0\]\[1\] is nan, not a finite number"),
    ],
)
def test_what_has_no_surface_is_refused(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    arguments: dict[str, Any] = {"loss": lambda: 1.0, "first": mg.Value(1.0), "second": mg.Value(2.0)}
    with pytest.raises(error, match=message):
        loss_surface(**(arguments | change))
    assert not plt.get_fignums()


def test_one_weight_is_not_two() -> None:
    a = mg.Value(1.0, "w11")
    with pytest.raises(ValueError, match=r"both weights are .*w11.*: a surface needs two different ones"):
        loss_surface(lambda: a * a, a, a)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("w11", "$w_{11}$"),
        ("w10,3", "$w_{10,3}$"),
        ("b_2", "$b_{2}$"),
        ("θ", "$θ$"),
        ("", ""),
        ("learning_rate", "learning_rate"),
        ("w{", "w{"),
        ("x^", "x^"),
        (r"\frac", r"\frac"),
        ("a$b$", r"a\$b\$"),
    ],
)
def test_names_as_mathtext(name: str, text: str) -> None:
    assert plot._mathtext(name) == text
    a, b = mg.Value(1.0, name), mg.Value(1.0)
    loss_surface(lambda: a + b, a, b, resolution=2)  # the fixture draws it: nothing chokes on the name


# ── All of them ───────────────────────────────────────────────────────────────────────────────────────


def test_they_draw_on_the_axes_they_are_given() -> None:
    network = mg.MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
    w, v = network.layers[1].neurons[0].w
    optimizer, path = mg.SGD(network.parameters(), lr=1.0), [(w.data, v.data)]
    history = mg.fit(
        network, XOR, optimizer=optimizer, epochs=5, callback=lambda _: path.append((w.data, v.data))
    )
    _, axes = plt.subplots(1, 3)
    loss = lambda: mg.mean(mg.half_squared_error(network(x), t) for x, t in XOR)  # noqa: E731
    assert loss_curve(history, ax=axes[0]) is axes[0]
    assert decision_boundary(network, SQUARE, [t for _, t in XOR], ax=axes[1], resolution=5) is axes[1]
    assert loss_surface(loss, w, v, path=path, resolution=5, ax=axes[2]) is axes[2]
    assert len(plt.get_fignums()) == 1
    assert loss_curve(history) is not axes[0]
    assert len(plt.get_fignums()) == 2


def python(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout


def test_matplotlib_is_imported_by_drawing_only() -> None:
    program = (
        "import sys, microgradlike.plot; print([m for m in ('matplotlib', 'numpy') if m in sys.modules])"
    )
    assert python(program) == "[]\n"


@pytest.mark.parametrize(
    "call",
    [
        "loss_curve([1.0])",
        "decision_boundary(lambda x: x[0], [[0, 1], [1, 0]], [0, 1])",
        "loss_surface(lambda: a + b, a, b)",
    ],
)
def test_without_matplotlib_the_error_says_what_to_install(call: str) -> None:
    program = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from microgradlike import Value\n"
        "from microgradlike.plot import loss_curve, decision_boundary, loss_surface\n"
        "a, b = Value(1.0), Value(2.0)\n"
        f"try: {call}\n"
        "except ImportError as error: print(error)\n"
    )
    assert python(program) == 'plot needs matplotlib: pip install "microgradlike[plot]"\n'


def test_a_boundary_takes_frames_words_and_the_threshold_of_the_model() -> None:
    import numpy as np

    X, y = map(list, mg.data.moons(40))
    words = ["no" if t == 0 else "yes" for t in y]
    model = mg.MLP(2, [4, 1], activation="tanh")
    mg.fit(model, (X, words), loss=mg.binary_cross_entropy_with_logits, epochs=30)
    assert (model.classes, model.threshold) == (["no", "yes"], 0.0)
    ax = plot.decision_boundary(model, np.array(X), np.array(words), resolution=5)
    legend = ax.get_legend()
    assert legend
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts[:2] == ["no", "yes"] and set(texts[2:]) <= {"output = 0"}
    with pytest.raises(ValueError, match="'maybe' is no class of the model, which knows no, yes"):
        plot.decision_boundary(model, X, ["maybe"] * 40)
    pandas = pytest.importorskip("pandas")
    model.features = ["a", "b"]
    swapped = pandas.DataFrame({"b": [x[1] for x in X], "a": [x[0] for x in X]})
    other = plot.decision_boundary(model, swapped, y, resolution=5)
    assert other.get_xlim() == ax.get_xlim()
    with pytest.raises(ValueError, match="there is no column b"):
        plot.decision_boundary(model, swapped.rename(columns={"b": "B"}), y)


def test_type_hints_can_be_read() -> None:
    import typing

    for function in (mg.draw, mg.explain, mg.ripple, mg.steps, mg.fit, plot.loss_curve):
        assert typing.get_type_hints(function)
