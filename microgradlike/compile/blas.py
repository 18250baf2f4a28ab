"""What BLAS, with which numpy multiplies matrices, does in less time: how they lie, and in which pieces."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

#: So many multiplications a product may have for the kernels that OpenBLAS has for small ones, and so many
#: columns a piece of a larger product must have: with fewer, calls take longer than is gained.
_SMALL, _FEW = 1_000_000, 200

#: From so many rows to so many a matrix is turned, for the kernels for AVX2.
_LOW, _HIGH = 8, 64

_WHOLE = (slice(None),)


@cache
def faster_in_pieces() -> bool:
    """Whether a large product takes less time as many small ones.

    So it is for OpenBLAS on a processor with AVX-512, if it has one thread. More would share the large one.
    The answer is that of the first call; threadpoolctl, of the extra ``compile``, knows it.
    """
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return False
    for library in threadpool_info():
        if library["internal_api"] == "openblas" and library["num_threads"] == 1:
            return library.get("architecture") in ("SkylakeX", "Cooperlake", "SapphireRapids")
    return False


def matmul_for(columns: int) -> Callable[..., Any]:
    """What multiplies matrices with so many columns: a function that is called like `numpy.matmul`."""
    return _in_pieces if columns > _FEW and faster_in_pieces() else np.matmul


def outer_for() -> Callable[..., Any]:
    """What adds the product G Xᵀ of gradients and numbers of the same examples to a total.

    It takes G, X, the total, and whether this is the first such product: then what the total was is lost.
    """
    return _outer_in_pieces if faster_in_pieces() else _outer


def _outer(g: Any, x: Any, total: Any, first: bool) -> None:
    if len(g) >= _LOW and _LOW <= len(x) <= _HIGH:
        product = (x @ g.T).T
        np.copyto(total, product) if first else np.add(total, product, out=total)
    else:
        _add(g, x, total, first)


def _outer_in_pieces(g: Any, x: Any, total: Any, first: bool) -> None:
    for piece in _pieces(x.shape[1], len(g) * len(x)):
        _add(g[:, piece], x[:, piece], total, first)
        first = False


def _add(g: Any, x: Any, total: Any, first: bool) -> None:
    if first:
        np.matmul(g, x.T, out=total)
    else:
        total += g @ x.T


def ready_for_pieces(x: Any, heights: Iterable[int]) -> Any:
    """The matrix, as it should lie in memory for products with gradients of so many rows.

    Column by column, if one of them is made of pieces; else as it is.
    """
    rows, columns = x.shape
    pieces = faster_in_pieces() and any(len(_pieces(columns, rows * height)) > 1 for height in heights)
    return np.asfortranarray(x) if pieces else x


def _in_pieces(a: Any, b: Any, out: Any) -> Any:
    for piece in _pieces(b.shape[1], a.size) if b.strides[1] == b.itemsize else _WHOLE:
        np.matmul(a, b[:, piece], out=out[:, piece])
    return out


@cache
def _pieces(columns: int, each: int) -> Sequence[slice]:
    """Columns in pieces of the same size, as far as it goes; each column takes so many multiplications."""
    most = _SMALL // each
    if columns <= most or most < _FEW:
        return _WHOLE
    size = -(-columns // -(-columns // most))
    return [slice(start, start + size) for start in range(0, columns, size)]


def with_ones(x: Any, *, turned: bool) -> Any:
    """An array of one more row, of ones; in memory column by column, as it comes, unless it is turned."""
    rows, columns = x.shape
    wide = np.empty((rows + 1, columns), order="C" if turned else "F")
    wide[:-1], wide[-1] = x, 1.0
    return wide


def part_of(vector: Any, places: Any) -> Any:
    """The numbers at these places as a part of the vector, if they lie as BLAS takes a matrix; or None."""
    rows, columns = places.shape
    first, step = places[0, 0], places[1, 0] - places[0, 0] if rows > 1 else columns
    affine = first + step * np.arange(rows)[:, None] + np.arange(columns)
    if step < columns or step > columns == 1 or (places != affine).any():
        return None
    return as_strided(vector[first:], (rows, columns), (step * vector.itemsize, vector.itemsize))
