"""The command line: ``microgradlike``, or ``python -m microgradlike``.

Without arguments it trains the 2-2-1 sigmoid network of textbooks on XOR and shows how. Each subcommand
is a function here that takes the parsed arguments and returns the exit code: 0, or 2 after bad input,
which is reported in one line.
"""

import argparse
import codecs
import csv
import io
import math
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NoReturn, TextIO

import microgradlike
from microgradlike import losses
from microgradlike.arguments import check_files
from microgradlike.data import Table, read_csv, xor
from microgradlike.draw import draw
from microgradlike.engine import Value
from microgradlike.evaluate import confusion
from microgradlike.files import is_stream, write_atomically
from microgradlike.formula import number
from microgradlike.label import visible
from microgradlike.nn import ACTIVATIONS, MLP, load
from microgradlike.optim import SGD, Adam, AdamW, Optimizer
from microgradlike.report import parameter_table, worked_example
from microgradlike.steps import Steps, steps
from microgradlike.stop import Rule, TargetLoss, ValidationRises
from microgradlike.training.loop import fit
from microgradlike.training.task import LOSSES, Problem
from microgradlike.units import Units


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
        check_files(arguments[0], args)
        code = int(args.run(args))
        print(end="", flush=True)
    except BrokenPipeError:  # the reader has seen enough, as in `microgradlike | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, OSError, RuntimeError) as error:  # a RuntimeError: the program that draws failed
        print("microgradlike: " + visible(" ".join(_sentence(error).split())), file=sys.stderr)
        return 2
    except MemoryError:
        print(
            "microgradlike: there is not enough memory for this: take fewer examples, or a smaller network",
            file=sys.stderr,
        )
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
    if isinstance(error, OSError) and error.strerror:
        return f"{'the output' if error.filename is None else error.filename}: {error.strerror}"
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
    add("--force", action="store_true", help="replace a file that is something else, or read-only")
    add("file", nargs="?", help="a CSV file of numbers; without it, the four examples of XOR")
    add(
        "--target", metavar="COLUMN", default="-1", help="the target: name, or number from 0; default: last"
    )
    add("--columns", metavar="NAME,…", help="the columns to learn from; default: all others")
    add("--header", choices=["auto", "yes", "no"], default="auto", help="does line 1 name the columns?")
    add(
        "--task",
        choices=["auto", "classes", "numbers"],
        default="auto",
        help="what targets are; auto: a few whole numbers, or words, are classes",
    )
    add(
        "--hidden", metavar="N,…,N", type=_hidden, help="neurons of the inner layers; default: 8, for XOR 2"
    )
    add("--sizes", metavar="N,…,N", type=_sizes, help="… of each layer, inputs first; for XOR 2,2,1")
    add(
        "--activation",
        choices=ACTIVATIONS,
        metavar="NAME",
        help=f"of inner layers: {', '.join(ACTIVATIONS)}",
    )
    add("--loss", choices=LOSSES, metavar="NAME", help=f"one of {', '.join(LOSSES)}")
    add("--optimizer", choices=OPTIMIZERS, default="sgd", help="default: sgd")
    add(
        "--lr",
        metavar="η",
        type=_positive(float),
        help="the learning rate; default: 2 for XOR, 0.5 for a file, 0.01 for adam and adamw",
    )
    add("--batch", metavar="N", type=_positive(int), help="examples to an update; default: all")
    add(
        "--epochs", metavar="N", type=_positive(int), help="at most; default: 10000 for XOR, 500 for a file"
    )
    add(
        "--until",
        metavar="LOSS",
        type=_positive(float),
        help="stop at this loss; default: 0.001; for numbers, 0.001 of their variance",
    )
    add("--validation", metavar="SHARE", type=_share, help="hold out this share of the examples: 0.2")
    add(
        "--patience",
        metavar="N",
        type=_positive(int),
        help="stop when the validation loss has not fallen for N epochs, and keep the best parameters",
    )
    add("--checkpoint", metavar="FILE", help="write the state of the training to this file, now and then")
    add("--resume", action="store_true", help="go on from the checkpoint, if it is there")
    add("--seed", metavar="N", type=int, default=3, help="of the initial weights; default: 3")
    add("--save", metavar="FILE", help="write the trained network to this file, as JSON")
    add("--load", metavar="FILE", help="go on from a network that --save wrote")
    add(
        "--picture",
        metavar="FILE",
        help="draw one example after training, forward and backward, to this file, .svg or .png",
    )

    predict = commands.add_parser(
        "predict",
        help="predict with a saved network",
        description="Print what a saved network says of each row of a CSV file, as CSV: the row, and the "
        "prediction. Columns are found by their names where line 1 has all of them; else a row has exactly "
        "the network's inputs.",
    )
    predict.set_defaults(run=predict_command)
    add = predict.add_argument
    add("--force", action="store_true", help="replace a file that is something else, or read-only")
    add("model", help="a network that train --save wrote")
    add("file", help="a CSV file")
    add("--header", choices=["auto", "yes", "no"], default="auto", help="does line 1 name the columns?")
    add("-o", "--output", metavar="FILE", help="write to this file instead of the terminal")

    evaluate = commands.add_parser(
        "evaluate",
        help="compare a saved network's predictions with a file",
        description="Say how often a saved network is right about a CSV file, and what it mistakes for "
        "what; or, where targets are numbers, how far it is off.",
    )
    evaluate.set_defaults(run=evaluate_command, force=False)
    add = evaluate.add_argument
    add("model", help="a network that train --save wrote")
    add("file", help="a CSV file, with the targets")
    add(
        "--target", metavar="COLUMN", default="-1", help="the target: name, or number from 0; default: last"
    )
    add("--header", choices=["auto", "yes", "no"], default="auto", help="does line 1 name the columns?")

    draw = commands.add_parser(
        "draw",
        help="draw a network or a computation",
        description="Draw a network as a sketch, or what it computes for given inputs as a graph: with a "
        "target, after one backward pass. Without arguments: the 2-2-1 network of XOR, at inputs 1,1 and "
        "target 0.",
    )
    draw.set_defaults(run=draw_command)
    add = draw.add_argument
    add("--force", action="store_true", help="replace a file that is something else, or read-only")
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
    add("--force", action="store_true", help="replace a file that is something else, or read-only")
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


