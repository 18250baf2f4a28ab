"""Training as pictures: how the loss fell, what a network decides, and the surface that it went down.

Every function draws on the matplotlib ``Axes`` that it is given, or on those of a new figure, and returns
them, to be titled, combined and saved like any others. The colours can be told apart by the colour-blind,
and go with light and dark styles.

>>> import matplotlib
>>> matplotlib.use("Agg")  # a script without a screen needs this line, a notebook does not
>>> ax = loss_curve([0.5, 0.2, 0.1])
>>> ax.set_title("Three epochs")
Text(0.5, 1.0, 'Three epochs')
>>> matplotlib.pyplot.close(ax.figure)
"""

import math
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, SupportsFloat, TypeAlias

from microgradlike.engine import Value, no_grad, real
from microgradlike.history import History
from microgradlike.nn import Module
from microgradlike.table import arranged_rows, in_order
from microgradlike.transaction import Unchanged

if TYPE_CHECKING:
    from matplotlib.axes import Axes
else:  # for `typing.get_type_hints`
    Axes = Any

__all__ = ["decision_boundary", "loss_curve", "loss_surface", "weight_changes"]


def __dir__() -> list[str]:
    """What completion offers."""
    return [*__all__, "__doc__"]


_Range: TypeAlias = tuple[float, float]
_Picture: TypeAlias = list[list[float]]  # row by row, from the bottom up; nan where it is blank

# Source: Okabe, Ito, "Color universal design" (2008), less black and yellow, which vanish on a background.
_BLUE, _ORANGE, _VERMILION, _GREY = "#0072B2", "#E69F00", "#D55E00", "#888888"
_COLOURS = (_BLUE, _ORANGE, "#009E73", "#CC79A7", "#56B4E9", _VERMILION)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # one more, so that the pairs repeat late
_PHASES = {"early": _ORANGE, "middle": _GREY, "late": _BLUE}
_BANDS = 10  # of a filled contour plot, in each colour


# ── The loss, epoch by epoch ──────────────────────────────────────────────────────────────────────────


def loss_curve(history: History | Sequence[float], *, ax: "Axes | None" = None) -> "Axes":
    """The mean loss of each epoch, with the early, the middle and the late phase as tinted bands.

    The phases are those of `History.phases`; one without epochs is left out, and all are where a loss is
    not finite. The scale is logarithmic if all losses are positive and span more than a factor of 10.
    The loss of validation examples, if there are any, is a dashed line.

    Args:
        history: what `fit` returns, or the losses alone, one number for each epoch.
        ax: where to draw; by default on a new figure.

    Raises:
        ValueError: there are no epochs in it.
        ImportError: matplotlib is missing.

    >>> ax = loss_curve([0.5, 0.48, 0.3, 0.1, 0.04, 0.03])
    >>> ax.get_yscale(), [band.get_label() for band in ax.patches]
    ('log', ['early: epochs 1 to 2', 'middle: epochs 3 to 4', 'late: epochs 5 to 6'])

    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    history = history if isinstance(history, History) else History([*map(float, history)])
    losses, validation = history.losses, history.validation_losses
    ax = _by_epoch(losses, "mean loss", ax)
    if all(map(math.isfinite, losses)):
        for phase, epochs in history.phases():
            if epochs:
                _band(ax, phase, epochs, f"{phase}: {_span(epochs)}")
    if validation:
        ax.plot(range(1, len(validation) + 1), validation, "--", color=_VERMILION, label="validation")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="upper right")  # where a falling curve is not
    return ax


def weight_changes(history: History, *, ax: "Axes | None" = None) -> "Axes":
    """How far the weights moved in each epoch, and the mean of each phase.

    It shows whether a training does what is often said: large adjustments in early epochs, subtle
    refinements in the middle, fine-tuning in late ones.

    Args:
        history: what `fit` returns.
        ax: where to draw; by default on a new figure.

    Raises:
        ValueError: there are no epochs in it.
        ImportError: matplotlib is missing.

    >>> from microgradlike import MLP, data, fit
    >>> history = fit(MLP(2, [2, 1], activation="sigmoid"), data.xor(), epochs=200)
    >>> ax = weight_changes(history)
    >>> ax.get_ylabel(), len(ax.patches) == len(history.changes_by_phase())
    ('mean |Δw| an epoch', True)

    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    ax = _by_epoch(history.changes, "mean |Δw| an epoch", ax)
    means = history.changes_by_phase()
    for phase, epochs in history.phases():
        if epochs:
            _band(ax, phase, epochs, f"{phase}: {means[phase]:.3g}")
            ax.plot([epochs[0] + 0.5, epochs[-1] + 1.5], 2 * [means[phase]], color=_ink(), linewidth=2)
    ax.legend(title="mean of a phase", loc="upper right")
    return ax


