"""Products of matrices in pieces: the same numbers, and in pieces only where that is faster."""

import itertools
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import microgradlike as mg
from microgradlike.compile import blas


@given(st.integers(1, 100_000), st.integers(1, 20_000))
def test_pieces_are_all_the_columns_and_small(columns: int, each: int) -> None:
    pieces = blas._pieces(columns, each)
    [*parts] = itertools.chain.from_iterable(range(columns)[piece] for piece in pieces)
    assert parts == [*range(columns)]
    sizes = [len(range(columns)[piece]) for piece in pieces]
    if columns * each <= blas._SMALL or each * blas._FEW > blas._SMALL:
        assert len(pieces) == 1
    else:
        assert max(sizes) * each <= blas._SMALL
        assert {*sizes[:-1]} == {sizes[0]}


@pytest.mark.parametrize(
    "shape", [(32, 65, 1797), (10, 65, 1797), (1, 900, 3000), (3, 3, 5), (200, 300, 400)]
)
@pytest.mark.parametrize("orders", ["CC", "CF", "FC", "FF"])
def test_a_product_in_pieces(shape: tuple[int, int, int], orders: str) -> None:
    rows, inner, columns = shape
    rng = np.random.default_rng(0)

    def normal(order: str, *shape: int) -> Any:
        return np.array(rng.normal(size=shape), order=order)  # type: ignore[call-overload]

    a, b, out = normal(orders[0], rows, inner), normal(orders[1], inner, columns), np.empty((rows, columns))
    assert blas._in_pieces(a, b, out=out) is out
    np.testing.assert_allclose(out, a @ b, rtol=1e-12, atol=1e-12)
    g, x = normal(orders[0], rows, columns), normal(orders[1], inner, columns)
    for outer in (blas._outer, blas._outer_in_pieces):  # the sum over the columns
        total = np.full((rows, inner), np.nan)
        outer(g, x, total, True)
        np.testing.assert_allclose(total, g @ x.T, rtol=1e-12, atol=1e-12)
        outer(g, x, total, False)
        np.testing.assert_allclose(total, 2 * g @ x.T, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(blas.ready_for_pieces(x, [rows]), x, rtol=0)


ONE_THREAD = {"internal_api": "openblas", "num_threads": 1, "architecture": "SkylakeX"}
OPENMP = {"user_api": "openmp", "internal_api": "openmp", "num_threads": 1}


@pytest.mark.parametrize(
    ("libraries", "expected"),
    [
        ([ONE_THREAD], True),
        ([OPENMP, ONE_THREAD | {"architecture": "SapphireRapids"}], True),
        ([ONE_THREAD | {"num_threads": 2}], False),
        ([ONE_THREAD | {"architecture": "Haswell"}], False),
        ([ONE_THREAD | {"internal_api": "mkl"}], False),
        ([{"internal_api": "openblas", "num_threads": 1}], False),
        ([OPENMP], False),
        ([], False),
        (None, False),
    ],
)
def test_when_pieces_are_faster(
    monkeypatch: pytest.MonkeyPatch, libraries: list[dict[str, Any]] | None, expected: bool
) -> None:
    installed = SimpleNamespace(threadpool_info=lambda: libraries) if libraries is not None else None
    monkeypatch.setitem(sys.modules, "threadpoolctl", installed)
    assert blas.faster_in_pieces.__wrapped__() is expected


def test_a_matrix_is_laid_out_anew_only_for_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "faster_in_pieces", lambda: True)
    for (rows, columns), heights, anew in [
        ((65, 1797), [32], True),
        ((65, 1797), [1, 32], True),
        ((65, 1797), [1], False),  # small as a whole
        ((65, 64), [32], False),
        ((785, 1797), [128], False),  # its pieces would be too narrow
    ]:
        x = np.ones((rows, columns))
        assert (blas.ready_for_pieces(x, heights) is not x) == anew
    monkeypatch.setattr(blas, "faster_in_pieces", lambda: False)
    x = np.ones((65, 1797))
    assert blas.ready_for_pieces(x, [32]) is x


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("prepared", [True, False])
def test_a_network_in_pieces(monkeypatch: pytest.MonkeyPatch, prepared: bool, bias: bool) -> None:
    rng = np.random.default_rng(0)
    w1 = [[mg.Value(float(rng.normal()) / 8, f"w{i}_{j}") for j in range(40)] for i in range(24)]
    w2 = [mg.Value(float(rng.normal()) / 5, f"v{i}") for i in range(24)]
    b = [mg.Value(0.1 * i, f"b{i}") for i in range(24)]
    x, t = [mg.Value(0.0, f"x{i}") for i in range(40)], mg.Value(0.0, "t")
    h = [mg.relu(mg.dot(row, x) + c if bias else mg.dot(row, x)) for row, c in zip(w1, b)]
    wrt = [*itertools.chain(*w1), *w2, *(b if bias else ())]
    rows = rng.normal(size=(3000, 41))

    W, v, X = (
        np.array([[w.data for w in row] for row in w1]),
        np.array([w.data for w in w2]),
        rows[:, :40].T,
    )
    Z = W @ X + np.array([c.data for c in b])[:, None] * bias
    error = v @ np.maximum(Z, 0) - rows[:, 40]
    D = 2 * error / 3000 * v[:, None] * (Z > 0)
    by_hand = np.concatenate([(D @ X.T).ravel(), np.maximum(Z, 0) @ (2 * error / 3000), D.sum(axis=1)])

    whole = blas._pieces
    in_pieces: list[int] = []

    def pieces(columns: int, each: int) -> Sequence[slice]:
        in_pieces.append(len(whole(columns, each)))
        return whole(columns, each)

    monkeypatch.setattr(blas, "_pieces", pieces)
    for faster in (True, False):
        monkeypatch.setattr(blas, "faster_in_pieces", lambda faster=faster: faster)
        program = mg.compile((mg.dot(w2, h) - t) ** 2, [*x, t], wrt, backend="numpy", block=3000)
        batch = program.prepare(rows) if prepared else rows
        program(batch)  # to lay it out asks for pieces, too
        in_pieces.clear()
        result = program(batch)
        assert result.loss == pytest.approx((error**2).mean(), rel=1e-12)
        assert result.gradients == pytest.approx(by_hand[: len(wrt)], rel=1e-9, abs=1e-12)
        # Prepared, the first product and the last are made of pieces; else the first lies the other way.
        assert sum(number > 1 for number in in_pieces) == (1 + prepared if faster else 0)