def _hidden(text: str) -> list[int]:
    try:
        sizes = [int(size) for size in text.split(",")]
    except ValueError:
        sizes = [0]
    if min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of layer sizes such as 8,8")
    return sizes


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share between 0 and 1, such as 0.2")
    return share


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


def train_command(args: argparse.Namespace) -> int:
    """Train on XOR or on a CSV file, and show the way from the first weights to the last predictions."""
    if not args.file and (args.target != "-1" or args.columns):
        raise ValueError("--target and --columns name columns of a file; XOR has none")
    if args.resume and not args.checkpoint:
        raise ValueError("--resume goes on from a checkpoint: say --checkpoint FILE, too")
    if args.patience and not args.validation:
        raise ValueError("--patience waits for the validation loss to fall: say --validation 0.2, too")
    columns = args.columns.split(",") if args.columns else None
    table = xor()
    if args.file:
        table = read_csv(args.file, args.target, _HEADER[args.header], args.task, columns)
    elif args.task == "numbers":
        table = replace(table, targets=[*map(float, table.targets)], classes=[])
    known = load(args.load) if args.load else None
    if known and known.features:
        table = table.arranged(known.features)
    problem = Problem(table, args.loss)
    network = _network(args, problem)
    examples, held_out = table.split(args.validation, args.seed) if args.validation else (table, None)
    if args.file and not args.load:  # what is shown before the training has the units of the training
        network.units = Units.of(examples.rows, [] if problem.classes else examples.targets)
    about = f"classes: {_some(problem.classes)}" if problem.classes else f"target: {visible(table.target)}"
    print(
        f"Data: {visible(table.source)}; {len(table)} examples; inputs: {_some(table.features)}; {about}."
    )
    if held_out:
        print(f"{len(held_out)} examples are held out for validation.")
    for note in table.notes:
        print(note)
    print(
        f"Network: {'-'.join(map(str, network.sizes))}, {network.activation} inside, "
        f"{network.output_activation} at the end, {len(network.parameters())} parameters; "
        f"loss: {problem.loss}.\nSeed {args.seed}, learning rate {_rate(args):g}."
    )
    print(parameter_table(network))

    small = len(network.parameters()) <= _EXAMPLE_LIMIT
    last = problem.table.rows[-1], problem.table.targets[-1]
    if small:
        print(f"\nOne example, x = {_plain(last[0])}, t = {_plain(last[1])}, before training:")
        print(worked_example(network, problem.goal.loss, *last))
        print(
            "Numbers are shown with 4 digits and computed with all of them. By the chain rule ∂L/∂h comes\n"
            "without the derivative of the activation, ∂L/∂z with it; some texts call the latter ∂L/∂h."
        )

    optimizer = OPTIMIZERS[args.optimizer](network.parameters(), lr=_rate(args))
    rules = _rules(args, network)
    history = fit(
        network,
        problem.written(examples),
        loss=problem.goal.loss,
        optimizer=optimizer,
        epochs=args.epochs or (500 if args.file else 10_000),
        batch_size=args.batch,
        validation=problem.written(held_out) if held_out else None,
        stop=rules,
        seed=args.seed,
        standardize=bool(args.file),
        checkpoint=args.checkpoint,
        resume=args.resume,
    )
    epochs = f"{len(history)} epoch{'s' * (len(history) != 1)}"
    print(f"\nTraining stopped after {epochs}: {history.stopped}.")
    print(history.table())
    print("\nAfter training:")
    if small:
        print(parameter_table(network))
    right = _show_predictions(network, table)
    if held_out and problem.classes:
        found = confusion(network, held_out)
        print(f"  {found.right} of {found.total} held-out examples right ({found.accuracy:.1%})")
    if history.rule != "TargetLoss" and history.flat() and right < _GOOD * len(table):
        print(
            f"It is stuck: the loss stays at {history.losses[-1]:.4f} while the gradient has shrunk to "
            f"{history.gradient_norms[-1]:.2g}.\n"
            f"{_advice(network)}"
        )
    if args.save:
        network.save(args.save, force=args.force)
        print(f"Saved to {args.save}.")
    if args.picture:
        network.zero_grad()
        loss = problem.goal.loss(network(last[0]), last[1])
        loss.name = "L"
        loss.backward()
        path = draw(loss).render(args.picture, force=args.force)
        print(
            f"The example x = {_plain(last[0])}, t = {_plain(last[1])} after training is drawn in {path}."
        )
    return 130 if history.rule == "Ctrl-C" else 0


