"""Files: damaged, hostile and from elsewhere; full disks, links, devices, and a process that is killed."""

import contextlib
import copy
import errno
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import microgradlike as mg
from microgradlike.__main__ import main
from microgradlike.nn import MLP, load
from microgradlike.training import checkpoints
from microgradlike.units import Units

if os.name == "posix":
    import resource

#: Damage may take the check sum out: what is left is then checked without it.
pytestmark = pytest.mark.filterwarnings("ignore:.*has no check sum:UserWarning")

#: How many damaged files of each kind are read; many more were, by MICROGRADLIKE_FUZZ=100000.
EXAMPLES = int(os.environ.get("MICROGRADLIKE_FUZZ", "150"))
HERE = Path(__file__).parent
fuzzed = settings(
    max_examples=EXAMPLES, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

# ── Whole files, to be damaged ────────────────────────────────────────────────────────────────────────

XOR = mg.data.xor()
WORDS = "petal,sepal,kind\n1.4,5.1,setosa\n4.7,7.0,versicolor\n4.5,6.4,versicolor\n1.5,4.9,setosa\n"
NUMBERS = "x1;x2;t\r\n0;0;0,5\r\n" + "0;1;1.5\r\n-1e-3;+2.;3\r\n"
PANDAS = ",a,b,t\n0,1,2,0\n1,3,4,1\n2,5,6,1\n3,7,8,0\n"
TABLES = [text.encode() for text in (WORDS, NUMBERS, PANDAS, '"a","b ""c"""\n1,"2"\n3,4\n', "1,2\n3,4\n")]


def network() -> MLP:
    model = MLP(2, [2, 1], activation="tanh", output_activation="sigmoid")
    model.features, model.classes, model.threshold = ["petal", "sepal"], ["setosa", "versicolor"], 0.5
    model.units = Units((1.0, 2.0), (0.5, 1.0))
    return model


def train(path: Path | None, model: MLP | None = None, epochs: int = 2) -> mg.History:
    model = model or MLP(2, [2, 1], activation="tanh", output_activation="sigmoid")
    optimizer = mg.Adam(model.parameters(), lr=0.01)
    return mg.fit(
        model, XOR, optimizer=optimizer, epochs=epochs, compile=False, progress=False,
        validation=XOR, checkpoint=path, resume=path is not None,
    )  # fmt: skip


def written(write: Callable[[Path], Any], folder: Path) -> bytes:
    write(folder / "whole")
    return (folder / "whole").read_bytes()


# ── Damage ────────────────────────────────────────────────────────────────────────────────────────────

SNIPPETS = [
    b"", b"\0", b"\n", b"\r", b"\r\n", b'"', b'""', b",", b";", b"\t", b"|", b" ", b"-", b"_", b"=", b"\\",
    b"{", b"}", b"[", b"]", b":", b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"-1e-999", b"0x10",
    b"1_000", b"1,5", b"1" * 400, b"1" * 5000, b"9" * 140_000, b"\xff", b"\xef\xbb\xbf", b"\xff\xfe",
    b"\xed\xa0\x80", b"\\ud800", b"\xe2\x80\xa8", b"\x1b[2J", b"[" * 990, b"[" * 3000, b"=1+1", b"\x85",
    b"__import__('os').system('x')", b"\xd9\xa1\xd9\xa2",
]  # fmt: skip

#: Where, how much is taken away, and what is put there instead.
EDITS = st.lists(
    st.tuples(
        st.integers(0, 10**6),
        st.sampled_from([0, 0, 1, 1, 2, 7, 50]),
        st.sampled_from(SNIPPETS) | st.binary(max_size=4),
    ),
    min_size=1,
    max_size=4,
)


def damaged(content: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for place, length, snippet in edits:
        start = place % (len(content) + 1)
        content = content[:start] + snippet + content[start + length :]
    return content


def deep(depth: int, kind: str = "[") -> Any:
    thing: Any = 0
    for _ in range(depth):
        thing = [thing] if kind == "[" else {"a": thing}
    return thing


#: What may stand anywhere in a JSON file.
THINGS: list[Any] = [
    None, True, False, 0, 1, -1, 2, 1.0, 0.5, -0.0, 1e308, float("nan"), float("inf"), float("-inf"),
    10**9, 2**63, 10**400, -(10**4000), "", "a", "x" * 5000, "\ud800", "\0", "1", "nan", "__import__",
    "__class__", "tanh", "linear", "MLP", "<b>", [], [[]], [1], [1.0, 2.0], ["a"], [None], [10**400], {},
    {"a": 1}, {"__class__": "x"}, [0] * 2000, ["a"] * 2000, deep(300), deep(300, "{"), "\n\x1b[2J", [True],
    [-1.0] * 9, [0] * 9, [0.5] * 9, [10**9, 10**9], ["petal", "petal"], ["setosa"] * 2,
]  # fmt: skip


def places(thing: Any) -> Iterator[tuple[Any, Any]]:
    """Each container in it with each key of it."""
    for key, inside in thing.items() if isinstance(thing, dict) else enumerate(thing):
        yield thing, key
        if isinstance(inside, dict | list):
            yield from places(inside)


#: Where, what to do there, and a thing to put there.
GRAFTS = st.lists(
    st.tuples(
        st.integers(0, 10**6),
        st.sampled_from(["put", "put", "put", "add", "drop"]),
        st.sampled_from(THINGS),
    ),
    min_size=1,
    max_size=3,
)


def grafted(content: bytes, grafts: list[tuple[int, str, Any]]) -> bytes:
    whole = json.loads(content)
    for place, how, thing in grafts:
        found = [*places(whole)]
        container, key = found[place % len(found)]
        if how == "drop":
            del container[key]
        elif how == "put":
            container[key] = copy.deepcopy(thing)
        elif isinstance(container, dict):
            container["another"] = copy.deepcopy(thing)
        else:
            container.append(copy.deepcopy(thing))
        if not [*places(whole)]:
            break
    return json.dumps(whole).encode()


HURT = EDITS.map(lambda edits: lambda content: damaged(content, edits))
HURT_JSON = HURT | GRAFTS.map(lambda grafts: lambda content: grafted(content, grafts))
Hurt = Callable[[bytes], bytes]

# ── Readers ───────────────────────────────────────────────────────────────────────────────────────────


def assert_read_or_refused(path: Path, read: Callable[[], Any], *, seconds: float = 5.0) -> Any:
    """It is read, or refused in a ValueError of a few lines that names the file; and soon."""
    begun = time.process_time()
    try:
        result = read()
    except ValueError as error:
        result = error
    assert time.process_time() - begun < seconds
    if isinstance(result, ValueError):
        said = str(result)
        assert str(path) in said
        assert len(said) < 500 + 2 * len(str(path))
    return result


@fuzzed
@given(
    st.sampled_from(TABLES),
    HURT,
    st.sampled_from([-1, 0, None, "kind", "t"]),
    st.sampled_from(["auto", True, False]),
    st.sampled_from(["auto", "classes", "numbers"]),
    st.sampled_from([None, None, ["petal"], ["x2", "x1"]]),
)
def test_a_damaged_table_is_read_or_refused(
    tmp_path: Path, content: bytes, hurt: Hurt, target: Any, header: Any, task: str, columns: Any
) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(hurt(content))
    table = assert_read_or_refused(path, lambda: mg.data.read_csv(path, target, header, task, columns))
    if isinstance(table, mg.data.Table):
        assert len({*map(len, table.rows)} | {len(table.features)}) == 1
        assert len(table.targets) in {0, len(table)}


@fuzzed
@given(HURT_JSON)
def test_a_damaged_model_is_loaded_or_refused(tmp_path: Path, hurt: Hurt) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(hurt(written(network().save, tmp_path)))
    other = MLP(2, [2, 1], activation="tanh", output_activation="sigmoid")
    before = other.state_dict(), vars(other).copy()
    if isinstance(assert_read_or_refused(path, lambda: other.load(path)), Exception):
        assert (other.state_dict(), vars(other)) == before
    model = assert_read_or_refused(path, lambda: load(path))
    if isinstance(model, MLP):  # it works, in every respect
        model([0.5] * model.sizes[0])
        model.save(path)
        load(path)


@fuzzed
@given(HURT_JSON)
def test_a_damaged_checkpoint_is_resumed_or_refused(tmp_path: Path, hurt: Hurt) -> None:
    path = tmp_path / "run.json"
    path.unlink(missing_ok=True)
    train(path)
    path.write_bytes(hurt(path.read_bytes()))
    model = MLP(2, [2, 1], activation="tanh", output_activation="sigmoid")
    before = model.state_dict()
    if isinstance(assert_read_or_refused(path, lambda: train(path, model, 3)), Exception):
        assert model.state_dict() == before


@fuzzed
@given(
    HURT_JSON | st.just(bytes),
    HURT | st.just(bytes),
    st.sampled_from(
        [
            ["predict", "MODEL", "TABLE"],
            ["predict", "MODEL", "TABLE", "-o", "OUT"],
            ["evaluate", "MODEL", "TABLE"],
            ["draw", "--load", "MODEL", "-o", "OUT.gv"],
            ["draw", "--load", "MODEL", "-o", "OUT.gv", "--inputs", "1,2", "--target", "1"],
            ["step", "--load", "MODEL", "--inputs", "1,2", "--target", "1"],
            ["train", "TABLE", "--load", "MODEL", "--epochs", "1"],
            ["train", "TABLE", "--epochs", "1", "--hidden", "1"],
        ]
    ),
)
def test_the_shell_answers_a_damaged_file_in_one_line(
    tmp_path: Path, hurt: Hurt, hurt_too: Hurt, arguments: list[str]
) -> None:
    """Exit code 2 and one line; no traceback, whatever stands in the files."""
    model, table = tmp_path / "MODEL", tmp_path / "TABLE"
    model.write_bytes(hurt(written(network().save, tmp_path)))
    table.write_bytes(hurt_too(WORDS.encode()))
    out, err = io.StringIO(), io.StringIO()
    begun = time.process_time()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(
                [str(tmp_path / word) if word.isupper() or "." in word else word for word in arguments]
            )
        except SystemExit as error:
            code = int(str(error.code))
    assert time.process_time() - begun < 5
    said = err.getvalue()
    assert (code, said.count("\n")) in {(0, 0), (2, 1)}, said
    assert len(said) < 1000 + 2 * len(str(tmp_path))
    if code:
        assert str(tmp_path) in said or "--" in said


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xef\xbb\xbf{ALL}", ""),  # as Windows writes it
        (b"{ALL}\r\n", ""),
        ("{ALL}".encode("utf-16"), "not UTF-8"),
        (b'{ALL}"', "line 1, column"),
        (b'{ALL, "threshold": NaN}', "threshold is nan"),
        (b'{ALL, "threshold": 1e999}', "threshold is inf"),
        (b'{ALL, "units": "__import__"}', "units are lists of numbers by the names"),
        (b'{ALL, "units": {"means": [' + b"[" * 800 + b"]" * 800 + b"]}}", "units are lists"),
        (
            b'{ALL, "units": {"means": [NaN], "spreads": [1], "target_means": [], "target_spreads": []}}',
            "not a",
        ),
        (
            b'{ALL, "units": {"means": [1], "spreads": [0], "target_means": [], "target_spreads": []}}',
            "above 0",
        ),
        (
            b'{ALL, "units": {"means": [1], "spreads": [], "target_means": [], "target_spreads": []}}',
            "but 0",
        ),
        (b'{ALL, "features": ["a", "b", "c"]}', "3 features do not fit 2 inputs"),
        (b'{ALL, "version": "' + b"x" * 5000 + b'"}', "version 'xxx"),
        (b'{ALL, "activation": "' + b"x" * 5000 + b'"}', "called 'xxx|activation is 'xxx"),
        (b'{ALL, "parameters": {"' + b"x" * 5000 + b'": null}}', "xxx is None"),
        (b'{ALL, "activation": "__import__"}', "__import__"),
        (b'{ALL, "model": "__class__"}', "__class__"),
        (b'{ALL, "__class__": "os", "comment": "by another program"}', ""),
    ],
    ids=lambda thing: repr(thing)[:40],
)
def test_models_from_elsewhere(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "model.json"
    model = network()
    parts = json.loads(written(model.save, tmp_path))
    changed = b"comment" in content
    if changed:
        del parts["checksum"]
    whole = json.dumps(parts)[1:-1]
    utf16 = content[:2] == b"\xff\xfe"
    path.write_bytes(
        content.decode("utf-16").replace("ALL", whole).encode("utf-16")
        if utf16
        else content.replace(b"ALL", whole.encode())
    )
    if not says:
        with pytest.warns(UserWarning, match="no check sum") if changed else contextlib.nullcontext():
            assert load(path).state_dict() == model.state_dict()
    else:
        with pytest.raises(ValueError, match=says) as caught:
            load(path)
        assert str(path) in str(caught.value) and len(str(caught.value)) < 500


def test_a_model_written_by_another_program_has_the_same_bits(tmp_path: Path) -> None:
    """Keys in another order, other spaces, whole floats as integers, Windows' line ends."""
    path, model = tmp_path / "model.json", network()
    for parameter, number in zip(model.parameters(), [1.0, -2.0, 0.0, 1e22, 0.1, -1e-300, 3.0, 0.5, 7.0]):
        parameter.data = number
    model.save(path)
    content = json.loads(
        path.read_text(), parse_float=lambda text: int(float(text)) if float(text) % 1 == 0 else float(text)
    )
    content["parameters"] = dict(reversed(content["parameters"].items()))
    content = dict(reversed(content.items()))
    path.write_text(json.dumps(content, indent="\t", separators=(" ,", " :\n")), newline="\r\n")
    other = load(path)
    assert [p.data.hex() for p in other.parameters()] == [p.data.hex() for p in model.parameters()]
    assert other.features == model.features


def test_a_checkpoint_written_by_another_program_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    whole = train(None, epochs=4)
    train(path, epochs=2)
    content = json.loads(path.read_text())
    assert 0.0 not in content["history"]["losses"]
    content["history"]["seconds"] = [0, 1]  # as JavaScript writes 0.0 and 1.0
    del content["checksum"]  # which is of other seconds
    path.write_text(json.dumps(dict(reversed(content.items())), indent=3), newline="\r\n")
    with pytest.warns(
        UserWarning, match=r"run\.json: it has no check sum: damage to it would not be noticed"
    ):
        assert train(path, epochs=4).losses == whole.losses


@pytest.mark.parametrize(
    ("keys", "thing"),
    [
        (["training", "optimizer", "lr"], None),
        (["training", "optimizer", "lr"], -1.0),
        (["training", "optimizer", "lr"], 10**400),
        (["training", "optimizer", "steps"], []),
        (["training", "optimizer", "betas"], [0.9, 1.0]),
        (["training", "optimizer", "betas"], [[], {}]),
        (["training", "optimizer", "eps"], "0"),
        (["training", "moments", "updates", "b1"], -1),
        (["training", "moments", "updates", "b1"], 0.5),
        (["training", "moments", "means", "w11"], None),
        (["training", "moments", "means", "w11"], [1.0]),
        (["training", "moments", "squares", "w11"], -1.0),
        (["training", "moments", "squares", "w11"], 10**400),
        (["best", "moments", "squares", "w11"], -1.0),
        (["training", "parameters", "w11"], 10**400),
        (["best", "loss"], -1.0),
        (["best validation", "loss"], 1e-9),
        (["best", "epoch"], -1),
        (["lr"], "x"),
        (["history", "losses", 0], 10**400),
        (["history", "losses", 0], None),
    ],
    ids=str,
)
def test_a_damaged_number_in_a_checkpoint_is_found(tmp_path: Path, keys: list[Any], thing: Any) -> None:
    path = tmp_path / "run.json"
    train(path)
    content = json.loads(path.read_text())
    *way, last = keys
    inside = content
    for key in way:
        inside = inside[key]
    inside[last] = thing
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"run\.json: this checkpoint is damaged: its check sum"):
        train(path, epochs=3)
    del content["checksum"]
    path.write_text(json.dumps(content))
    with (
        pytest.warns(UserWarning, match="no check sum"),
        pytest.raises(ValueError, match=r"run\.json: this checkpoint is damaged: "),
    ):
        train(path, epochs=3)


