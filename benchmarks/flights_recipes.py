"""What each setting of the demo's recipe is worth: one changed at a time, on the packaged flights.

    python benchmarks/flights_recipes.py [VARIANT ...]       # all variants if none is named

Prints one row of a Markdown table a variant. Scores are NDCG@10 on VALIDATION as a share of the
full data's, because recipes must not be chosen on the test questions; "at 5 T" is that of learners
trained five times as long as the data were made for, without early stopping. All variants take 300
outer steps, which is enough to tell them apart, in one to three minutes each on one core.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import numpy as np

from farzi.data import flights, leave_last_out, windows
from farzi.demo import Plan
from farzi.distillation import Pool, Recipe, distill
from farzi.distillation.pool import expert_pool
from farzi.evaluation import Arm, Outcome, Task, distilled_arm, evaluate, full_arm
from farzi.training import Training, Validation, train

PLAN = Plan()
VARIANTS: dict[str, dict[str, Any]] = {
    "the recipe": {},
    "from noise": {"start": "noise"},
    "no adjoint clip": {"adjoint_clip": None},
    "adjoint clip 10": {"adjoint_clip": 10.0},
    "outer rate 0.01": {"outer_rate": 0.01},
    "outer rate 0.1": {"outer_rate": 0.1},
    "inner eps 1e-8": {"inner_eps": 1e-8},
    "30 inner steps": {"inner_steps": 30},
    "all sequences in each inner step": {"inner_batch": None},
    "75 sequences of 20": {"sequences": 75, "length": 20, "inner_batch": 18},
    "rank 16": {"rank": 16},
    "rank 8": {"rank": 8},
    "2 starts, half the outer steps": {"starts": 2, "outer_steps": 150},
    "2 starts": {"starts": 2},
    "a third of the starts from a pool": {"pool": 1 / 3},
}


def main(names: list[str]) -> None:
    """Run the variants and print their rows."""
    unknown = set(names) - set(VARIANTS)
    if unknown:
        sys.exit(f"unknown variant {sorted(unknown)}; there are {', '.join(VARIANTS)}.")
    split = leave_last_out(flights())
    rows = windows(split.train, PLAN.recipe.context)
    task = Task.of(split, PLAN.recipe.context)

    def judge(arm: Arm) -> Outcome:
        return evaluate(arm, PLAN.make_learner, task, rates=PLAN.rates, seeds=range(PLAN.seeds))

    full = judge(full_arm(task, PLAN.recipe.context, PLAN.all))
    reference = full.trained.best_scores.mean()
    print("| variant | retention | at 5 T | best step | seconds |")
    print("|---|--:|--:|--:|--:|")
    for name in names or VARIANTS:
        settings = dict(VARIANTS[name])
        pool = Pool(PLAN.make_learner)
        if share := settings.pop("pool", None):
            pool = expert_pool(
                PLAN.make_learner,
                rows,
                Training(max_steps=150, evaluate_every=15),
                rate=0.01,
                trajectories=4,
                share=share,
            )
        recipe = dataclasses.replace(Recipe(outer_steps=300), **settings)
        outcome = distill(
            split.train,
            split.validation,
            PLAN.make_learner,
            recipe,
            teacher=full.trained.run(0),
            pool=pool,
        )
        distilled = judge(distilled_arm(outcome.data, recipe.learner.training(PLAN.few)))
        kept = distilled.trained.best_scores.mean() / reference
        longer = _without_early_stopping(outcome.data, recipe, task.validation) / reference
        print(
            f"| {name} | {kept:.4f} | {longer:.4f} | {outcome.best_step} | {outcome.seconds:.0f} |",
            flush=True,
        )


def _without_early_stopping(data: Any, recipe: Recipe, validation: Validation) -> float:
    """Validation NDCG@10 after five times the steps that the data were made for."""
    steps = 5 * recipe.inner_steps
    training = dataclasses.replace(recipe.learner.training(steps), evaluate_every=steps)
    trained = train(
        PLAN.make_learner,
        data.probabilities(),
        validation,
        training,
        rates=[recipe.inner_rate] * PLAN.seeds,
        seeds=range(PLAN.seeds),
    )
    return float(np.mean(trained.best_scores))


if __name__ == "__main__":
    main(sys.argv[1:])