def _rules(args: argparse.Namespace, network: MLP) -> list[Rule]:
    until = args.until
    if until is None:
        until = _UNTIL
        if network.units and network.units.target_spreads:  # losses are in the units of the targets
            until *= network.units.target_spreads[0] ** 2
    rules: list[Rule] = [TargetLoss(until)]
    if args.patience:
        rules.append(ValidationRises(args.patience))
    return rules


_UNTIL = 0.001  # a loss to stop at; of numbers, the part of their variance

_HEADER: dict[str, str | bool] = {"auto": "auto", "yes": True, "no": False}

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW}


def _advice(network: MLP) -> str:
    if len(network.sizes) == 2:
        return "A network without a hidden layer can only draw a straight line: give it one with --sizes."
    return "That is a local minimum or a plateau; another --seed or a smaller --lr may help."


_EXAMPLE_LIMIT = 30  # parameters: a larger network's example fills more than a screen
_GOOD = 0.9  # of the predictions right: better than where XOR gets stuck


def _network(args: argparse.Namespace, problem: Problem) -> MLP:
    features, source = len(problem.table.features), problem.table.source
    needs = f"{source} has {features} inputs and {problem.loss} needs {problem.outputs} outputs for it"
    if args.load:
        network = MLP.from_file(args.load)
        if args.sizes and args.sizes != network.sizes:
            raise ValueError(
                f"{args.load} has the sizes {network.sizes}, not {args.sizes}: leave out --sizes"
            )
        if args.hidden and args.hidden != network.sizes[1:-1]:
            raise ValueError(f"{args.load} has the sizes {network.sizes}: leave out --hidden")
        if args.activation not in {None, network.activation}:
            raise ValueError(f"{args.load} has {network.activation} inside: leave out --activation")
        if network.output_activation != problem.ending:
            raise ValueError(
                f"{args.load} ends with {network.output_activation}; {problem.loss} needs {problem.ending}"
            )
    else:
        if args.sizes and args.hidden:
            raise ValueError("--sizes has the hidden layers in it: leave out --hidden")
        hidden = args.hidden or [8 if args.file else 2]
        sizes = args.sizes or [features, *hidden, problem.outputs]
        activation = args.activation or ("tanh" if args.file else "sigmoid")
        network = MLP(
            sizes[0], sizes[1:], activation=activation, output_activation=problem.ending, seed=args.seed
        )
    if network.sizes[0] != features or network.sizes[-1] != problem.outputs:
        raise ValueError(f"the sizes {','.join(map(str, network.sizes))} do not fit: {needs}")
    return network


def _rate(args: argparse.Namespace) -> float:
    usual = 0.01 if args.optimizer != "sgd" else 0.5 if args.file else 2.0
    return float(args.lr or usual)