def _by_epoch(numbers: Sequence[float], label: str, ax: "Axes | None") -> "Axes":
    if not numbers:
        raise ValueError("there are no epochs in this history: train for at least one, then plot")
    ax = _axes(ax)
    from matplotlib.ticker import MaxNLocator

    ax.plot(range(1, len(numbers) + 1), numbers, marker="o" if len(numbers) == 1 else "")
    finite = [number for number in numbers if math.isfinite(number)]
    if finite and min(finite) > 0 and max(finite) > 10 * min(finite):
        ax.set_yscale("log")
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    ax.margins(x=0)
    ax.set(xlabel="epoch", ylabel=label)
    return ax


def _band(ax: "Axes", phase: str, epochs: range, label: str) -> None:
    ax.axvspan(epochs[0] + 0.5, epochs[-1] + 1.5, color=_PHASES[phase], alpha=0.3, lw=0, label=label)


def _span(epochs: range) -> str:
    return f"epochs {epochs[0] + 1} to {epochs[-1] + 1}" if len(epochs) > 1 else f"epoch {epochs[0] + 1}"


# ── What a network decides ────────────────────────────────────────────────────────────────────────────


def decision_boundary(
    model: Callable[[Sequence[float]], Any],
    X: Any,
    y: Any,
    *,
    ax: "Axes | None" = None,
    resolution: int = 60,
    labels: Sequence[str] | None = None,
    level: float | None = None,
) -> "Axes":
    """What a model of two inputs says all over the plane, with the examples on top.

    A model with one output separates two classes: the colour is the output, and a line is where it equals
    `level`. With several outputs the largest decides, and each class has its region. The plane stays
    blank where the outputs are not finite.

    Args:
        model: called with a list of two numbers, it gives a number or Value, or a list of them.
        X: the examples, pairs of numbers: lists, an array or a frame, whose columns are found by their
            names if the model knows `features`.
        y: a target for each: a word, or True or False; or for one output two different numbers, such as 0
            and 1 or −1 and 1; for several outputs the index of the right one, from 0 on.
        ax: where to draw; by default on a new figure.
        resolution: at how many points along each side of the picture the model is asked.
        labels: what the legend calls the classes, in the order of their targets; by default the targets.
        level: the one output between the two classes; by default the model's `threshold`, or if it knows
            none, midway between the targets.

    Raises:
        ValueError: there are no examples, X does not consist of pairs of finite numbers or y of a target
            for each, the model does not take two inputs, or its outputs do not fit the targets.
        ImportError: matplotlib is missing.

    >>> ax = decision_boundary(lambda x: x[0] + x[1], [[0, 0], [0, 1], [1, 1]], [-1, -1, 1], level=1.5)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['-1', '1', 'output = 1.5']

    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    known: Sequence[Any] = ()
    module: object = model
    if isinstance(module, Module):
        known, X = module.classes, arranged_rows(X, module.features)
        level = module.threshold if level is None else level
    y, words = _class_numbers(y, known)
    points, targets = _pairs([*X], "X"), [_number(t, f"y[{i}]") for i, t in enumerate(y)]
    if not points:
        raise ValueError("there are no examples: X is a list of pairs, y a list with a target for each")
    if len(points) != len(targets):
        raise ValueError(f"there are {len(points)} examples in X, but {len(targets)} targets in y")
    n = _count_outputs(model, points[0])
    classes = _classes(n, targets)
    names = list(labels or words or [f"{target:g}" for target in classes])
    if len(names) != len(classes):
        raise ValueError(f"there are {len(names)} labels, but {len(classes)} classes: {_list(classes)}")
    middle = sum(classes) / len(classes) if level is None else real(level)

    across, up = (_with_margin(min(numbers), max(numbers)) for numbers in zip(*points))
    xs, ys = _steps(across, resolution), _steps(up, resolution)
    outputs = _sample(lambda a, b: _outputs(model, (a, b)), xs, ys, n)
    ax = _axes(ax)
    _hatch_blanks(ax, outputs[0])
    ink = _ink()
    handles: list[Any] = []
    for i, (name, target) in enumerate(zip(names, classes)):
        if members := [point for point, t in zip(points, targets) if t == target]:
            colour, marker = _COLOURS[i % len(_COLOURS)], _MARKERS[i % len(_MARKERS)]
            handles.append(
                ax.scatter(
                    *zip(*members), color=colour, marker=marker, edgecolors=ink, label=name, zorder=3
                )
            )
    if n == 1:
        handles += _fill_output(ax, xs, ys, outputs[0], middle)
    else:
        _fill_regions(ax, xs, ys, outputs)
    ax.legend(handles=handles, framealpha=0.95)  # it may lie on a line
    ax.set(xlim=across, ylim=up, xlabel="$x_1$", ylabel="$x_2$")
    return ax


def _fill_output(
    ax: "Axes", xs: Sequence[float], ys: Sequence[float], output: _Picture, level: float
) -> list[Any]:
    """Blue below the level, orange above it; what the legend says of the line between, if there is one."""
    from matplotlib.lines import Line2D

    numbers = _finite(output)
    # As far as the outputs reach, but so far at least that the bands do not round to one.
    reach = max(1e-9 * max(1.0, abs(level)), *(abs(number - level) for number in numbers))
    edges = [level + reach * i / _BANDS for i in range(-_BANDS, _BANDS + 1)]
    shades = _shades(ax, _BLUE, _BANDS)[::-1] + _shades(ax, _ORANGE, _BANDS)
    # Rounding can put the most extreme output outside of the bands, so the outer ones go on.
    ax.contourf(xs, ys, output, edges, colors=[shades[0], *shades, shades[-1]], extend="both")
    if not min(numbers) < level < max(numbers):
        return []
    ax.contour(xs, ys, output, [level], colors=[_ink()], linestyles="solid")
    return [Line2D([], [], color=_ink(), label=f"output = {level:g}")]


def _fill_regions(ax: "Axes", xs: Sequence[float], ys: Sequence[float], outputs: list[_Picture]) -> None:
    for i, output in enumerate(outputs):
        others = outputs[:i] + outputs[i + 1 :]
        # The index of the largest output jumps, its lead over the others does not: so edges are smooth.
        lead = [[z - max(rest) for z, *rest in zip(*rows)] for rows in zip(output, *others)]
        numbers = _finite(lead)
        if max(numbers) > 0:
            [shade] = _shades(ax, _COLOURS[i % len(_COLOURS)], 1)
            ax.contourf(xs, ys, lead, [0, max(numbers)], colors=[shade])
            if min(numbers) < 0:
                ax.contour(xs, ys, lead, [0], colors=[_ink()], linestyles="solid")


def _class_numbers(y: Any, known: Sequence[Any]) -> tuple[Sequence[Any], list[str]]:
    """Targets as numbers, and the names of their classes where they are words or truth values."""
    targets = y.tolist() if hasattr(y, "tolist") else [*y]
    if not targets or not any(isinstance(t, str | bool) for t in targets):
        return targets, []
    classes = [str(name) for name in known] or in_order(map(str, targets))
    strangers = [t for t in targets if str(t) not in classes]
    if strangers:
        raise ValueError(
            f"{strangers[0]!r:.60} is no class of the model, which knows {', '.join(classes):.200}"
        )
    return [classes.index(str(t)) for t in targets], classes


def _classes(n: int, targets: Sequence[float]) -> list[float]:
    """The targets that n outputs tell apart."""
    classes = sorted(set(targets)) if n == 1 else [float(i) for i in range(n)]
    if len(classes) != 2 and n == 1:
        hint = "give the model an output for each class" if len(classes) > 2 else "add the other class"
        raise ValueError(f"one output separates two classes, but the targets are {_list(classes)}: {hint}")
    for i, target in enumerate(targets):
        if target not in classes:
            raise ValueError(
                f"y[{i}] is {target:g}, which is no class: with {n} outputs, 0 is the first and "
                f"{n - 1} the last"
            )
    return classes


def _outputs(model: Callable[[Sequence[float]], Any], point: Sequence[float]) -> list[float]:
    outputs = model(list(point))
    return [*map(float, outputs)] if hasattr(outputs, "__len__") else [float(outputs)]


def _count_outputs(model: Callable[[Sequence[float]], Any], point: Sequence[float]) -> int:
    try:
        with no_grad():
            return len(_outputs(model, point))
    except ValueError as error:
        raise ValueError(
            f"a model of two inputs is needed, and this one refuses {list(point)}: {error}"
        ) from error


# ── The surface that training goes down ───────────────────────────────────────────────────────────────


def loss_surface(
    loss: Callable[[], SupportsFloat],
    first: Value,
    second: Value,
    *,
    path: Sequence[Sequence[float]] = (),
    span: float | None = None,
    resolution: int = 40,
    ax: "Axes | None" = None,
) -> "Axes":
    """The loss over two weights, as contours, with the path that training took.

    The other weights stay as they are now. So a path of a network with more than these two is seen from
    above, and passes over a surface that was another one when it was taken.

    There are as many sampled points between one contour and the next as between any other two, so the
    bottom of a valley shows beside slopes a thousand times as high. Where the loss is undefined or not
    finite, the picture stays blank. The numbers of the weights are the same afterwards as before, whatever
    happens, and nobody's gradient is touched.

    Args:
        loss: called without arguments, it computes the loss anew.
        first: the weight along the horizontal axis, a leaf.
        second: the weight along the vertical axis, a leaf.
        path: pairs of the two weights' numbers, from start to end.
        span: half the width of the picture, around the present numbers. By default the picture holds the
            path; without a path, the span is the larger of the present numbers, and at least 1.
        resolution: at how many points along each side of the picture the loss is computed.
        ax: where to draw; by default on a new figure.

    Raises:
        TypeError: loss cannot be called or gives no number, or a weight is no Value.
        ValueError: a weight is not a leaf, or both are the same; the path does not consist of pairs of
            finite numbers; the span is not positive; or the loss is not finite anywhere.
        ImportError: matplotlib is missing.

    The path is recorded in the loop, or by ``callback`` of `fit`:

    >>> from microgradlike import SGD, Neuron, fit, half_squared_error
    >>> line = Neuron(1, activation="linear")
    >>> examples = [([0.0], 1.0), ([1.0], 3.0)]
    >>> w, b = line.parameters()
    >>> path = [(w.data, b.data)]
    >>> history = fit(
    ...     line, examples, optimizer=SGD(line.parameters(), lr=0.5), epochs=50,
    ...     callback=lambda _: path.append((w.data, b.data)),
    ... )
    >>> ax = loss_surface(lambda: sum(half_squared_error(line(x), t) for x, t in examples), w, b, path=path)
    >>> ax.get_xlabel(), len(ax.lines[0].get_xdata())
    ('$w_{11}$', 51)

    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    if not callable(loss):
        raise TypeError(
            f"loss is {loss!r:.60}, which cannot be computed anew: give a function of no arguments"
        )
    for weight, which in ((first, "first"), (second, "second")):
        if not isinstance(weight, Value):
            raise TypeError(f"the {which} weight is {weight!r:.60}, not a Value")
        if weight.parents:
            raise ValueError(f"the {which} weight, {weight!r:.60}, is computed from others: give a leaf")
        _number(weight.data, f"the {which} weight")
    if first is second:
        raise ValueError(f"both weights are {first!r:.60}: a surface needs two different ones")
    if span is not None and not 0 < span < math.inf:
        raise ValueError(f"the span is {span!r:.60}: a positive number is needed")
    steps = _pairs(path, "path")
    before = first.data, second.data
    across, up = _surroundings(steps if steps and span is None else [before], span)
    xs, ys = _steps(across, resolution), _steps(up, resolution)

    def at(a: float, b: float) -> list[float]:
        first.data, second.data = a, b
        result = loss()
        return [result.data if isinstance(result, Value) else real(result)]

    unchanged = Unchanged([first, second])
    with unchanged, unchanged:
        [surface] = _sample(at, xs, ys, 1)

    ax = _axes(ax)
    _hatch_blanks(ax, surface)
    _fill_surface(ax, xs, ys, surface)
    if steps:
        ax.plot(*zip(*steps), color=_VERMILION, linewidth=2)
        for (a, b), marker, size, label in ((steps[0], "o", 8, "start"), (steps[-1], "*", 15, "end")):
            ax.plot(
                [a], [b], marker, color=_VERMILION, markeredgecolor=_ink(), markersize=size, label=label
            )
        ax.legend()
    ax.set(xlabel=_mathtext(first.name) or "first weight", ylabel=_mathtext(second.name) or "second weight")
    # On one scale, the steepest way down is at right angles to the contours.
    ax.set(xlim=across, ylim=up, aspect="equal")
    return ax


