"""Trains a learner on one arm, under the rules that are the same for all, and tests it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import equinox as eqx
import jax
import numpy as np

from farzi.evaluation.arms import Arm
from farzi.evaluation.groups import fitting, in_groups
from farzi.evaluation.outcome import Outcome
from farzi.evaluation.task import Task
from farzi.training import Checkpoint, MakeLearner, Trained, train

_SEARCH_SEED = 10**9 + 10**6
"""Start of the search over rates; above the seeds of the final runs and of validations."""


def evaluate(
    arm: Arm,
    make_learner: MakeLearner,
    task: Task,
    *,
    rates: Sequence[float],
    seeds: Sequence[int],
    folder: Path | None = None,
    on_progress: Callable[[int, float, float], None] | None = None,
) -> Outcome:
    """Choose the learning rate on validation, then train from fresh starts and test those.

    The rates are tried in one program, each from the same start; the seeds then run at the best
    one. Every run is tested once, as it was at its best validation.

    Args:
        arm: the training data.
        make_learner: builds the learner.
        task: its validation chooses rate and length of training, its test gives the metrics.
        rates: learning rates to try, of which a single one is taken untried; as many as seeds
            compile one program instead of two.
        seeds: of the final runs.
        folder: keeps the outcome, and on the way there the state; what it has is not done again.
        on_progress: called after each validation with the steps done, of twice the longest
            training (once, if there is one rate), the lowest training loss and the highest
            validation score.

    Raises:
        FloatingPointError: if a run came to no finite score.
    """
    of = f"{described(arm, make_learner, task)} {list(rates)} {list(seeds)}"
    if folder is not None:
        kept = Outcome.load(folder, of, make_learner)
        if kept is not None:
            return kept

    at_once = fitting(make_learner, arm.tokens, arm.training, max(len(rates), len(seeds)))

    def run(name: str, rates: Sequence[float], seeds: Sequence[int], done: int) -> Trained:
        def report(step: int, losses: np.ndarray, scores: np.ndarray) -> None:
            if on_progress is not None:
                lowest = np.min(losses[np.isfinite(losses)], initial=np.inf)
                on_progress(done + step, float(lowest), float(np.max(scores)))

        def group(number: int, rates: Sequence[float], seeds: Sequence[int]) -> Trained:
            file = None if folder is None else folder / f"{name}-{number}.safetensors"
            return train(
                make_learner,
                arm.tokens,
                task.validation,
                arm.training,
                rates=rates,
                seeds=seeds,
                on_validation=report,
                checkpoint=None if file is None else Checkpoint(file, f"{of} {rates} {seeds}"),
            )

        return in_groups(group, at_once, rates, seeds)

    rate, tried, search_seconds = float(rates[0]), 0, 0.0
    if len(rates) > 1:
        search = run(_SEARCH, rates, [_SEARCH_SEED] * len(rates), 0)
        rate, tried = float(rates[int(np.argmax(search.best_scores))]), arm.training.max_steps
        search_seconds = search.seconds
    trained = run(_FINAL, [rate] * len(seeds), seeds, tried)
    if not np.isfinite(trained.best_scores).all():
        raise FloatingPointError(
            f"training on {arm.name} data with a learning rate of {rate} gave no finite score from "
            "every start; offer smaller rates."
        )
    each = [task.test_values(trained.run(index)) for index in range(len(seeds))]
    tested = [task.metrics(values) for values in each]
    outcome = Outcome(
        arm.name,
        arm.amount,
        rate,
        {name: [one[name] for one in tested] for name in tested[0]},
        {name: np.stack([one[name] for one in each]) for name in each[0]},
        trained,
        search_seconds,
    )
    if folder is not None:
        outcome.save(folder, of)
        for name in (_SEARCH, _FINAL):
            for file in folder.glob(f"{name}-*.safetensors"):
                file.unlink()
    return outcome


def described(arm: Arm, make_learner: MakeLearner, task: Task) -> str:
    """Whatever decides on a training but for rates and seeds."""
    learner = eqx.tree_pformat(eqx.filter_eval_shape(make_learner, jax.random.key(0)))
    # Functions, such as an activation, are named with their address, which is another every time.
    return re.sub(r" at 0x[0-9a-f]+", "", f"{arm.content} {task.content} {arm.training} {learner}")


_SEARCH, _FINAL = "search", "final"
"""Checkpoints while trainings run."""