def _show_predictions(network: MLP, table: Table) -> int:
    """Print some predictions and, where there are classes, how many are right; return that number."""
    outputs = network.outputs(table.rows)
    said = [table.classes[network.class_of(y)] if table.classes else "" for y in outputs]
    step = max(1, len(table) // _SHOWN)
    for i in range(0, len(table), step):
        verdict = f": {'right' if said[i] == table.labels[i] else 'wrong'}" if table.classes else ""
        y = outputs[i]
        answer = f"predicted {said[i]}" if isinstance(y, list) else f"y = {number(y, 4)}"
        target = _short(table.labels[i])
        print(f"  x = {_plain(table.rows[i])}: {visible(f'{answer}, target {target}')}{verdict}")
    if not table.classes:
        return len(table)
    right = [*map(str.__eq__, table.labels, said)].count(True)
    print(f"  {right} of {len(table)} right")
    return right


_SHOWN = 6


# ── predict, evaluate ─────────────────────────────────────────────────────────────────────────────────


def predict_command(args: argparse.Namespace) -> int:
    """Print each row of a file with what a network says of it, as CSV."""
    network = load(args.model)
    table = _table_for(network, args, None, "auto")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    outputs = network.sizes[-1]
    names = ["prediction"] if network.classes or outputs == 1 else [f"y{i}" for i in range(1, outputs + 1)]
    writer.writerow([*table.features, *names])
    for row, said in zip(table.rows, network.predict(table.rows)):
        writer.writerow(
            [*map(_short, row), *(map(_short, said) if isinstance(said, list) else [_short(said)])]
        )
    if args.output:
        write_atomically(args.output, text.getvalue(), force=args.force)
        print(f"{len(table)} predictions are in {args.output}.", file=_beside(args.output))
    else:
        print(text.getvalue(), end="")
    return 0


def evaluate_command(args: argparse.Namespace) -> int:
    """Say how good a network is."""
    network = load(args.model)
    task = "classes" if network.classes else "numbers"
    table = _table_for(network, args, args.target, task)
    if network.classes:
        print(confusion(network, table))
        return 0
    differences = [y - t for y, t in zip(network.outputs(table.rows), table.targets)]
    mean = math.fsum(table.targets) / len(table)
    squares = math.fsum(d * d for d in differences) / len(table)
    variance = math.fsum((t - mean) ** 2 for t in table.targets) / len(table)
    print(
        f"{len(table)} examples: mean |y − t| = {math.fsum(map(abs, differences)) / len(table):.4g}", end=""
    )
    print(f", mean (y − t)² = {squares:.4g}", end="")
    print(f", R² = {1 - squares / variance:.4f}" if variance else "")
    return 0


def _table_for(network: MLP, args: argparse.Namespace, target: str | None, task: str) -> Table:
    """A file whose columns have the names of the network's inputs, or are as many and have none."""
    try:
        table = read_csv(args.file, target, _HEADER[args.header], task, [*network.features] or None)
    except ValueError as by_name:
        if "is the target, and cannot" in str(by_name):
            raise ValueError(
                f"{args.file}: the targets are missing: name their column with --target"
            ) from None
        try:
            table = read_csv(args.file, target, _HEADER[args.header], task)
        except ValueError:
            raise by_name from None
        if table.features != [f"x{i}" for i in range(1, network.sizes[0] + 1)]:
            raise
    if len(table.features) != network.sizes[0]:
        raise ValueError(
            f"{args.file}: there are {len(table.features)} columns of inputs, but the network has "
            f"{network.sizes[0]} inputs"
        )
    return table


def _beside(path: str) -> TextIO:
    """Where to say that something was written: not into what was written, as to /dev/stdout."""
    return sys.stderr if is_stream(path) else sys.stdout


def _short(thing: Any) -> str:
    return repr(thing).removesuffix(".0") if isinstance(thing, float) else str(thing)


# ── draw ──────────────────────────────────────────────────────────────────────────────────────────────


def draw_command(args: argparse.Namespace) -> int:
    """Draw a network, or what it computes."""
    network, inputs, target = _example(args)
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
    print(f"Drawn in {picture.render(args.output, force=args.force)}: {what}.", file=_beside(args.output))
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
        cursor.save(args.save, force=args.force)
        print(f"Saved to {args.save}: open it in a browser.", file=_beside(args.save))
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
    return visible(", ".join(names[:most])) + (", …" if len(names) > most else "")


if __name__ == "__main__":
    sys.exit(main())
