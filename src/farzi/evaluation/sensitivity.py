"""How much a score depends on what an arm's user may choose otherwise."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from farzi.evaluation.arms import Arm
from farzi.evaluation.judge import described
from farzi.evaluation.task import Task
from farzi.files import write_atomically
from farzi.training import MakeLearner, NamedOptimizer, Trained, Training, train

SENSITIVITY_OPTIMIZERS = ("adam", "adamw(weight_decay=0.1)", "sgd(momentum=0.9)")
SENSITIVITY_RATES = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
ORDERS = 5
"""Other orders of the batches, from the same weights."""
_SEED, _ORDERS = 10**9 + 2 * 10**6, 10**9 + 3 * 10**6


def sensitivity(
    arm: Arm,
    make_learner: MakeLearner,
    task: Task,
    *,
    rate: float,
    optimizers: Sequence[str],
    rates: Sequence[float],
    file: Path,
) -> dict[str, Any]:
    """Train on an arm with other optimisers and rates, and in other orders of its batches.

    Args:
        arm: the training data.
        make_learner: builds the learner.
        task: its validation stops the trainings, its test gives the scores.
        rate: at which the orders are compared, with the optimiser of the arm.
        optimizers: of optax; see `farzi.training.NamedOptimizer`.
        rates: for each of them.
        file: JSON that keeps what was found; what it has is not done again.

    Returns:
        The main test metric: `optimizers`, by name a list of `rate` and `score` (None where the
        training came to no finite score), and `orders`, a list of scores.
    """
    of = f"{described(arm, make_learner, task)} {rate} {optimizers} {rates}"
    if file.is_file():
        try:
            kept = json.loads(file.read_bytes())
        except ValueError as error:
            raise ValueError(
                f"{file} is damaged ({error}); delete it, and it is made again."
            ) from None
        if isinstance(kept, dict) and kept.get("of") == of:
            return kept

    def scores(trained: Trained) -> list[float | None]:
        found: list[float | None] = []
        for index, finite in enumerate(np.isfinite(trained.best_scores)):
            values = task.test_values(trained.run(index)) if finite else {}
            found.append(task.metrics(values)[task.main_metric] if finite else None)
        return found

    def run(training: Training, rates: Sequence[float], orders: Sequence[int]) -> Trained | None:
        seeds = [_SEED] * len(rates)
        try:
            return train(
                make_learner,
                arm.tokens,
                task.validation,
                training,
                rates=rates,
                seeds=seeds,
                orders=orders,
            )
        except FloatingPointError:  # At none of the rates.
            return None

    by_optimizer = {}
    for name in optimizers:
        training = replace(arm.training, optimizer=NamedOptimizer(name))
        trained = run(training, rates, [_SEED] * len(rates))
        found = [None] * len(rates) if trained is None else scores(trained)
        by_optimizer[name] = [
            {"rate": rate, "score": score} for rate, score in zip(rates, found, strict=True)
        ]
    trained = run(arm.training, [rate] * ORDERS, range(_ORDERS, _ORDERS + ORDERS))
    orders = [] if trained is None else scores(trained)
    content = {"of": of, "optimizers": by_optimizer, "orders": orders}
    write_atomically(file, json.dumps(content, indent=1).encode() + b"\n")
    return content
