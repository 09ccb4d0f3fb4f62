"""One outer step as a compiled program: `distill` runs it, and `plan` tells what it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from farzi.distillation.gradient_matching import GradientMatching
from farzi.distillation.meta_matching import MetaMatching
from farzi.distillation.objective import Matched
from farzi.distillation.pool import Pool
from farzi.distillation.recipe import Recipe
from farzi.distillation.teachers import expected
from farzi.distillation.trajectory_matching import TrajectoryMatching
from farzi.distilled import Distilled, Factored, OwnLabels, from_noise, reparametrised
from farzi.hypergradients import Adjoint, Auto
from farzi.hypergradients.auto import StateSize, state_size
from farzi.hypergradients.budget import program_bytes
from farzi.models import Labelled, Learner, Masked
from farzi.models.learner import HardTokens

# Folded into the key of an outer step; `Pool.draw` splits that key, which gives 0, 1 and 2.
_ADJOINT = 204


class Inputs(NamedTuple):
    """What an outer step reads, or the shapes of that.

    Attributes:
        data: the distilled data.
        memory: the outer optimiser's.
        key: decides on the starts, and on what an adjoint draws.
        order: rows of the distilled data that each inner step reads, `[starts, steps, batch]`.
        real: real sequences, `[starts, rows, time]`, `Masked` if they have a loss mask, `Labelled`
            if teachers judge.
    """

    data: Distilled
    memory: PyTree
    key: PRNGKeyArray
    order: Int[Array, "starts steps batch"]
    real: HardTokens | Masked | Labelled


class Measured(NamedTuple):
    """What an outer step tells about itself; see `OuterStep`."""

    loss: Float[Array, ""]
    gradient_norm: Float[Array, ""]
    adjoint_norm: Float[Array, ""]
    first_adjoint_norm: Float[Array, ""]
    last_adjoint_norm: Float[Array, ""]
    clipped: Float[Array, ""]


@dataclass(frozen=True, eq=False)
class OuterProgram:
    """A compiled outer step.

    Attributes:
        adjoint: how it differentiates the inner loops.
        compiled: the program.
    """

    adjoint: Adjoint
    compiled: Any

    def __call__(self, inputs: Inputs) -> tuple[Distilled, PyTree, Measured]:
        """The data after the step, the outer optimiser's memory, and what there is to tell."""
        return self.compiled(*inputs)

    @property
    def bytes(self) -> int:
        """Its memory at work, as the compiler states it."""
        return program_bytes(self.compiled)


def prepare(
    recipe: Recipe,
    pool: Pool,
    vocabulary: int,
    *,
    masked: bool = False,
    teachers: Sequence[Learner] | None = None,
) -> OuterProgram:
    """The program of a recipe's outer step; `Auto` chooses by the memory of all of it.

    Args:
        recipe: the settings.
        pool: starting points of the inner loops.
        vocabulary: number of tokens.
        masked: whether the real sequences have a loss mask.
        teachers: those that judge, if they do; one like the learners if not given.

    Raises:
        ValueError: if no strategy fits into the budget of `Auto`.
    """

    def compile(adjoint: Adjoint) -> Any:
        one = replace(recipe, adjoint=adjoint)
        return compile_step(one, pool, vocabulary, masked=masked, teachers=teachers)

    if not isinstance(recipe.adjoint, Auto):
        return OuterProgram(recipe.adjoint, compile(recipe.adjoint))
    adjoint, search = recipe.adjoint.choose(
        compile,
        recipe.learner.optimizer(recipe.inner_rate),
        recipe.inner_steps,
        size_of_states(recipe, pool),
    )
    return OuterProgram(adjoint, search.program)


def compile_step(
    recipe: Recipe,
    pool: Pool,
    vocabulary: int,
    *,
    masked: bool = False,
    teachers: Sequence[Learner] | None = None,
    to_run: bool = True,
) -> Any:
    """The program of an outer step, for exactly the adjoint that the recipe names.

    Without `to_run` it is slow and compiled in half the time; it needs the same memory.
    """
    shapes = input_shapes(recipe, pool, vocabulary, masked=masked, teachers=teachers)
    program = jax.jit(_step(recipe, pool)).lower(*shapes)
    return program.compile(None if to_run else {"xla_backend_optimization_level": "0"})


