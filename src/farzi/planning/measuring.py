"""How long an outer step and a validation take."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from farzi.distillation import Pool, Recipe
from farzi.distillation.outer_loop import validate
from farzi.distillation.outer_step import Inputs, OuterProgram, input_shapes
from farzi.distilled import Distilled
from farzi.metrics import Questions
from farzi.training import MakeLearner

_PATIENCE = 60.0
"""Seconds after which no further step is timed."""


def step_seconds(
    program: OuterProgram, recipe: Recipe, pool: Pool, vocabulary: int, most: int
) -> float:
    """Median wall time of an outer step on random data, after one that is not counted."""
    inputs = _random_inputs(recipe, pool, vocabulary)
    jax.block_until_ready(program(inputs))
    taken: list[float] = []
    while len(taken) < most and sum(taken) < _PATIENCE:
        taken.append(_seconds(lambda: program(inputs)))
    return statistics.median(taken)


def validation_seconds(
    make_learner: MakeLearner, recipe: Recipe, vocabulary: int, questions: int
) -> tuple[float, float]:
    """Wall time of the first validation, which compiles, and of the second."""
    rng = np.random.default_rng(0)
    asked = Questions(
        jnp.asarray(rng.integers(vocabulary, size=(questions, recipe.context)), jnp.int32),
        jnp.asarray(rng.integers(vocabulary, size=questions), jnp.int32),
    )
    data = _random_inputs(recipe, Pool(make_learner), vocabulary).data

    def run() -> float:
        return validate(data, asked, make_learner, recipe)

    return _seconds(run), _seconds(run)


def _random_inputs(recipe: Recipe, pool: Pool, vocabulary: int) -> Inputs:
    """Inputs of the shapes that a distillation has, whose values do not matter."""
    rng = np.random.default_rng(0)
    shapes = input_shapes(recipe, pool, vocabulary)

    def normal(shape: Any) -> jax.Array:
        return jnp.asarray(rng.standard_normal(shape.shape), shape.dtype)

    def integers(shape: Any, end: int) -> jax.Array:
        return jnp.asarray(rng.integers(end, size=shape.shape), shape.dtype)

    def values(shape: Any) -> jax.Array:
        inexact = jnp.issubdtype(shape.dtype, jnp.inexact)
        return normal(shape) if inexact else integers(shape, vocabulary)

    data: Distilled = jax.tree.map(values, shapes.data)
    return Inputs(
        data,
        jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes.memory),
        jax.random.key(0),
        integers(shapes.order, recipe.sequences),
        jax.tree.map(values, shapes.real),
    )


def _seconds(run: Callable[[], Any]) -> float:
    began = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - began
