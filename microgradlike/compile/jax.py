"""The JAX backend: the array instructions as a pure function, for whatever processors XLA compiles to.

The code is that of the numpy backend, executed once while jax traces it. A batch over several devices is
sharded, the parameters are on each of them, and sums over the batch become reductions between devices.

XLA takes less care at the ends of the range of floats than IEEE 754: on a CPU, numbers below the smallest
normal one are zero, and so is 1 / b for the largest, by which it multiplies; what is multiplied by a
comparison that is false is 0, also nan. And it may compute a number twice, with different last bits, so
that the largest of some numbers is none of them: where that matters, an array is computed `once`.
"""

import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erf, erfc
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from microgradlike import ops
from microgradlike.compile.arrays import ArrayProgram, Part, Printer, execute
from microgradlike.compile.batch import Arrays, some
from microgradlike.compile.rows import functions
from microgradlike.compile.scalars import Scalars
from microgradlike.compile.schedule import Array, Elementwise, Instruction, arrays_of

#: What the arrays of a block may take on a CPU, in bytes: what a processor has close by. An accelerator has
#: memory that is fast, and takes the batch as a whole.
_CACHE = 7 << 20


# ── What the code calls ───────────────────────────────────────────────────────────────────────────────


class _Hypot:
    def __call__(self, a: Any, b: Any) -> Any:
        return self.reduce(jnp.stack(jnp.broadcast_arrays(a, b)), axis=0, keepdims=False)

    def reduce(self, a: Any, *, axis: int, keepdims: bool) -> Any:
        """√Σ a², also where squares overflow, or vanish."""
        a = jnp.abs(a)
        largest = a.max(axis=axis, keepdims=True)
        bits = jnp.finfo(a.dtype).maxexp
        far, factor = 2.0 ** (bits * 7 // 16), 2.0 ** (bits * 9 // 16)
        up = jnp.where(largest > far, 1 / factor, jnp.where(largest < 1 / far, factor, 1.0))
        root = jnp.sqrt(((a * up) ** 2).sum(axis=axis, keepdims=True)) / up
        root = jnp.where((a == jnp.inf).any(axis=axis, keepdims=True), jnp.inf, root)  # even beside nan
        return root if keepdims else root.squeeze(axis)


class _Numpy:
    """jax.numpy, with what it lacks."""

    hypot = _Hypot()

    def __getattr__(self, name: str) -> Any:
        return getattr(jnp, name)

    @staticmethod
    def array(numbers: list[list[float]]) -> Any:
        """A number among rows, which takes on the dtype of the others."""
        [[number]] = numbers
        return jnp.asarray(number).reshape(1, 1)


def _quotient(a: Any, b: Any) -> Any:
    """The quotient by a number of which zero is positive.

    XLA leaves out the + 0.0 that makes it so; and of a comparison that is false it makes 0, also by 0 / 0.
    """
    return jnp.where((a == 0) & (b == 0), jnp.nan, a / jnp.where(b == 0, 0.0, b))


_FUNCTIONS = functions(_Numpy(), erf, erfc)


def _logsumexp(a: Any) -> Any:
    return _FUNCTIONS["logsumexp"](jax.lax.optimization_barrier(a))  # which looks for the largest again


_NAMESPACE = {
    "np": _Numpy(),
    **_FUNCTIONS,
    "logsumexp": _logsumexp,
    "once": jax.lax.optimization_barrier,
    "quotient": _quotient,
    # Of these jax would differentiate the composition wrongly where a = 0, or make float64 of float32.
    "elu": jax.nn.elu,
    "selu": jax.nn.selu,
    "sigmoid": jax.nn.sigmoid,
    "relu": jax.nn.relu,
}


# ── Batches ───────────────────────────────────────────────────────────────────────────────────────────


class OnDevices(Arrays):
    """A batch that is on devices already is checked there, and stays."""

    def __call__(self, batch: Any) -> Any:
        if not isinstance(batch, jax.Array) or not _is_real(batch.dtype):
            return super().__call__(batch)
        if batch.ndim != 2 or batch.shape[1] != len(self.names):
            raise ValueError(
                f"a batch is a table, with a row of {len(self.names)} numbers ({some(self.names)}) for "
                f"each example, not an array of shape {batch.shape}"
            )
        if not len(batch):
            raise ValueError("the batch has no examples")
        if not self.allow_nan:
            there_is_one, place = _first_nan(batch)
            if there_is_one:
                row, column = divmod(int(place), batch.shape[1])
                self.refuse_nan(row, self.names[column])
        return batch

    @staticmethod
    def copy(batch: Any) -> Any:
        return batch if isinstance(batch, jax.Array) else batch.copy()


# ── Programs ──────────────────────────────────────────────────────────────────────────────────────────


class Jax(ArrayProgram):
    """A program for jax.

    Args:
        scalars, roots, outputs: as for every backend.
        dtype: "float64" or "float32"; by default float64 on a CPU and float32 on accelerators.
        devices: a list of jax devices, or a Mesh; by default all that there are.
        block: how many examples are computed at once, on each device; by default, on a CPU as many as
            stay in its cache, else all.

    Attributes:
        mesh: the devices that a batch is sharded over.
        dtype: of the numbers that a call computes with.
        where: dtype and devices, in words.
    """

    reads = OnDevices

    def __init__(
        self,
        scalars: Scalars,
        roots: Sequence[int],
        outputs: Sequence[int],
        dtype: str | None = None,
        devices: Any = None,
        block: int | None = None,
    ) -> None:
        super().__init__(scalars, roots, outputs, {**_NAMESPACE})
        for name, thing in self.namespace.items():
            if isinstance(thing, np.ndarray):  # places; of 64 bits, jax would mind the switch
                self.namespace[name] = thing.astype(np.int32)
        s = self.schedule
        self.mesh = _mesh(devices)
        is_cpu = self.mesh.devices.flat[0].platform == "cpu"
        self.dtype = dtype or ("float64" if is_cpu else "float32")
        rows = sum(a.rows for a in [*(a for a, _ in s.inputs), *(i.out for i in s.each.instructions)]) or 1
        in_cache = min(max(_CACHE // (8 * rows) // 64 * 64, 64), 8192)
        self.block = block or (in_cache if is_cpu else sys.maxsize)
        count, kind = self.mesh.size, self.mesh.devices.flat[0].device_kind
        self.where = f", {self.dtype} on {count} device{'s' * (count > 1)} ({kind})"
        self._jitted: dict[Any, Callable[..., Any]] = {}  # by where the results go

    def _print(self, instructions: Sequence[Instruction], results: Collection[Array]) -> Printer:
        printer = super()._print(instructions, results)
        # Which operand of a maximum is the largest, its derivative asks by a comparison with the maximum.
        compared = {
            array.name
            for instruction in instructions
            if isinstance(instruction, Elementwise) and instruction.op is ops.equal
            for array in arrays_of(instruction)
        }
        for i, line in enumerate(printer.lines):
            if line.name in compared:
                printer.statements[i] += f"; {line.name} = once({line.name})"
        return printer

    # ── To be traced ──────────────────────────────────────────────────────────────────────────────────

    def function(self, parameters: Any, batch: Sequence[Any], shards: int, dtype: Any) -> tuple[Any, Any]:
        """The wanted numbers, and the outputs: pure.

        Args:
            parameters: one array.
            batch: the examples that are shared out over the shards, and those that are left, if any.
            shards: how many there are.
            dtype: to compute in.
        """
        s = self.schedule
        constants = jnp.array(s.constants, dtype)
        rest = jnp.zeros(s.length - len(parameters) - len(constants), dtype)
        known = jnp.concatenate([parameters.astype(dtype), constants, rest])
        outputs = None
        for part in self.parts:
            names = {**self.namespace, "n": sum(map(len, batch))}
            for array, places in part.loaded:
                names[array.name] = _at(known, places)
            _, body, tail = part.code
            if part.loop:
                even, *left = (examples.astype(dtype) for examples in batch)
                sums, outputs = self._over_shards(part, names, even, shards)
                if left:
                    more, last = self._over_blocks(part, names, left[0])
                    sums = [a + b for a, b in zip(sums, more)]
                    outputs = jnp.concatenate([outputs, last]) if s.outputs else None
                names |= zip((array.name for array in part.results), sums)
            else:
                execute(body, names)
            execute(tail, names)
            for array in part.results:
                known = known.at[s.slice_of(array)].set(names[array.name].ravel().astype(dtype))
            known = jax.lax.optimization_barrier(known)
        return _at(known, self.wanted), outputs

    def _over_shards(self, part: Part, names: dict[str, Any], batch: Any, shards: int) -> tuple[Any, Any]:
        """The sums over the examples, and the outputs; each device sums up its own."""
        if shards == 1 or not len(batch):
            return self._over_blocks(part, names, batch)
        sums, outputs = jax.vmap(partial(self._over_blocks, part, names))(
            batch.reshape(shards, len(batch) // shards, batch.shape[1])
        )
        outputs = outputs.reshape(len(batch), outputs.shape[2]) if self.schedule.outputs else None
        return [array.sum(axis=0) for array in sums], outputs

    def _over_blocks(self, part: Part, names: dict[str, Any], batch: Any) -> tuple[Any, Any]:
        """The same on one device, block after block."""
        sums: list[Any] = [jnp.zeros(array.shape, batch.dtype) for array in part.results]
        if not len(batch):
            view = self.schedule.outputs
            return sums, jnp.zeros((0, view.rows if view else 0), batch.dtype)
        count = -(-len(batch) // self.block)
        size = len(batch) // count
        if count == 1:
            return self._block(part, names, sums, batch)
        sums, outputs = jax.lax.scan(
            partial(self._block, part, names), sums, batch[: count * size].reshape(count, size, -1)
        )
        outputs = outputs.reshape(count * size, outputs.shape[2])
        if count * size < len(batch):
            sums, last = self._block(part, names, sums, batch[count * size :])
            outputs = jnp.concatenate([outputs, last])
        return sums, outputs

    def _block(self, part: Part, names: dict[str, Any], sums: Sequence[Any], block: Any) -> tuple[Any, Any]:
        s = self.schedule
        names = {**names, "ones": jnp.ones((len(block), 1), block.dtype), "outputs": []}
        names |= zip((array.name for array in part.results), sums)
        for (array, _), columns in zip(s.inputs, self.columns):
            names[array.name] = block.T[np.array(columns) if isinstance(columns, list) else columns]
        execute(part.code[1], names)
        # An output that does not vary has one column.
        whole = [jnp.broadcast_to(a, (len(a), len(block))) for a in names["outputs"]]
        outputs = whole[0].T.astype(block.dtype) if whole else jnp.zeros((len(block), 0), block.dtype)
        return [names[array.name] for array in part.results], outputs

    def pure(self, parameters: Any, batch: Any) -> tuple[Any, Any]:
        """The same for a batch in one array, in the dtype that is given."""
        parameters, batch = jnp.asarray(parameters), jnp.asarray(batch)
        s, shards = self.schedule.scalars, self.mesh.size
        if parameters.shape != (len(s.parameters),):
            raise ValueError(
                f"the parameters are {len(s.parameters)} numbers, not an array of shape {parameters.shape}"
            )
        if batch.ndim != 2 or batch.shape[1] != len(s.inputs) or not len(batch):
            raise ValueError(
                f"a batch has a row of {len(s.inputs)} numbers for each example, not {batch.shape}"
            )
        dtype = jnp.result_type(parameters, batch, float)
        return self.function(parameters, _cut(batch, shards), shards, dtype)

    # ── Called ────────────────────────────────────────────────────────────────────────────────────────

    def run(self, batch: Any, parameters: Sequence[float]) -> tuple[Any, Any]:
        """The wanted numbers, one array; and the outputs, a row for each example (None: there are none)."""
        with self._as_set():
            return self._run(batch if isinstance(batch, _Shared) else self._shared_out(batch), parameters)

    def prepare(self, batch: Any) -> "_Shared":
        """The batch on the devices."""
        with self._as_set():
            return self._shared_out(batch)

    def _as_set(self) -> AbstractContextManager[Any]:
        context: AbstractContextManager[Any] = jax.enable_x64(True)
        if self.dtype == "float32":
            # On accelerators, products have fewer digits than that, unless one asks for them.
            context = jax.default_matmul_precision(jax.config.jax_default_matmul_precision or "float32")
        return context

    def _run(self, batch: "_Shared", parameters: Sequence[float]) -> tuple[Any, Any]:
        parts, shards, mesh = batch
        key = shards, mesh
        if key not in self._jitted:
            # Every process has to see the results; jax alone would leave them where they are.
            everywhere = NamedSharding(mesh, PartitionSpec()) if mesh else None
            outputs = everywhere if mesh and mesh.is_multi_process else None
            self._jitted[key] = jax.jit(
                partial(self.function, shards=shards, dtype=self.dtype), out_shardings=(everywhere, outputs)
            )
        numbers, outputs = self._jitted[key](np.asarray(parameters, self.dtype), parts)
        return np.array(numbers, np.float64), None if outputs is None else np.array(outputs, np.float64)

    def _shared_out(self, batch: Any) -> "_Shared":
        if isinstance(batch, jax.Array) and len(batch.sharding.device_set) > 1:
            sharding, mesh = batch.sharding, None
            shards = len(batch) // sharding.shard_shape(batch.shape)[0]
            if isinstance(sharding, NamedSharding):
                # An axis of another type than Auto would have to be followed through every instruction.
                mesh = Mesh(sharding.mesh.devices, sharding.mesh.axis_names)
                batch = jax.device_put(batch, NamedSharding(mesh, sharding.spec))
            return _Shared([batch], shards, mesh)
        if not isinstance(batch, jax.Array):
            batch = np.asarray(batch, self.dtype)
        shards = self.mesh.size
        if shards == 1:
            return _Shared([jax.device_put(batch, self.mesh.devices.flat[0])], 1, None)
        specs = PartitionSpec("batch"), PartitionSpec()
        parts = zip(_cut(batch, shards), specs)
        shared = [_put(part, NamedSharding(self.mesh, spec)) for part, spec in parts]
        return _Shared(shared, shards, self.mesh)


class _Shared(NamedTuple):
    """A batch on the devices: what can be shared out evenly, and the examples that are left."""

    parts: list[Any]
    shards: int
    mesh: Mesh | None


def _cut(batch: Any, shards: int) -> list[Any]:
    """What can be shared out evenly, and what is left, if anything."""
    even = len(batch) // shards * shards
    return [batch[:even], batch[even:]] if even < len(batch) else [batch]


def _mesh(devices: Any) -> Mesh:
    if isinstance(devices, Mesh):
        devices = devices.devices
    devices = np.array(jax.devices() if devices is None else devices).ravel()
    if not devices.size or not all(isinstance(device, jax.Device) for device in devices):
        raise TypeError(f"devices is a list of jax devices, or a Mesh, not {devices!r:.60}")
    return Mesh(devices, ("batch",))


def _is_real(dtype: Any) -> bool:
    return bool(jnp.issubdtype(dtype, jnp.floating) or jnp.issubdtype(dtype, jnp.integer))


def _find_nan(batch: Any) -> Any:
    is_nan = jnp.isnan(batch)
    return is_nan.any(), is_nan.argmax()


_first_nan = jax.jit(_find_nan)


def _put(array: Any, sharding: NamedSharding) -> Any:
    if sharding.is_fully_addressable:
        return jax.device_put(array, sharding)
    return jax.make_array_from_callback(array.shape, sharding, array.__getitem__)


def _at(known: Any, places: Any) -> Any:
    """Numbers at these places; a slice, which costs less, where they lie side by side."""
    flat = places.ravel()
    if (np.diff(flat) == 1).all():
        return known[flat[0] : flat[-1] + 1].reshape(places.shape)
    return known[places.astype(np.int32)]
