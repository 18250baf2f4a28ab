"""backend="auto": the fastest of the backends that are installed, found by what was measured."""

from importlib.util import find_spec

from microgradlike.compile.scalars import Scalars

#: So many scalar operations become native code within a second, which then takes five sixths to a
#: seventh of numpy's time. Ten thousand take five seconds, and a matrix library catches up.
QUICK = 3_000

#: Fewer scalar operations than this in an array instruction, and numpy's time is that of its calls.
_WIDE = 20


def choose(scalars: Scalars) -> tuple[str, str]:
    """A backend for these instructions, and the reason.

    "jax" is never chosen: it takes a second to import, and computes in float32 on accelerators.
    """
    if find_spec("numpy") is None:
        return "python", 'numpy is not installed: pip install "microgradlike[compile]"'
    needed = scalars.needed([scalars.loss, *scalars.gradients, *scalars.outputs])
    count = sum(map(scalars.count, needed))
    operations = f"{count:,} scalar operation{'s' * (count != 1)}"
    wide = count / max(1, _groups(scalars, needed))
    if count > QUICK and wide >= _WIDE:
        return "numpy", f"{operations} are matrices, about {wide:,.0f} to an array instruction"
    if find_spec("llvmlite") is None:
        return "numpy", 'llvmlite, for native code, is not installed: pip install "microgradlike[native]"'
    if count > QUICK:
        return "llvm", f"{operations}, about {wide:.0f} to an array instruction, are no matrices"
    return "llvm", f"{operations} are native code in less than a second"


def _groups(scalars: Scalars, needed: list[int]) -> int:
    """About how many array instructions there are: one for each operation at each depth."""
    depths: dict[int, int] = {}
    groups = set()
    for n in needed:
        operands = scalars.means.get(n, scalars.operands[n])
        depths[n] = 1 + max((depths[a] for a in operands), default=0)
        if operands:
            groups.add((depths[n], scalars.operations[n], scalars.phases[n]))
    return len(groups)