def size_of_states(recipe: Recipe, pool: Pool) -> StateSize:
    """Of the inner loops at one step, of all starts together."""
    starts = eqx.filter_eval_shape(pool.draw, recipe.starts, jax.random.key(0))
    return state_size(recipe.learner.optimizer(recipe.inner_rate), starts)


def outer_optimizer(recipe: Recipe) -> optax.GradientTransformation:
    """What moves the distilled data."""
    return optax.adam(recipe.outer_schedule())


def variable(data: Distilled) -> PyTree:
    """What of the distilled data the outer optimiser moves."""
    return eqx.filter(data, eqx.is_inexact_array)


def input_shapes(
    recipe: Recipe,
    pool: Pool,
    vocabulary: int,
    *,
    masked: bool = False,
    teachers: Sequence[Learner] | None = None,
) -> Inputs:
    """Shapes and types of what an outer step reads."""

    def start(key: PRNGKeyArray) -> tuple[Distilled, PyTree]:
        own = recipe.labels == "own"
        places = recipe.length if own else recipe.length + 1
        soft = from_noise(recipe.sequences, places, vocabulary, rank=recipe.rank, key=key)
        if recipe.start == "real":  # Those are of 32 bits whatever JAX's default is.
            soft = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), soft)
            if masked:
                mask = jnp.ones(soft.latents.shape[:2], bool)
                soft = Factored(soft.latents, soft.decoder, loss_mask=mask)
        factored = soft
        if own:
            factored = OwnLabels(jnp.zeros((recipe.sequences, places + 1), jnp.int32), soft)
        data: Distilled = reparametrised(factored, **recipe.parameters)
        return data, outer_optimizer(recipe).init(variable(data))

    data, memory = jax.eval_shape(start, jax.random.key(0))
    real = _integers(recipe.starts, recipe.real_batch, recipe.context + 1)
    if masked:
        real = jax.eval_shape(lambda ids: Masked(ids, ids >= 0), real)
    if recipe.judged:
        if teachers is None:
            teachers = [eqx.filter_eval_shape(pool.make_learner, jax.random.key(0))]
        real = eqx.filter_eval_shape(expected, teachers, real)
    return Inputs(
        data,
        memory,
        jax.eval_shape(jax.random.key, 0),
        _integers(recipe.starts, recipe.inner_steps, recipe.batch),
        real,
    )


def _integers(*shape: int) -> Any:
    return jax.ShapeDtypeStruct(shape, jnp.int32)


def _step(recipe: Recipe, pool: Pool) -> Callable[..., tuple[Distilled, PyTree, Measured]]:
    """One step as a pure function of `Inputs`."""
    optimizer = outer_optimizer(recipe)
    inner = recipe.learner.optimizer(recipe.inner_rate), recipe.inner_steps
    differentiated = recipe.adjoint, recipe.adjoint_clip

    def matching(
        data: Distilled, key: PRNGKeyArray, order: Array, real: HardTokens | Masked | Labelled
    ) -> Matched:
        for_adjoint = jax.random.fold_in(key, _ADJOINT)
        match recipe.objective:
            case "meta-matching":
                starts = pool.draw(recipe.starts, key)
                objective = MetaMatching(*inner, *differentiated)
                return objective(data, starts, order, real, key=for_adjoint)
            case "trajectory-matching":
                starts, targets = pool.stretches(recipe.starts, recipe.expert_stretch, key)
                objective = TrajectoryMatching(*inner, *differentiated)
                return objective(data, starts, order, targets, key=for_adjoint)
            case "gradient-matching":
                return GradientMatching(*inner)(data, pool.draw(recipe.starts, key), order, real)

    def step(
        data: Distilled,
        memory: PyTree,
        key: PRNGKeyArray,
        order: Int[Array, "starts steps batch"],
        real: HardTokens | Masked | Labelled,
    ) -> tuple[Distilled, PyTree, Measured]:
        matched = matching(data, key, order, real)
        updates, memory = optimizer.update(variable(matched.gradient), memory, variable(data))
        norms = matched.adjoint_norms
        taken_back = norms > 0
        measured = Measured(
            matched.loss,
            optax.tree.norm(matched.gradient),
            jnp.max(norms),
            norms[jnp.argmax(taken_back)],
            norms[::-1][jnp.argmax(taken_back[::-1])],
            matched.clipped,
        )
        return eqx.apply_updates(data, updates), memory, measured

    return step