class Lookahead(mg.SGD):
    """An optimiser of somebody's own, whose state is anything that JSON can hold."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.slow: Any = None
        self.pairs: list[Any] = [None] * len(self.parameters)

    def update(self, i: int, parameter: mg.Value) -> None:
        super().update(i, parameter)
        self.slow, self.pairs[i] = {"at": self.steps}, [parameter.data, "x"]


def test_an_optimizer_of_your_own_is_resumed(tmp_path: Path) -> None:
    path, states = tmp_path / "run.json", []
    for epochs in (2, 4):
        model = MLP(2, [2, 1])
        optimizer = Lookahead(model.parameters(), lr=0.1, momentum=0.5)
        mg.fit(model, XOR, optimizer=optimizer, epochs=epochs, checkpoint=path, resume=True)
        states.append(optimizer.state_dict())
    assert [state["slow"] for state in states] == [{"at": 2}, {"at": 4}]
    optimizer.load_state_dict(Lookahead(model.parameters(), lr=0.1, momentum=0.5).state_dict())
    assert optimizer.velocities == [None] * 9
    damaged: list[Any] = [["x"] * 9, [[]] * 9, [10**400] * 9, [None] * 8]
    for velocities in damaged:
        with pytest.raises(ValueError, match="velocities"):
            optimizer.load_state_dict({**states[0], "velocities": velocities})


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a,b\n1," + "9" * 100_000 + "\n2,3\n", "line 2, column 2 (b): it holds '999"),
        ("a," + "b" * 100_000 + "\n1,2\n2,\n", "line 3, column 2 (bbb"),
        ("a,b\n1,2\n3," + "1,234" * 10_000 + "\n", "line 3: 10002 cells"),
        ("a;b\n1;2\n" + "1,2" * 10_000 + ";3\n", "line 3, column 1 (a): it holds '1,2"),
        ("a,b\n" + "1" * 140_000 + ",2\n", "line 2: field larger than field limit"),
        ("a" * 1_000_000, "line 1: field larger than field limit"),
        ("a,b\n1,2\ud800\n", "line 2, byte 4: 0xed is not UTF-8"),
        ("a,b\n1,inf" + "inf" * 30_000 + "\n", "line 2"),
    ],
    ids=lambda thing: repr(thing)[:30],
)
def test_long_cells_are_not_repeated_in_full(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(ValueError, match=r".*") as caught:
        mg.data.read_csv(path, task="numbers")
    assert says in str(caught.value) and len(str(caught.value)) < 400


def test_reading_takes_no_more_memory_than_a_small_multiple_of_the_file(tmp_path: Path) -> None:
    """Whatever sizes a file claims; a row of a table is a list, of which there may be one every 4 bytes."""
    path = tmp_path / "file"
    whole = json.loads(written(network().save, tmp_path))
    readers: dict[Any, tuple[Callable[[Path], Any], float]] = {
        json.dumps({**whole, "sizes": [10**9, 10**9, 1]}): (load, 100),
        json.dumps({**whole, "sizes": [1] * 3_000}): (load, 30),
        json.dumps({**whole, "features": ["a"] * 50_000}): (load, 30),
        "[" * 30_000: (load, 30),
        '{"a":' * 30_000: (load, 30),
        "0,0\n1,1\n" * 3_000: (mg.data.read_csv, 50),
        "," * 50_000: (mg.data.read_csv, 50),
        "\n" * 50_000: (mg.data.read_csv, 50),
        '"' + "x" * 50_000: (mg.data.read_csv, 50),
        "1," * 30_000 + "1": (mg.data.read_csv, 100),
    }
    for text, (read, factor) in readers.items():
        path.write_text(text)
        tracemalloc.start()
        with contextlib.suppress(ValueError):
            read(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < factor * max(len(text), 2000), (text[:20], peak / len(text))


def test_columns_of_a_wide_file_are_found_in_no_time(tmp_path: Path) -> None:
    names = [f"column {i}" for i in range(20_000)]
    path = tmp_path / "wide.csv"
    path.write_text(",".join(names) + "\n" + ",".join("1" * len(names)) + "\n")
    begun = time.process_time()
    assert len(mg.data.read_csv(path, None, columns=names[::-1]).rows[0]) == len(names)
    assert time.process_time() - begun < 2


AUDITED = """
import sys
from pathlib import Path
import microgradlike as mg
from test_files import read_everything