def _surroundings(points: Sequence[_Range], half: float | None) -> tuple[_Range, _Range]:
    """The ranges of both weights, equally wide, around the points."""
    (left, right), (low, high) = ((min(numbers), max(numbers)) for numbers in zip(*points))
    a, b = (left + right) / 2, (low + high) / 2
    half = half or 0.7 * max(right - left, high - low) or max(1.0, abs(a), abs(b))
    return (a - half, a + half), (b - half, b + half)


def _fill_surface(ax: "Axes", xs: Sequence[float], ys: Sequence[float], surface: _Picture) -> None:
    numbers = sorted(_finite(surface))
    quantiles = [numbers[0]]
    for i in range(1, _BANDS + 1):
        number = numbers[i * (len(numbers) - 1) // _BANDS]
        if not math.isclose(number, quantiles[-1], rel_tol=1e-9):
            quantiles.append(number)
    # Between the quantiles, not at them: a contour at the height of a plateau would follow its rounding.
    levels = [low / 2 + high / 2 for low, high in pairwise(quantiles)]
    edges = [math.nextafter(numbers[0], -math.inf), *levels, math.nextafter(numbers[-1], math.inf)]
    ax.contourf(xs, ys, surface, edges, colors=_shades(ax, _BLUE, len(levels) + 1))
    if levels:
        lines = ax.contour(
            xs, ys, surface, levels, colors=[_ink()], linewidths=0.5, linestyles="solid", alpha=0.6
        )
        ax.clabel(lines, levels[::3], fmt="%.3g", fontsize="small")


def _mathtext(name: str) -> str:
    """The name as matplotlib sets it: w11 and w10,3 with an index, and any other word as it stands.

    >>> _mathtext("w10,3"), _mathtext("slope")
    ('$w_{10,3}$', 'slope')
    """
    if match := re.fullmatch(r"([A-Za-zα-ωΑ-Ω])_?(\d+(?:,\d+)*)?", name):
        letter, index = match.groups()
        return f"${letter}_{{{index}}}$" if index else f"${letter}$"
    return name.replace("$", r"\$")


# ── Numbers to draw ───────────────────────────────────────────────────────────────────────────────────


def _sample(
    f: Callable[[float, float], list[float]], xs: Sequence[float], ys: Sequence[float], n: int
) -> list[_Picture]:
    """The n numbers that f gives, each over the whole plane: blank where one of them is not finite."""
    blank, problem = [math.nan] * n, ""

    def at(x: float, y: float) -> list[float]:
        nonlocal problem
        try:
            numbers = f(x, y)
        except (ArithmeticError, ValueError) as error:
            problem = f": {error}"
            return blank
        return numbers if all(map(math.isfinite, numbers)) else blank

    with no_grad():
        plane = [[at(x, y) for x in xs] for y in ys]
    pictures = [[[numbers[i] for numbers in row] for row in plane] for i in range(n)]
    if not _finite(pictures[0]):
        raise ValueError(f"there is nothing to draw, no number in this picture is finite{problem}")
    return pictures


def _finite(picture: _Picture) -> list[float]:
    return [number for row in picture for number in row if math.isfinite(number)]


def _steps(ends: _Range, n: int) -> list[float]:
    if n < 2:
        raise ValueError(f"the resolution is {n!r:.60}: at least 2 points along each side are needed")
    low, high = ends
    return [low + (high - low) * i / (n - 1) for i in range(n)]


def _with_margin(low: float, high: float) -> _Range:
    margin = 0.15 * (high - low) or max(1.0, abs(low) / 10)
    return low - margin, high + margin


def _pairs(points: Sequence[Sequence[float]], name: str) -> list[_Range]:
    pairs = []
    for i, point in enumerate(points):
        if not hasattr(point, "__len__") or len(point) != 2:
            raise ValueError(f"{name}[{i}] is {point!r:.60}, not a pair of numbers: write [1.0, 2.0]")
        pairs.append((_number(point[0], f"{name}[{i}][0]"), _number(point[1], f"{name}[{i}][1]")))
    return pairs


def _number(number: Any, name: str) -> float:
    try:
        if math.isfinite(number):
            return float(number)
    except (TypeError, OverflowError):
        pass
    raise ValueError(f"{name} is {number!r:.60}, not a finite number")


def _list(numbers: Sequence[float]) -> str:
    shown = ", ".join(f"{number:g}" for number in numbers[:6])
    return shown + (f" and {len(numbers) - 6} more" if len(numbers) > 6 else "")


# ── Matplotlib ────────────────────────────────────────────────────────────────────────────────────────


def _axes(ax: "Axes | None") -> "Axes":
    try:
        import matplotlib.pyplot as plt
    except ModuleNotFoundError as error:
        raise ImportError('plot needs matplotlib: pip install "microgradlike[plot]"') from error
    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    return ax


def _hatch_blanks(ax: "Axes", picture: _Picture) -> None:
    """Tell what is blank from what has the palest shade."""
    if any(math.isnan(number) for row in picture for number in row):
        ax.patch.set(hatch="//", edgecolor=_GREY)


def _ink() -> Any:
    """The colour of text in the style in use: black on white, white on black."""
    from matplotlib import rcParams

    return rcParams["text.color"]


def _shades(ax: "Axes", colour: str, n: int) -> list[tuple[float, ...]]:
    """From next to the background towards the colour, but not to it: examples on top must stand out."""
    from matplotlib.colors import to_rgba

    pairs = list(zip(to_rgba(ax.get_facecolor()), to_rgba(colour)))
    shares = [0.6 * (i + 1) / n for i in range(n)]
    return [tuple((1 - share) * ground + share * full for ground, full in pairs) for share in shares]
