"""What fits into memory, and the refusal of what does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from farzi.distillation import Pool, Recipe
from farzi.distillation.outer_step import compile_step, size_of_states
from farzi.hypergradients import Adjoint, Auto
from farzi.hypergradients.auto import Search, Tried, candidates, first_that_fits, written
from farzi.hypergradients.budget import format_bytes, parse_bytes, program_bytes
from farzi.metrics import Questions
from farzi.planning.machine import Memory, available_memory
from farzi.planning.remedies import remedy
from farzi.training import MakeLearner, validation_scores


def smaller_budget(asked: int | str | None) -> Memory:
    """What was asked for, or what the device has left if that is less.

    Raises:
        ValueError: if neither is known.
    """
    left = available_memory()
    given = None if asked is None else Memory(parse_bytes(asked), "given")
    known = [memory for memory in (given, left) if memory is not None]
    if not known:
        raise ValueError("this machine does not say how much memory it has; give memory_budget.")
    return min(known, key=_bytes)


def fit(recipe: Recipe, pool: Pool, vocabulary: int, budget: Memory) -> Search:
    """The program that `farzi.distill` would run, if it fits.

    Raises:
        ValueError: if it does not, with the setting to change.
    """
    size = size_of_states(recipe, pool)

    def compile(adjoint: Adjoint) -> Any:
        return compile_step(replace(recipe, adjoint=adjoint), pool, vocabulary)

    def search(limit: int) -> Search:
        return first_that_fits(
            strategies, compile, steps=recipe.inner_steps, size=size, budget=limit
        )

    own = recipe.adjoint
    others = candidates(recipe.learner.optimizer(recipe.inner_rate))
    if isinstance(own, Auto):
        limit, strategies = own.bytes, others
        budget = min(budget, Memory(own.bytes, "that of Auto"), key=_bytes)
    else:
        limit, strategies = budget.bytes, (own, *(other for other in others if other != own))
    found = search(limit)
    would_run = found.tried[-1 if isinstance(own, Auto) else 0]
    is_last = found.program is not None and would_run is found.tried[-1]
    if is_last and would_run.bytes <= budget.bytes:
        return found
    instead = found if limit == budget.bytes else search(budget.bytes)
    cause = f"but the memory budget is {_in_words(budget)}"
    if instead.program is not None:
        fits = instead.tried[-1]
        change = f'set adjoint to "{written(fits.adjoint)}"'
        if isinstance(own, Auto):
            change = f"give Auto no more than that, so that it takes {written(fits.adjoint)}"
        raise ValueError(
            f"the run does not fit: an outer step with {would_run}, {cause}; {change}, which needs "
            f"{fits.amount}."
        )
    least = instead.least
    if least.known != "exactly":
        least = Tried(others[-1], program_bytes(compile(others[-1])), "exactly")
    raise ValueError(
        f"the run does not fit: an outer step even with {least}, {cause}; "
        f"{remedy(recipe, least, pool, vocabulary, budget.bytes)}"
    )


def fit_validation(
    make_learner: MakeLearner, recipe: Recipe, questions: int, budget: Memory
) -> int:
    """Memory of ranking the validation questions, as the compiler states it, if it fits.

    Raises:
        ValueError: if they do not, with the setting to change.
    """

    def need(runs: int) -> int:
        return _validation_bytes(make_learner, runs, recipe.context, questions)

    runs = recipe.validation_runs
    whole = least = need(runs)
    while least > budget.bytes and runs > 1:
        runs -= 1
        least = need(runs)
    if whole <= budget.bytes:
        return whole
    change = f"lower validation_runs from {recipe.validation_runs} to {runs}"
    if least > budget.bytes:
        change = "use a smaller vocabulary or more memory: one learner alone is too much"
    raise ValueError(
        f"the run does not fit: a validation needs {format_bytes(whole)}, but the memory "
        f"budget is {_in_words(budget)}; {change}."
    )


def _validation_bytes(make_learner: MakeLearner, runs: int, context: int, questions: int) -> int:
    """The same for so many learners side by side."""
    keys = jax.random.split(jax.random.key(0), runs)
    learners = eqx.filter_eval_shape(eqx.filter_vmap(make_learner), keys)
    shapes, rest = eqx.partition(learners, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
    asked = (_integers(questions, context), _integers(questions))
    program = jax.jit(
        lambda arrays, asked: validation_scores(eqx.combine(arrays, rest), Questions(*asked))
    )
    return program_bytes(program.lower(shapes, asked).compile())


def _integers(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.int32)


def _in_words(budget: Memory) -> str:
    return f"{format_bytes(budget.bytes)} ({budget.source})"


def _bytes(amount: Memory | Tried) -> int:
    return amount.bytes
