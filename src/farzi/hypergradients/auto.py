"""The fastest strategy that fits into the memory there is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import optax
from jaxtyping import PyTree

from farzi.hypergradients.adjoint import Adjoint
from farzi.hypergradients.budget import format_bytes, parse_bytes, program_bytes
from farzi.hypergradients.checkpointed import Checkpointed
from farzi.hypergradients.fixed_point import decay
from farzi.hypergradients.optimizers import rule_of
from farzi.hypergradients.reversible import Reversible
from farzi.hypergradients.stored import StoreStates
from farzi.hypergradients.truncated import Truncated

# From the fastest, by benchmarks/hypergradient.py. Reversible() and Checkpointed(levels=3) change
# places from one problem to another; the one that cannot fail is tried first.
FASTEST_FIRST: tuple[Adjoint, ...] = (
    StoreStates(),
    Checkpointed(),
    Checkpointed(levels=3),
    Reversible(),
    Checkpointed(levels=4),
    Checkpointed(levels=6),
)
"""What `Auto` chooses from: the exact strategies."""

_FAR_TOO_LARGE = 1.1
"""On the CPU such estimates were right to 1 %."""
_logger = logging.getLogger("farzi")


class Tried(NamedTuple):
    """What a strategy needs.

    Attributes:
        adjoint: the strategy.
        bytes: memory of the whole program.
        known: "exactly", as the compiler states it; "about", from that of another strategy and the
            states that both keep; or "at least", which is what the states alone take.
    """

    adjoint: Adjoint
    bytes: int
    known: Literal["exactly", "about", "at least"]

    def __str__(self) -> str:
        return f"{written(self.adjoint)} needs {self.amount}"

    @property
    def amount(self) -> str:
        """The bytes in words."""
        size = format_bytes(self.bytes)
        return size if self.known == "exactly" else f"{self.known} {size}"


class Search(NamedTuple):
    """How the first strategy that fits was found.

    Attributes:
        tried: what was looked at, in that order; the last is the one that fits, if one does.
        program: compiled with that one; None if none fits.
    """

    tried: tuple[Tried, ...]
    program: Any

    @property
    def least(self) -> Tried:
        """What needs the least, of what is known exactly if there is any."""
        exactly = [tried for tried in self.tried if tried.known == "exactly"]
        return min(exactly or self.tried, key=lambda tried: tried.bytes)


@dataclass(frozen=True)
class Auto:
    """Chooses the fastest exact strategy that fits into a memory budget.

    Candidates are compiled, from the fastest on, until the memory that the compiler states for one
    is within the budget; nothing is run, and those that are bound to be too large are passed over.
    Which one it was is logged (logger "farzi", level INFO) and, by `farzi.distill`, told in its
    outcome.

    In `farzi.hypergradient` the choice is made when the function is traced for new shapes. The
    program measured is then that of one call: within `jax.vmap` that of one element, so a budget
    has to be divided by their number, and whatever else a caller compiles around it is not counted.

    Attributes:
        memory_budget: bytes, or text such as "4 GB".

    Raises:
        ValueError: if that is no amount of memory; when it chooses, if nothing fits.
    """

    memory_budget: int | str

    def __post_init__(self) -> None:
        self.bytes  # noqa: B018  An impossible budget is told now and not in an hour.

    @property
    def bytes(self) -> int:
        """The budget in bytes."""
        return parse_bytes(self.memory_budget)

    def choose(
        self,
        compile: Callable[[Adjoint], Any],
        optimizer: optax.GradientTransformation,
        steps: int,
        size: StateSize,
    ) -> tuple[Adjoint, Search]:
        """The fastest strategy that fits, and the program compiled with it.

        Args:
            compile: the program with a strategy, as `jax.stages.Compiled`.
            optimizer: of the inner loop.
            steps: of the inner loop.
            size: of one of its states.

        Raises:
            ValueError: if none fits.
        """
        search = first_that_fits(
            candidates(optimizer), compile, steps=steps, size=size, budget=self.bytes
        )
        if search.program is None:
            raise ValueError(
                f"no strategy fits into a memory budget of {format_bytes(self.bytes)}: "
                f"{search.least}; raise memory_budget, or use fewer inner steps, smaller batches "
                "or a smaller model."
            )
        chosen = search.tried[-1]
        _logger.info("a memory budget of %s: %s", format_bytes(self.bytes), chosen)
        return chosen.adjoint, search

    def choose_for(
        self,
        make: Callable[[Adjoint], Callable[..., Any]],
        arguments: PyTree,
        optimizer: optax.GradientTransformation,
        steps: int,
        chosen: list[tuple[Any, Adjoint]],
    ) -> Adjoint:
        """The fastest strategy that fits for a hypergradient of arguments of these shapes.

        Args:
            make: the hypergradient with a strategy, a function of the arguments.
            arguments: start, data and batch, which may be traced; start comes first.
            optimizer: of the inner loop.
            steps: of the inner loop.
            chosen: what was chosen before, for shapes seen before; the choice is added.
        """
        arrays, rest = eqx.partition(arguments, eqx.is_array)
        # As JAX sees them: an int64 array of NumPy has 32 bits to it.
        types = jax.tree.map(jax.typeof, arrays)
        shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), types)
        seen = (*jax.tree.flatten(shapes), *jax.tree.flatten(rest))
        for before, adjoint in chosen:
            if before == seen:
                return adjoint

        def compile(adjoint: Adjoint) -> Any:
            differentiate = make(adjoint)
            program = jax.jit(lambda arrays: differentiate(*eqx.combine(arrays, rest)))
            return program.lower(shapes).compile()

        adjoint, _ = self.choose(compile, optimizer, steps, state_size(optimizer, shapes[0]))
        chosen.append((seen, adjoint))
        return adjoint


def first_that_fits(
    strategies: Sequence[Adjoint],
    compile: Callable[[Adjoint], Any],
    *,
    steps: int,
    size: StateSize,
    budget: int,
) -> Search:
    """Compile strategies one after the other until one needs no more than `budget` bytes.

    Compiling takes long, and strategies differ in little but the states that they keep. So those
    whose states alone are too much are passed over, and those that are far too large by what
    another program needs beside its states. The last, which should be the most frugal, is passed
    over for the first reason only: nothing is refused on an estimate.
    """
    tried: list[Tried] = []
    rest = 0
    for adjoint in strategies:
        kept = kept_bytes(adjoint, steps, size)
        if kept > budget:
            tried.append(Tried(adjoint, kept, "at least"))
            continue
        if kept + rest > _FAR_TOO_LARGE * budget and adjoint != strategies[-1]:
            tried.append(Tried(adjoint, kept + rest, "about"))
            continue
        program = compile(adjoint)
        tried.append(Tried(adjoint, program_bytes(program), "exactly"))
        if tried[-1].bytes <= budget:
            return Search(tuple(tried), program)
        if kept:
            rest = tried[-1].bytes - kept
    return Search(tuple(tried), None)


def candidates(optimizer: optax.GradientTransformation) -> tuple[Adjoint, ...]:
    """What `Auto` chooses from for this optimiser, fastest first."""
    reversible = _can_be_reversed(optimizer)
    return tuple(a for a in FASTEST_FIRST if reversible or not isinstance(a, Reversible))


def _can_be_reversed(optimizer: optax.GradientTransformation) -> bool:
    rule = rule_of(optimizer)
    if rule is None:
        return False
    try:
        for moment in rule.moments:
            decay(moment.decay)
    except ValueError:
        return False
    return True


class StateSize(NamedTuple):
    """Bytes of one state of an inner loop.

    Attributes:
        params: of the parameters, and of their gradient.
        memory: of what the optimiser remembers.
    """

    params: int
    memory: int


def kept_bytes(adjoint: Adjoint, steps: int, size: StateSize) -> int:
    """What a strategy keeps of the loop's states, at least; 0 where that is not the measure."""
    state = size.params + size.memory
    if isinstance(adjoint, StoreStates):
        return steps * (state + size.params)
    if isinstance(adjoint, Truncated):
        return min(adjoint.window, steps) * (state + size.params)
    if isinstance(adjoint, Checkpointed):
        return adjoint.schedule(steps).places * state
    if isinstance(adjoint, Reversible):
        return size.params + 2 * size.memory  # Twice that in float32: its integers have 64 bits.
    return 0


def state_size(optimizer: optax.GradientTransformation, start: PyTree) -> StateSize:
    """Of the parameters in `start`, which may be shapes, and what the optimiser remembers."""
    params = eqx.filter(start, _is_inexact)
    memory = jax.eval_shape(optimizer.init, params)

    def size(tree: PyTree) -> int:
        return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))

    return StateSize(size(params), size(memory))


def _is_inexact(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and jax.numpy.issubdtype(leaf.dtype, jax.numpy.inexact)


def written(adjoint: Any) -> str:
    """A strategy as one would write it: without the settings that are as they are by default.

    >>> written(Checkpointed(levels=3))
    'Checkpointed(levels=3)'
    """
    if not is_dataclass(adjoint):
        return repr(adjoint)
    given = ((setting, getattr(adjoint, setting.name)) for setting in fields(adjoint))
    settings = [f"{setting.name}={v!r}" for setting, v in given if v != setting.default]
    return f"{type(adjoint).__name__}({', '.join(settings)})"
