"""What works wherever Python does: without numpy, programs to start and threads, as in a browser.

`test_install.py` runs this file in several such places. It prints the same in each of them. The last line,
as JSON, says what becomes of pictures there.
"""

import contextlib
import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import microgradlike as mg
from microgradlike.__main__ import main
from microgradlike.picture import RendererNotFound


def document() -> tuple[mg.MLP, mg.Value, mg.Value]:
    """The network of the text after a backward pass, its loss and w11."""
    network = mg.MLP(2, [2, 1], activation="sigmoid", output_activation="sigmoid")
    L = mg.half_squared_error(network([1.0, 1.0]), 0.0)
    L.name = "L"
    L.backward()
    return network, L, network.layers[0].neurons[0].w[0]


def readings() -> Iterator[object]:
    network, L, w11 = document()
    yield mg.formula(L), mg.formula(L, latex=True)
    yield mg.explain(L, w11)
    yield mg.explain(L, w11)._repr_latex_()
    yield mg.ripple(L, w11, 0.1)
    yield mg.ripple(L, w11, 0.1)._repr_html_()
    network.zero_grad()
    L.backward(receipts=True)
    yield mg.receipts(w11)
    network.zero_grad()
    cursor = mg.steps(L)
    yield from cursor
    cursor.reset()
    cursor.goto(1)
    yield cursor.guess(0.08883)
    cursor.save("steps.html")
    page = Path("steps.html").read_text(encoding="utf-8")
    yield page.count("<math"), page.count("<li>"), "<math" in cursor._repr_html_()
    x = mg.Value(0.5, name="x")
    y = mg.exp(x * x)
    yield mg.formula(mg.grad(y, [x])[0]), round(float(mg.hessian(y, [x])[0][0]), 9)
    yield mg.gradcheck(mg.sin, [0.3])
    chain = x
    for _ in range(1000):
        chain = chain + 1
    chain.backward()
    yield x.grad


def learning() -> Iterator[object]:
    for name in ("xor", "and_", "or_", "moons", "circles", "spirals", "yinyang", "flowers"):
        yield getattr(mg.data, name)()
    train, test = mg.data.flowers().split(0.2)
    train.save("flowers.csv")
    yield mg.data.read_csv("flowers.csv", target="species")
    for how in ("auto", False, "python"):
        model = mg.MLP(4, [8, 3], activation="tanh")
        history = mg.fit(
            model,
            train,
            optimizer=mg.Adam(model.parameters(), lr=0.01),
            epochs=5,
            batch_size=16,
            validation=0.2,
            standardize=True,
            compile=how,
        )
        yield [round(loss, 5) for loss in history.losses], mg.confusion(model, test)
        yield model.predict([[5.0, 3.4, 1.5, 0.2]])
    for epochs in (3, 6):
        model = mg.MLP(2, [3, 1], activation="tanh")
        data = mg.data.moons(30)
        history = mg.fit(
            model, data, epochs=epochs, checkpoint="run.json", resume=epochs > 3, progress=False
        )
        yield len(history), round(history.losses[-1], 5)
    model.save("model.json")
    again = mg.nn.load("model.json")
    yield again, [p.data for p in again.parameters()] == [p.data for p in model.parameters()]
    sick = mg.MLP(2, [4, 1], activation="tanh", output_activation="sigmoid")
    points, t = mg.data.moons(100)
    yield mg.diagnose(sick, ([[1000 * x1 + 2000, x2] for x1, x2 in points], t))
    program = mg.compile(lambda x: mg.tanh(x) * 2, [0.5], backend="python")
    yield round(float(program.value([[0.5], [1.5]])), 9)


def shell() -> Iterator[object]:
    for line in (
        "--version",
        "",
        "train flowers.csv --hidden 4 --target species --epochs 3 --save iris.json",
        "predict iris.json flowers.csv",
        "evaluate iris.json flowers.csv --target species",
        "step",
        "draw -o net.gv",
        "predict nothing.json flowers.csv",
    ):
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                code = main(line.split())
            except SystemExit as end:
                code = int(end.code or 0)
        yield line, code, said.getvalue()


def pictures() -> str:
    """Which kinds of picture a notebook gets, whether the player has one, and what render says."""
    network, L, w11 = document()
    layer = network.layers[0]
    picture = mg.draw(L)
    things: tuple[Any, ...] = (
        L,
        network,
        layer,
        layer.neurons[0],
        picture,
        mg.ripple(L, w11, 0.1).picture(),
    )
    kinds = {kind for thing in things for kind in thing._repr_mimebundle_()}
    player = 'class="graph"' in mg.steps(L)._repr_html_()
    said = ""
    try:
        picture.render("picture.svg")
    except RendererNotFound as error:
        said = str(error)
    picture.render("picture.gv")
    return json.dumps({"kinds": sorted(kinds), "player": player, "said": said})


if __name__ == "__main__":
    warnings.simplefilter("error")
    for part in (readings, learning, shell):
        for result in part():
            print(result)
    print(pictures())
