"""The command line: ``microgradlike``, or ``python -m microgradlike``.

Without arguments it trains the document's 2-2-1 sigmoid network on XOR and shows how. Each subcommand
is a function here that takes the parsed arguments and returns the exit code: 0, or 2 after bad input,
which is reported in one line.
"""

import argparse
import codecs
import io
import math
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import microgradlike
from microgradlike import losses
from microgradlike.data import Table, read_csv, xor
from microgradlike.draw import draw
from microgradlike.engine import Value, no_grad
from microgradlike.formula import number
from microgradlike.nn import ACTIVATIONS, MLP
from microgradlike.optim import SGD
from microgradlike.report import loss_table, parameter_table, worked_example
from microgradlike.scaling import Scaling
from microgradlike.steps import Steps, steps
from microgradlike.train import Example, History, gradient_descent


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, as for any other bad input; the usage is there on --help."""
        print(f"{self.prog}: {message} (--help shows the usage)", file=sys.stderr)
        raise SystemExit(2)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the arguments are those of the shell if none are given."""
    parser, commands = _parser()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] not in {*commands, "-h", "--help", "--version"}:
        arguments.insert(0, "train")
    arguments = _join_negative_lists(arguments)
    codecs.register_error("plain", _in_plain_letters)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plain")
    try:
        args = parser.parse_args(arguments)
        code = int(args.run(args))
        print(end="", flush=True)
    except BrokenPipeError:  # the reader has seen enough, as in `microgradlike | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, OSError, RuntimeError) as error:  # a RuntimeError: the program that draws failed
        print("microgradlike: " + " ".join(_sentence(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("microgradlike: interrupted", file=sys.stderr)
        return 130
    return code


def _join_negative_lists(arguments: Sequence[str]) -> list[str]:
    """--inputs -1,0 as --inputs=-1,0: argparse would take the list for an option."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in {"--inputs", "--target"} and re.match(r"-[\d.]", argument):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


_PLAIN = {
    "−": "-",
    "·": "*",
    "∂": "d",
    "σ": "sigma",
    "½": "1/2",
    "²": "^2",
    "→": "->",
    "…": "...",
    "Δ": "D",
}


def _in_plain_letters(error: UnicodeError) -> tuple[str, int]:
    """What a terminal or a file cannot show in its encoding is spelt out: a minus sign must not be lost."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(letter, "?") for letter in error.object[error.start : error.end]), error.end


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _parser() -> tuple[argparse.ArgumentParser, list[str]]:
    parser = _Parser(
        prog="microgradlike",
        description="A scalar autodiff engine. Without a command: train, on the four examples of XOR.",
    )
    parser.add_argument("--version", action="version", version=f"microgradlike {microgradlike.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    train = commands.add_parser(
        "train",
        help="train a network and show how",
        description="Train a network by gradient descent on all examples at once, and show how it goes.",
    )
    train.set_defaults(run=train_command)
    add = train.add_argument
    add("file", nargs="?", help="a CSV file of numbers; without it, the four examples of XOR")
    add(
        "--target", metavar="COLUMN", default="-1", help="the target: name, or number from 0; default: last"
    )
    add("--header", choices=["auto", "yes", "no"], default="auto", help="does line 1 name the columns?")
    add(
        "--task",
        choices=["auto", "classes", "numbers"],
        default="auto",
        help="what targets are; auto: a few whole numbers, or words, are classes",
    )
    add("--sizes", metavar="N,…,N", type=_sizes, help="neurons of each layer, inputs first; for XOR 2,2,1")
    add(
        "--activation",
        choices=ACTIVATIONS,
        metavar="NAME",
        help=f"of inner layers: {', '.join(ACTIVATIONS)}",
    )
    add("--loss", choices=LOSSES, metavar="NAME", help=f"one of {', '.join(LOSSES)}")
    add(
        "--lr",
        metavar="η",
        type=_positive(float),
        help="the learning rate; default: 2 for XOR, 0.5 for a file",
    )
    add(
        "--epochs", metavar="N", type=_positive(int), help="at most; default: 10000 for XOR, 500 for a file"
    )
    add(
        "--until",
        metavar="LOSS",
        type=_positive(float),
        default=0.001,
        help="stop at this loss; default: 0.001",
    )
    add("--seed", metavar="N", type=int, default=3, help="of the initial weights; default: 3")
    add("--save", metavar="FILE", help="write the trained network to this file, as JSON")
    add("--load", metavar="FILE", help="go on from a network that --save wrote")
    add(
        "--picture",
        metavar="FILE",
        help="draw one example after training, forward and backward, to this file, .svg or .png",
    )

    draw = commands.add_parser(
        "draw",
        help="draw a network or a computation",
        description="Draw a network as a sketch, or what it computes for given inputs as a graph: with a "
        "target, after one backward pass. Without arguments: the 2-2-1 network of XOR, at inputs 1,1 and "
        "target 0.",
    )
    draw.set_defaults(run=draw_command)
    add = draw.add_argument
    add("-o", "--output", metavar="FILE", default="net.svg", help=".svg, .png or .gv; default: net.svg")
    add("--load", metavar="FILE", help="a network that train --save wrote")
    add("--inputs", metavar="X,…,X", type=_numbers, help="draw the computation for these inputs")
    add("--target", metavar="T,…,T", type=_numbers, help="… and the loss ½(y − t)², with all gradients")
    add("--detail", choices=["neurons", "values"], default="neurons", help="boxes: neurons, or every value")
    add("--precision", metavar="N", type=int, default=4, help="decimals; default: 4")

    step = commands.add_parser(
        "step",
        help="walk through the backward pass",
        description="Walk through the backward pass of the 2-2-1 network of XOR, or of a saved one. Enter "
        "takes a step, b goes back, a number is your guess for the gradient that is asked for, q quits. "
        "Where the output is no terminal, all steps are printed.",
    )
    step.set_defaults(run=step_command)
    add = step.add_argument
    add("--load", metavar="FILE", help="a network that train --save wrote")
    add("--inputs", metavar="X,…,X", type=_numbers, help="the example's inputs; default: 1,1")
    add("--target", metavar="T,…,T", type=_numbers, help="its target; default: 0")
    add("--save", metavar="FILE", help="write the walk as a page for a browser, .html, instead")
    return parser, list(commands.choices)


def _numbers(text: str) -> list[float]:
    try:
        numbers = [float(number) for number in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers such as 1,0.5") from None
    if not all(map(math.isfinite, numbers)):
        raise argparse.ArgumentTypeError(f"{text!r} has a number that is not finite")
    return numbers


def _sizes(text: str) -> list[int]:
    try:
        sizes = [int(size) for size in text.split(",")]
    except ValueError:
        sizes = []
    if len(sizes) < 2 or min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of layer sizes such as 2,2,1")
    return sizes


def _positive(kind: type[int] | type[float]) -> Callable[[str], float]:
    def convert(text: str) -> float:
        try:
            given = kind(text)
        except ValueError:
            given = kind(0)
        if not 0 < given < math.inf:
            what = "a whole number from 1 on" if kind is int else "a number above 0"
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return given

    return convert


# ── train ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Goal:
    """What a loss wants: how the network ends, and how a class is written as its target.

    Attributes:
        loss: the function of `microgradlike.losses`.
        ending: the output activation, where the targets are classes; else it is linear.
        no: the target that says "not this class", beside 1 for "this class".
        meets_numbers: whether targets may also be numbers to be met, and not classes.
    """

    loss: Callable[[Any, Any], Value]
    ending: str
    no: float = 0.0
    meets_numbers: bool = False


LOSSES = {
    "half_squared_error": Goal(losses.half_squared_error, "sigmoid", meets_numbers=True),
    "mse_loss": Goal(losses.mse_loss, "sigmoid", meets_numbers=True),
    "binary_cross_entropy": Goal(losses.binary_cross_entropy, "sigmoid"),
    "binary_cross_entropy_with_logits": Goal(losses.binary_cross_entropy_with_logits, "linear"),
    "hinge_loss": Goal(losses.hinge_loss, "linear", no=-1.0),
    "cross_entropy": Goal(losses.cross_entropy, "linear"),
}


class Problem:
    """A table as something to learn: what goes in, what is wanted, and when a prediction is right.

    Attributes:
        classes: the names of the classes; empty if the targets are numbers to be met (regression).
        goal: the loss, and what belongs to it.
        outputs: how many the network needs.
        ending: the activation of the outputs.
        examples: pairs of inputs and target, as `gradient_descent` takes them.
    """

    def __init__(self, table: Table, loss: str | None, task: str) -> None:
        numbers, different = table.numbers(), table.classes()
        if len(different) < 2:
            raise ValueError(
                f"{table.source}, column {table.target}: every target is {different[0]!r}: "
                f"there is nothing to tell apart"
            )
        classes_only = loss is not None and not LOSSES[loss].meets_numbers
        if task == "auto":
            task = "classes" if numbers is None or classes_only or _few(numbers) else "numbers"
        if task == "numbers" and (numbers is None or classes_only):
            what = "some targets are words" if numbers is None else f"{loss} is for classes"
            raise ValueError(f"{table.source}, column {table.target}: --task numbers does not fit: {what}")
        self.classes = different if task == "classes" else []
        if numbers is None and len(different) == len(table.rows) > 2:
            raise ValueError(
                f"{table.source}, column {table.target}: {len(different)} different words for "
                f"{len(table.rows)} examples are no classes to learn: name another column with --target, "
                f"or say --header yes if line 1 names the columns"
            )
        self.table = table
        self.loss = loss or ("cross_entropy" if len(self.classes) > 2 else "half_squared_error")
        self.goal = LOSSES[self.loss]
        several = len(self.classes) > 2 or self.loss == "cross_entropy"
        self.outputs = len(self.classes) if several else 1
        self.ending = self.goal.ending if self.classes else "linear"
        if self.classes:
            targets = [self._write(self.classes.index(text)) for text in table.targets]
        else:
            targets = list(numbers or [])
        self.examples: list[Example] = list(zip(table.rows, targets))

    def _write(self, index: int) -> Any:
        if self.loss == "cross_entropy":
            return index
        if self.outputs == 1:
            return 1.0 if index else self.goal.no
        return [1.0 if i == index else self.goal.no for i in range(self.outputs)]

    def predict(self, network: MLP, row: Sequence[float]) -> tuple[list[float], str]:
        """The outputs for a row, and the class that they stand for, if there are classes."""
        with no_grad():
            y = network(row)
        outputs = [float(v) for v in y] if isinstance(y, list) else [float(y)]
        if not self.classes:
            return outputs, ""
        if len(outputs) > 1:
            return outputs, self.classes[outputs.index(max(outputs))]
        return outputs, self.classes[outputs[0] > (0.5 if self.ending == "sigmoid" else 0.0)]


def train_command(args: argparse.Namespace) -> int:
    """Train on XOR or on a CSV file, and show the way from the first weights to the last predictions."""
    header = {"auto": None, "yes": True, "no": False}[args.header]
    table = read_csv(args.file, args.target, header) if args.file else xor()
    if not args.file and args.target != "-1":
        raise ValueError("--target names a column of a file; XOR has none")
    problem = Problem(table, args.loss, args.task)
    network = _network(args, problem)
    if args.file:
        scaling = Scaling.of(table.rows, [] if problem.classes else [t for _, t in problem.examples])
    else:
        scaling = Scaling.none(len(table.features))
    if not args.load:
        scaling.leave(network)  # the initial weights suit inputs in standard units
    if args.save:
        _check_writable(args.save, args.file, "--save")
    if args.picture:
        _check_writable(args.picture, args.file, "--picture")
        _check_apart(args.picture, "--picture", {"--save": args.save, "--load": args.load})
        _check_drawable(args.picture)
    count = len(table.rows)
    about = f"classes: {_some(problem.classes)}" if problem.classes else f"target: {table.target}"
    print(f"Data: {table.source}; {count} examples; inputs: {_some(table.features)}; {about}.")
    for note in table.notes:
        print(note)
    print(
        f"Network: {'-'.join(map(str, network.sizes))}, {network.activation} inside, "
        f"{network.output_activation} at the end, {len(network.parameters())} parameters; "
        f"loss: {problem.loss}.\nSeed {args.seed}, learning rate {_rate(args):g}."
    )
    print(parameter_table(network))

    small = len(network.parameters()) <= _EXAMPLE_LIMIT
    if small:
        row, target = problem.examples[-1]
        print(f"\nOne example, x = {_plain(row)}, t = {_plain(target)}, before training:")
        print(worked_example(network, problem.goal.loss, row, target))
        print(
            "Numbers are shown with 4 digits and computed with all of them. By the chain rule ∂L/∂h comes\n"
            "without the derivative of the activation, ∂L/∂z with it; some texts call the latter ∂L/∂h."
        )

    history = _descend(args, network, problem, scaling)

    print(f"\nTraining stopped after {len(history.losses)} epochs: {history.stopped}.")
    print(loss_table(history))
    if not problem.classes:
        print("  (in units of the target's variance)")
    print("\nAfter training:")
    if small:
        print(parameter_table(network))
    right = _show_predictions(network, problem)
    if not history.reached and history.flat() and right < _GOOD * count:
        print(
            f"It is stuck: the loss stays at {history.losses[-1]:.4f} while the gradient has shrunk to "
            f"{history.gradient_norms[-1]:.2g}.\n"
            f"{_advice(network)}"
        )
    if args.save:
        network.save(args.save)
        print(f"Saved to {args.save}.")
    if args.picture:
        row, target = problem.examples[-1]
        network.zero_grad()
        loss = problem.goal.loss(network(row), target)
        loss.name = "L"
        loss.backward()
        path = draw(loss).render(args.picture)
        print(f"The example x = {_plain(row)}, t = {_plain(target)} after training is drawn in {path}.")
    return 130 if history.interrupted else 0


def _advice(network: MLP) -> str:
    if len(network.sizes) == 2:
        return "A network without a hidden layer can only draw a straight line: give it one with --sizes."
    return "That is a local minimum or a plateau; another --seed or a smaller --lr may help."


_EXAMPLE_LIMIT = 30  # parameters: a larger network's example fills more than a screen
_GOOD = 0.9  # of the predictions right: better than where XOR gets stuck


def _few(numbers: Sequence[float]) -> bool:
    """Whether numbers look like class labels: few different ones, all whole."""
    different = set(numbers)
    return all(t.is_integer() for t in different) and len(different) <= min(20, max(2, len(numbers) // 5))


def _network(args: argparse.Namespace, problem: Problem) -> MLP:
    features, source = len(problem.table.features), problem.table.source
    needs = f"{source} has {features} inputs and {problem.loss} needs {problem.outputs} outputs for it"
    if args.load:
        network = MLP.from_file(args.load)
        if args.sizes and args.sizes != network.sizes:
            raise ValueError(
                f"{args.load} has the sizes {network.sizes}, not {args.sizes}: leave out --sizes"
            )
        if args.activation not in {None, network.activation}:
            raise ValueError(f"{args.load} has {network.activation} inside: leave out --activation")
        if network.output_activation != problem.ending:
            raise ValueError(
                f"{args.load} ends with {network.output_activation}; {problem.loss} needs {problem.ending}"
            )
    else:
        sizes = args.sizes or [features, 8 if args.file else 2, problem.outputs]
        activation = args.activation or ("tanh" if args.file else "sigmoid")
        network = MLP(
            sizes[0], sizes[1:], activation=activation, output_activation=problem.ending, seed=args.seed
        )
    if network.sizes[0] != features or network.sizes[-1] != problem.outputs:
        raise ValueError(f"the sizes {','.join(map(str, network.sizes))} do not fit: {needs}")
    return network


def _rate(args: argparse.Namespace) -> float:
    return float(args.lr or (0.5 if args.file else 2.0))


def _descend(args: argparse.Namespace, network: MLP, problem: Problem, scaling: Scaling) -> History:
    from tqdm import tqdm

    epochs = args.epochs or (500 if args.file else 10_000)
    examples = [
        (scaling.inputs(x), t if problem.classes else scaling.target(t)) for x, t in problem.examples
    ]
    scaling.enter(network)
    # tqdm is silent where the output is no terminal (disable=None).
    with tqdm(total=epochs, unit=" epochs", leave=False, disable=None) as bar:

        def show(history: History) -> None:
            bar.update()
            bar.set_postfix_str(f"loss {history.losses[-1]:.6f}", refresh=False)

        optimizer = SGD(network.parameters(), lr=_rate(args))
        history = gradient_descent(
            network, examples, problem.goal.loss, optimizer, epochs=epochs, target=args.until, on_epoch=show
        )
    scaling.leave(network)
    return history


def _show_predictions(network: MLP, problem: Problem) -> int:
    """Print some predictions and, where there are classes, how many are right; return that number."""
    table, right = problem.table, 0
    step = max(1, len(table.rows) // _SHOWN)
    for i, (row, target) in enumerate(zip(table.rows, table.targets)):
        outputs, said = problem.predict(network, row)
        right += said == target
        if i % step == 0:
            verdict = f": {'right' if said == target else 'wrong'}" if problem.classes else ""
            answer = f"y = {number(outputs[0], 4)}" if len(outputs) == 1 else f"predicted {said}"
            print(f"  x = {_plain(row)}: {answer}, target {target}{verdict}")
    if not problem.classes:
        return len(table.rows)
    print(f"  {right} of {len(table.rows)} right")
    return right


_SHOWN = 6


def _check_writable(path: str, data: str | None, option: str) -> None:
    """Refuse, before the training, a place where nothing could be written after it."""
    target = Path(path)
    if target.is_dir():
        raise ValueError(f"{path}: this is a directory; {option} needs the name of a file")
    if data and target.exists() and target.samefile(data):
        raise ValueError(f"{path}: this is the data; {option} needs another file")
    if not target.absolute().parent.is_dir():
        raise ValueError(f"{path}: there is no directory {target.absolute().parent}")


def _check_apart(path: str, option: str, others: dict[str, str | None]) -> None:
    """Refuse to write over a network that another option names."""
    for other, file in others.items():
        if file and Path(path).resolve() == Path(file).resolve():
            raise ValueError(f"{path}: {other} names this file, too; {option} needs another one")


def _check_drawable(path: str) -> None:
    """Refuse, before the training, an image that could not be made after it."""
    from microgradlike.picture import RendererNotFound, find_program, format_of

    try:
        find_program(format_of(path))
    except RendererNotFound as error:
        raise ValueError(f"{path}: {error}") from None


# ── draw ──────────────────────────────────────────────────────────────────────────────────────────────


def draw_command(args: argparse.Namespace) -> int:
    """Draw a network, or what it computes."""
    network, inputs, target = _example(args)
    _check_apart(args.output, "--output", {"--load": args.load})
    _check_drawable(args.output)
    if inputs is None:
        if target:
            raise ValueError("--target needs --inputs")
        what, picture = repr(network), draw(network, precision=args.precision)
    else:
        what = f"{network!r} at x = {_plain(inputs)}"
        outputs = network(inputs)
        root = outputs
        if target:
            what += f", t = {_plain(target)}"
            root = _loss(network, outputs, target)
            root.backward()
        picture = draw(root, detail=args.detail, precision=args.precision)
    print(f"Drawn in {picture.render(args.output)}: {what}.")
    return 0


def _example(args: argparse.Namespace) -> tuple[MLP, list[float] | None, list[float] | None]:
    if args.load:
        return MLP.from_file(args.load), args.inputs, args.target
    network = MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
    return network, args.inputs or [1.0, 1.0], args.target or [0.0]


def _loss(network: MLP, outputs: Any, target: list[float]) -> Value:
    if len(target) != network.sizes[-1]:
        raise ValueError(f"--target needs one number for each output, so {network.sizes[-1]} of them")
    loss = losses.half_squared_error(outputs, target if isinstance(outputs, list) else target[0])
    loss.name = "L"
    return loss


# ── step ──────────────────────────────────────────────────────────────────────────────────────────────


def step_command(args: argparse.Namespace) -> int:
    """Walk through the backward pass, step by step."""
    network, inputs, target = _example(args)
    if not inputs or not target:
        raise ValueError("a saved network needs --inputs and --target")
    cursor = steps(_loss(network, network(inputs), target))
    if args.save:
        cursor.save(args.save)
        print(f"Saved to {args.save}: open it in a browser.")
    elif sys.stdin.isatty() and sys.stdout.isatty():
        _walk(cursor)
    else:
        print(cursor)
    return 0


def _walk(cursor: Steps) -> None:
    print(f"The backward pass has {len(cursor)} steps.\n{_KEYS}")
    asked = None
    while True:
        step = cursor.coming
        if step and step.index != asked:
            print(f"\nstep {step.index + 1} of {len(cursor)}: {step.given()}")
        asked = step.index if step else None
        try:
            typed = input(f"{cursor.question} = ? " if step else "That was all. ").strip()
        except EOFError:
            print()
            return
        try:
            match typed.lower():
                case "":
                    print("\n".join(cursor.next().lines()[1:]))
                case "b" | "back":
                    cursor.back()
                case "q" | "quit":
                    return
                case "?" | "h" | "help":
                    print(_KEYS)
                case _:
                    print(cursor.guess(typed))
        except IndexError:
            print("There is no step that way: q quits.")
        except ValueError as error:
            print(f"{error}. {_KEYS}")


_KEYS = "Enter takes the next one, b goes back, a number is your guess, q quits, ? says this."


def _plain(numbers: Any) -> str:
    if not isinstance(numbers, list):
        return f"{numbers:g}"
    return "(" + _some([f"{x:g}" for x in numbers]) + ")"


def _some(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


if __name__ == "__main__":
    sys.exit(main())