folder = Path(sys.argv[1])
read_everything(folder)  # what is imported late is there now
happened = set()
harmless = ("open", "os.", "fcntl.flock", "object.__getattr__", "builtins.id")
sys.addaudithook(lambda event, _: None if event.startswith(harmless) else happened.add(event))
read_everything(folder)
print(sorted(happened))
"""


def read_everything(folder: Path) -> None:
    """Read all files of a folder in every way, as `test_reading_executes_nothing` asks."""
    for path in sorted(folder.iterdir()):
        for read in (load, network().load, mg.data.read_csv, train):
            with contextlib.suppress(ValueError):
                read(path)


def test_reading_executes_nothing(tmp_path: Path) -> None:
    """Python tells its audit hooks of every import, compilation, execution and unpickling."""
    evil = "__import__('os').mkdir('hacked')"
    whole = written(network().save, tmp_path).decode()
    (tmp_path / "whole").unlink()
    for i, old in enumerate(["tanh", "sigmoid", "MLP", "w11", "petal", "setosa", "means"]):
        (tmp_path / f"{i}").write_text(whole.replace(old, evil))
    train(tmp_path / "run")
    checkpoint = (tmp_path / "run").read_text()
    for i, old in enumerate(["Adam", "MLP", "tanh", "half_squared_error", "betas", "losses", "eager"]):
        (tmp_path / f"run{i}").write_text(checkpoint.replace(old, evil))
    (tmp_path / "table").write_text(WORDS.replace("setosa", f'"{evil}"').replace("petal", "__class__"))
    (tmp_path / "pickle").write_bytes(b"cos\nmkdir\n(S'hacked'\ntR.")
    done = subprocess.run(
        [sys.executable, "-c", AUDITED, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=HERE,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert not (HERE / "hacked").exists()


# ── Writers ───────────────────────────────────────────────────────────────────────────────────────────


def loss(number: float) -> mg.Value:
    y = mg.tanh(mg.Value(number, "x") * 2.0)
    y.name = "y"
    return y


#: Whatever writes files: the suffix, and what writes there one of two contents.
WRITERS: dict[str, tuple[str, Callable[[Path, int], Any]]] = {
    "Module.save": (".json", lambda path, i: MLP(20, [20], seed=i).save(path)),
    "Table.save": (".csv", lambda path, i: mg.data.moons(200, seed=i).save(path)),
    "checkpoint": (".json", lambda path, i: checkpoints.save(path, {"numbers": [i / 7] * 5000})),
    "Picture.render": (".gv", lambda path, i: mg.draw(loss(i)).render(path)),
    "Steps.save": (".html", lambda path, i: mg.steps(loss(i)).save(path)),
}


def kill_while_writing(folder: Path, kills: int) -> None:
    """Write the two contents in turn in a child process, which is killed at any moment: many times."""
    os.environ["MICROGRADLIKE_DOT"] = "none"  # so that a page takes a millisecond
    patch = pytest.MonkeyPatch()
    patch.setattr(
        "os.fsync", lambda _: time.sleep(0.002)
    )  # as by a slow disk: the kill finds a whole draft
    rng = random.Random(0)
    for name, (suffix, write) in WRITERS.items():
        path, contents, litter = folder / f"{name}{suffix}", [], 0
        for i in (0, 1):
            write(path, i)
            contents.append(path.read_bytes())
        for _ in range(kills):
            child = os.fork()
            if not child:
                while True:
                    write(path, 0)
                    write(path, 1)
            time.sleep(rng.uniform(0.001, 0.02))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            assert path.read_bytes() in contents, name
            drafts = [file.name for file in folder.iterdir() if file != path]
            assert all(re.fullmatch(r"\.microgradlike-[0-9a-f]{16}\.tmp", draft) for draft in drafts)
            litter += len(drafts)
            write(path, 0)
            assert [*folder.iterdir()] == [path]  # the next write removes the drafts of the dead
        print(name, kills, "kills", litter, "drafts left")
        assert path.read_bytes() == contents[0]
        path.unlink()
        assert not [*folder.iterdir()]


def test_the_draft_of_a_living_writer_stays(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    ours, foreign = tmp_path / f".microgradlike-{'0' * 16}.tmp", tmp_path / f".{'0' * 16}.tmp"
    foreign.write_text("of another program")
    os.mkfifo(tmp_path / f".microgradlike-{'1' * 16}.tmp")
    with ours.open("w") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        network().save(tmp_path / "model.json")
        assert ours.exists() and foreign.exists()
    network().save(tmp_path / "model.json")
    assert not ours.exists() and foreign.exists()
    assert len([*tmp_path.iterdir()]) == 3


def test_a_read_only_file_stays_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for suffix, write in WRITERS.values():
        path = tmp_path / f"file{suffix}"
        path.write_text("precious")
        path.chmod(0o444)
        before = path.read_bytes()
        with pytest.raises(OSError, match="this file is read-only, and stays so") as caught:
            write(path, 0)
        assert caught.value.errno == errno.EACCES
        assert path.read_bytes() == before
        path.chmod(0o644)
        path.unlink()
    path = tmp_path / "model.json"
    path.write_text("precious")
    path.chmod(0o444)
    network().save(path, force=True)
    assert load(path).state_dict() == network().state_dict()
    mg.data.xor().save(path, force=True)
    assert len(mg.data.read_csv(path)) == 4
    path.chmod(0o644)
    assert len([*tmp_path.iterdir()]) == 1


@pytest.mark.parametrize(
    ("path", "error", "says"),
    [
        (1, TypeError, "not 1, which would be an open file"),
        (True, TypeError, "not True, which would be an open file"),
        (b"model.json", TypeError, r"not b'model.json'"),
        (None, TypeError, "not None"),
        ("", ValueError, "write the name of the file"),
        (" ", ValueError, "write the name of the file"),
        ("folder/", ValueError, "this names a directory"),
        ("folder/.", ValueError, "this names a directory"),
        ("..", ValueError, "this names a directory"),
        ("a\0b", ValueError, "a path has no zero byte"),
        ("\ud800", ValueError, "half a character"),
    ],
)
def test_what_is_no_path_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Any, error: type[Exception], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MICROGRADLIKE_DOT", "none")
    writers: list[Callable[[Any], Any]] = [network().save, mg.data.xor().save, mg.steps(loss(0)).save]
    for write in writers:
        with pytest.raises(error, match=says):
            write(path)
    if path is not None:
        with pytest.raises((TypeError, ValueError)):
            mg.draw(loss(0)).render(path, format="gv")
        with pytest.raises((TypeError, ValueError)):
            mg.fit(network(), XOR, checkpoint=path, progress=False, epochs=1)
    assert [*tmp_path.iterdir()] == []


def fill_the_disk(folder: Path) -> None:
    """No file may be larger than 100 bytes: as on a full disk, the write itself fails."""
    os.environ["MICROGRADLIKE_DOT"] = "none"
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
    for name, (suffix, write) in WRITERS.items():
        for before in (b"old", None):
            path = folder / f"{name}{suffix}"
            path.unlink(missing_ok=True)
            if before:
                path.write_bytes(before)
            with pytest.raises(OSError, match=re.escape(str(path))) as caught:
                write(path, 1)
            assert caught.value.errno == errno.EFBIG
            assert [file.name for file in folder.iterdir()] == [path.name] * bool(before)
            assert not before or path.read_bytes() == before
        path.unlink(missing_ok=True)


def write_where_nobody_may() -> None:
    """A directory that is read-only, for somebody who is not root."""
    os.environ["MICROGRADLIKE_DOT"] = "none"
    folder = Path(tempfile.mkdtemp())  # pytest's own are closed to everybody else
    for suffix, write in WRITERS.values():
        write(folder / f"file{suffix}", 0)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    folder.chmod(0o555)
    try:
        if os.geteuid() == 0:
            os.seteuid(65534)
        for suffix, write in WRITERS.values():
            for path in (folder / f"new{suffix}", folder / f"file{suffix}"):
                with pytest.raises(OSError, match=re.escape(str(path))) as caught:
                    write(path, 1)
                assert caught.value.errno == errno.EACCES
    finally:
        os.seteuid(os.getuid())
        after = {file.name: file.read_bytes() for file in folder.iterdir()}
        shutil.rmtree(folder)
    assert after == before


def in_a_process_of_its_own(function: str, *arguments: Any) -> str:
    call = f"test_files.{function}({', '.join(map(repr, arguments))})"
    done = subprocess.run(
        [sys.executable, "-c", f"from pathlib import PosixPath; import test_files; {call}"],
        capture_output=True, text=True, cwd=HERE, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


posix = pytest.mark.skipif(os.name != "posix", reason="this is about POSIX systems")


@posix
def test_a_killed_process_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    said = in_a_process_of_its_own("kill_while_writing", tmp_path, 15)
    assert said.count("15 kills") == len(WRITERS)
    assert int(sum(int(line.split()[-3]) for line in said.splitlines())) > 5  # so it was killed in time


@posix
def test_a_full_disk_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    in_a_process_of_its_own("fill_the_disk", tmp_path)


@posix
def test_a_read_only_directory_is_named() -> None:
    in_a_process_of_its_own("write_where_nobody_may")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("name", WRITERS)
def test_a_device_that_is_full_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MICROGRADLIKE_DOT", "none")
    write = WRITERS[name][1]
    with pytest.raises(OSError, match="/dev/full") as caught:
        write(Path("/dev/full"), 1) if name != "Picture.render" else mg.draw(loss(1)).render(
            "/dev/full", format="gv"
        )
    assert caught.value.errno == errno.ENOSPC
    assert os.path.exists("/dev/full") and not os.path.exists("/dev/full.gv")


@pytest.mark.parametrize(
    "name",
    [
        "a b",
        "größe ½ 高さ",
        "a\nb",
        "-rf",
        "a'b\"c",
        "$(id)",
        "%s{}",
        "🙂",
        "x" * 240,
        "a.b.",
        ".hidden",
        "\udcff",
    ],
    ids=ascii,
)
def test_any_name_of_a_file_will_do(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MICROGRADLIKE_DOT", "none")
    if sys.platform != "linux" and (set(name) & {*'\n"\udcff'} or name[-1] == "."):
        pytest.skip("other systems have no such names")
    for suffix, write in WRITERS.values():
        path = tmp_path / f"{name}{suffix}"
        write(path, 1)
        assert [file.name for file in tmp_path.iterdir()] == [path.name]
        if suffix == ".csv":
            assert len(mg.data.read_csv(path)) == 200
        path.unlink()
    model, table = tmp_path / f"{name}.json", tmp_path / f"{name}.csv"
    network().save(model)
    table.write_text(WORDS)
    for file, code, lines in ((table, 0, 0), (tmp_path / f"no {name}"[:200], 2, 1), (model, 2, 1)):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
            assert main(["predict", str(model), str(file)]) == code
        assert said.getvalue().count("\n") == lines


@posix
def test_what_is_already_open_is_written_to(tmp_path: Path) -> None:
    """To a pipe, and to files at whose end the shell goes on, only the content; the words go elsewhere."""
    model, table, out = tmp_path / "model.json", tmp_path / "table.csv", tmp_path / "out"
    network().save(model)
    table.write_text(WORDS)
    code = "import sys; from microgradlike.__main__ import main; sys.exit(main())"
    program = [sys.executable, "-c", code]
    predict = [*program, "predict", str(model), str(table)]
    expected = subprocess.run(predict, capture_output=True, text=True, check=True).stdout
    assert expected.count("\n") == 5
    done = subprocess.run([*predict, "-o", "/dev/stdout"], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (expected, "4 predictions are in /dev/stdout.\n")
    for mode in ("w", "a"):
        out.write_text("before\n")
        with out.open(mode) as file:
            file.write("first\n")
            file.flush()
            subprocess.run([*predict, "-o", "/dev/stdout"], stdout=file, stderr=subprocess.PIPE, check=True)
            subprocess.run(["echo", "last"], stdout=file, check=True)
        assert out.read_text() == "before\n" * (mode == "a") + f"first\n{expected}last\n"
    draw = subprocess.run(
        [*program, "draw", "-o", "/dev/stdout"], capture_output=True, text=True, check=True
    )
    assert draw.stdout.rstrip().endswith("</svg>") and not os.path.exists("/dev/stdout.svg")
    piped = subprocess.run(
        [*program, "predict", "/dev/stdin", str(table)],
        input=model.read_text(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert piped.stdout == expected
    if os.path.exists("/dev/full"):
        with open("/dev/full", "w") as full:
            done = subprocess.run(predict, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert (done.returncode, done.stderr) == (2, "microgradlike: the output: No space left on device\n")


@posix
def test_a_private_file_is_private_before_anything_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = tmp_path / "model.json", []
    network().save(path)
    path.chmod(0o600)

    def fsync(file: int) -> None:
        seen.append(os.fstat(file).st_mode & 0o777)

    monkeypatch.setattr("os.fsync", fsync)
    chmod = Path.chmod

    def watch(self: Path, mode: int) -> None:
        seen.append(self.stat().st_size)
        chmod(self, mode)

    monkeypatch.setattr("pathlib.Path.chmod", watch)
    network().save(path)
    assert seen == [0, 0o600]


def test_half_a_character_cannot_be_written_and_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(ValueError, match=r"table\.csv: .*half a character"):
        mg.data.Table("", ["a\ud800b"], [[1.0]], [0.5]).save(path)
    assert path.read_text() == "old"


def test_a_table_that_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    for name in ("a\nb", "a\rb", "a\0b"):
        for table in (
            mg.data.Table("", [name], [[1.0]], [0.5]),
            mg.data.Table("", ["x"], [[1.0]], [0], classes=[name]),
        ):
            with pytest.raises(ValueError, match=r"table\.csv: 'a.*b' has a line break"):
                table.save(tmp_path / "table.csv")
    assert not [*tmp_path.iterdir()]


@posix
def test_links_are_followed_to_where_they_lead(tmp_path: Path) -> None:
    model, first, second = tmp_path / "model.json", tmp_path / "first", tmp_path / "second"
    first.symlink_to(second)
    second.symlink_to(model)
    network().save(first)
    assert first.is_symlink() and second.is_symlink() and model.is_file()
    model.unlink()
    model.symlink_to(first)
    with pytest.raises(OSError, match="first") as caught:
        network().save(first)
    assert caught.value.errno == errno.ELOOP
    assert {*tmp_path.iterdir()} == {model, first, second} and model.is_symlink()


def test_a_network_for_other_inputs_than_the_table_has_is_refused_with_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, table = tmp_path / "model.json", tmp_path / "table.csv"
    MLP(2, [1]).save(model)
    table.write_text("a,b,c\n1,2,3\n4,5,6\n")
    assert main(["predict", str(model), str(table)]) == 2
    assert capsys.readouterr().err == (
        f"microgradlike: {table}: there are 3 columns of inputs, but the network has 2 inputs\n"
    )
