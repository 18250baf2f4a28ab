"""numpy's functions and operators on Values, element by element; numpy itself is what goes through them.

numpy has no loop for Values, but one for objects: it applies Python's operator to each pair of elements,
and for ``np.arctan(A)`` it calls the method ``arctan`` of each element.
"""

from typing import Any

#: numpy's functions of one argument, and of two, with the rows of the op table that are the same.
METHODS = {
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
    "cbrt": "cbrt",
    "cosh": "cosh",
    "deg2rad": "radians",
    "degrees": "degrees",
    "exp2": "exp2",
    "expm1": "expm1",
    "fabs": "abs",
    "hypot": "hypot",
    "log10": "log10",
    "log1p": "log1p",
    "log2": "log2",
    "rad2deg": "degrees",
    "radians": "radians",
    "sinh": "sinh",
    "tan": "tan",
}


def apply(kind: type, function: Any, method: str, inputs: Any, options: Any) -> Any:
    """The result of numpy's function for these operands, of which at least one is a Value.

    Args:
        kind: the class `Value`.
        function: the ufunc, such as ``np.multiply``.
        method: how it is called: ``"__call__"``, ``"outer"`` and so on.
        inputs: its operands: Values, arrays and numbers.
        options: its keyword arguments.

    Raises:
        TypeError: numpy has no loop over objects for this function.
    """
    import numpy as np

    boxes = []
    for x in inputs:
        box = x
        if isinstance(x, kind):  # else numpy would ask it again
            box = np.empty((), object)
            box[()] = x
        elif getattr(x, "dtype", None) in {np.dtype("g"), np.dtype("G")}:  # elements would ask numpy again
            box = x.astype(x.dtype.char.replace("g", "d").replace("G", "D"))
        boxes.append(box)
    try:
        return getattr(function, method)(*boxes, **options)
    except TypeError as error:
        if "not supported for the input types" not in str(error):
            raise
        name = function.__name__
        raise TypeError(
            f"np.{name} does not take Values: call a function of microgradlike for each element, as in "
            f"[mg.exp(v) for v in A]; or take the numbers, np.{name}([v.data for v in A])"
        ) from None
