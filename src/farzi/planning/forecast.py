"""Memory of a distillation as the compiler states it, and its time as a few steps take it."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass

import equinox as eqx
import jax
from rich import box
from rich.table import Table

from farzi.distillation import Recipe
from farzi.distillation.outer_step import OuterProgram
from farzi.distillation.pool import stand_in
from farzi.hypergradients import Adjoint
from farzi.hypergradients.auto import Tried, written
from farzi.hypergradients.budget import format_bytes
from farzi.plain_text import plain_text
from farzi.planning.fitting import fit, fit_validation, smaller_budget
from farzi.planning.machine import Memory
from farzi.planning.measuring import step_seconds, validation_seconds
from farzi.training import MakeLearner


@dataclass(frozen=True)
class Forecast:
    """What a distillation will need; `print` shows it as a table.

    Memory is that of the compiled programs: what Python, the data and the compiler itself take
    comes on top. So does, on the CPU, scratch memory that XLA's matrix products ask for while they
    run, which may be as much again: docs/results/large_vocabulary.md has both numbers.

    Attributes:
        adjoint: how the inner loops will be differentiated.
        tried: what was compiled to find that out, and the memory of one outer step with each.
        budget: the memory there is, and where that number is from.
        validation_bytes: memory of ranking the validation questions; None if not known how many.
        compile_seconds: wall time to compile what the run will use.
        step_seconds: wall time of one outer step, the median of a few.
        outer_steps: how many there will be.
        validation_seconds: wall time of one validation, None likewise.
        validations: how many there will be.
        device: what that was measured on.
        left_out: in words, what is in none of these numbers.
    """

    adjoint: Adjoint
    tried: tuple[Tried, ...]
    budget: Memory
    validation_bytes: int | None
    compile_seconds: float
    step_seconds: float
    outer_steps: int
    validation_seconds: float | None
    validations: int
    device: str
    left_out: tuple[str, ...]

    @property
    def step_bytes(self) -> int:
        """Memory of one outer step."""
        return self.tried[-1].bytes

    @property
    def seconds(self) -> float:
        """Wall time of the whole run."""
        validations = self.validations * (self.validation_seconds or 0)
        return self.compile_seconds + self.outer_steps * self.step_seconds + validations

    def __str__(self) -> str:
        strategies = Table("adjoint", box=box.SIMPLE_HEAD)
        strategies.add_column("memory of an outer step", justify="right")
        strategies.add_column("fits")
        for tried in self.tried:
            fits = "yes" if tried is self.tried[-1] else "no"
            strategies.add_row(written(tried.adjoint), tried.amount, fits)
        costs = Table(box=None, show_header=False, padding=(0, 2))
        for name, value in self._costs():
            costs.add_row(name, value)
        return plain_text(strategies, costs, width=88)

    def _costs(self) -> list[tuple[str, str]]:
        validation = self.validation_seconds
        rows = [
            ("memory budget", f"{format_bytes(self.budget.bytes)} ({self.budget.source})"),
            ("compiling", f"{self.compile_seconds:.1f} s"),
            ("outer steps", f"{self.outer_steps:,} of {self.step_seconds:.3g} s"),
        ]
        if validation is not None:
            memory = "" if self.validation_bytes is None else format_bytes(self.validation_bytes)
            rows.append(("validations", f"{self.validations:,} of {validation:.3g} s, {memory}"))
        rows.append(("in all", f"{_duration(self.seconds)} on {self.device}"))
        return rows + [("left out", what) for what in self.left_out]


def plan(
    make_learner: MakeLearner,
    recipe: Recipe | None = None,
    *,
    memory_budget: int | str | None = None,
    validation_questions: int | None = None,
    timed_steps: int = 3,
) -> Forecast:
    """Tell what a distillation will need: memory without running anything, time by a few steps.

    The program that is compiled and timed is the one that `farzi.distill` runs, on random data.

    Args:
        make_learner: builds the learner; its embedding table says how many tokens there are.
        recipe: the settings; the defaults if not given.
        memory_budget: bytes, or text such as "4 GB"; what the device has left if that is less, or
            if this is not given.
        validation_questions: how many a validation asks, so that it can be timed too.
        timed_steps: outer steps that are timed, after one that is not.

    Raises:
        ValueError: if the run cannot fit, with the setting to lower, or if an argument is
            impossible.
    """
    recipe = recipe or Recipe()
    if timed_steps < 1:
        raise ValueError(f"timed_steps is {timed_steps}; time at least one.")
    if validation_questions is not None and validation_questions < 1:
        raise ValueError(f"validation_questions is {validation_questions}; use at least 1.")
    budget = smaller_budget(memory_budget)
    vocabulary = eqx.filter_eval_shape(make_learner, jax.random.key(0)).embedding.shape[0]
    began = time.perf_counter()
    pool = stand_in(make_learner, recipe)
    search = fit(recipe, pool, vocabulary, budget)
    compile_seconds = time.perf_counter() - began
    left_out = []
    if jax.devices()[0].platform == "cpu":
        left_out.append("scratch memory of matrix products, on the CPU up to as much again")
    if recipe.start == "real":
        left_out.append('the training of a teacher (start = "real") where none is given')
    if recipe.judged:
        left_out.append("the teachers' reading of each real batch")
    questions, validation_bytes, validation = validation_questions, None, None
    if questions is None:
        left_out.append("validations, as it is not known how many questions they ask")
    else:
        validation_bytes = fit_validation(make_learner, recipe, questions, budget)
        first, validation = validation_seconds(make_learner, recipe, vocabulary, questions)
        compile_seconds += max(first - validation, 0)
    adjoint = search.tried[-1].adjoint
    program = OuterProgram(adjoint, search.program)
    return Forecast(
        adjoint=adjoint,
        tried=search.tried,
        budget=budget,
        validation_bytes=validation_bytes,
        compile_seconds=compile_seconds,
        step_seconds=step_seconds(program, recipe, pool, vocabulary, timed_steps),
        outer_steps=recipe.outer_steps,
        validation_seconds=validation,
        validations=1 + math.ceil(recipe.outer_steps / recipe.validate_every),
        device=f"{jax.devices()[0].device_kind}, {os.cpu_count()} cores",
        left_out=tuple(left_out),
    )


def _duration(seconds: float) -> str:
    if seconds < 1000:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min"
