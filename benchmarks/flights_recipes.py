"""What each setting of the demo's recipe is worth: one changed at a time, on the packaged flights.

    python benchmarks/flights_recipes.py [VARIANT ...]       # all variants if none is named

Writes a table to docs/results/flights_recipes.md; rows that are not run keep what they had. Scores
are NDCG@10 on VALIDATION as a share of the full data's, because recipes must not be chosen on the
test questions; "at T", "at 2 T" and "at 5 T" are those of learners trained once, twice and five
times as long as the data were made for, without early stopping. All variants take 300 outer steps,
which is enough to tell them apart, in one to three minutes each on one core. Beside them stand
random sequences with the labels of the learner trained on all flights, the strongest subsets.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from typing import Any

import numpy as np
from circumstances import ROOT, commit

from farzi import storage
from farzi.data import flights, leave_last_out
from farzi.demo import Plan
from farzi.distillation import Recipe, distill
from farzi.evaluation import Arm, Outcome, Task, distilled_arm, evaluate, full_arm, subset_arm
from farzi.training import Validation, train

PLAN = Plan()
RESULTS = ROOT / "docs" / "results" / "flights_recipes.json"
NEXT: dict[str, Any] = {"labels": "next", "confidence": 0.7}
FEW: dict[str, Any] = {"sequences": 29, "inner_batch": 15}
VARIANTS: dict[str, dict[str, Any]] = {
    "the recipe": {},
    "labels: the next token": NEXT,
    "labels: the next token, from noise": {**NEXT, "start": "noise", "confidence": None},
    "no adjoint clip": {"adjoint_clip": None},
    "adjoint clip 10": {"adjoint_clip": 10.0},
    "outer rate 0.01": {"outer_rate": 0.01},
    "outer rate 0.1": {"outer_rate": 0.1},
    "inner eps 1e-8": {"inner_eps": 1e-8},
    "30 inner steps": {"inner_steps": 30},
    "all sequences in each inner step": {"inner_batch": None},
    "75 sequences of 20": {"sequences": 75, "length": 20, "inner_batch": 18},
    "rank 32": {"rank": 32},
    "rank 8": {"rank": 8},
    "rank 4": {"rank": 4},
    "float16": {"numbers": "float16"},
    "120 inner steps": {"inner_steps": 120},
    "2 starts, half the outer steps": {"starts": 2, "outer_steps": 150},
    "2 starts": {"starts": 2},
    "a third of the starts from a pool": {"expert_share": 1 / 3},
    "judged by the tokens that follow": {"judge": "tokens"},
    "SGD inside": {"inner_optimizer": "sgd", "inner_rate": 0.3},
    "trajectory matching": {"objective": "trajectory-matching"},
    "trajectory matching, SGD inside": {
        "objective": "trajectory-matching",
        "inner_optimizer": "sgd",
        "inner_rate": 0.3,
    },
    "gradient matching": {"objective": "gradient-matching"},
    "gradient matching, SGD inside": {
        "objective": "gradient-matching",
        "inner_optimizer": "sgd",
        "inner_rate": 0.3,
    },
    "Tucker, 48 x 8 x 16": {
        "parametrisation": "tucker",
        "sequence_rank": 48,
        "time_rank": 8,
    },
    "dense": {"parametrisation": "dense", "rank": 32},
    "22 sequences, dense: as many bytes": {
        "parametrisation": "dense",
        "rank": 32,
        "sequences": 22,
        "inner_batch": 11,
    },
    "29 sequences": FEW,
    "29 sequences, labels: the next token": FEW | NEXT,
}
PEERS = {"random, soft labels": 145, "29 random, soft labels": 29}


def main(names: list[str]) -> None:
    """Run the variants and print their rows."""
    unknown = set(names) - {*VARIANTS, *PEERS}
    if unknown:
        sys.exit(f"unknown variant {sorted(unknown)}; there are {', '.join([*VARIANTS, *PEERS])}.")
    split = leave_last_out(flights())
    task = Task.of(split, PLAN.recipe.context)

    def judge(arm: Arm, scale: float = 1.0) -> Outcome:
        rates = [rate * scale for rate in PLAN.rates]
        return evaluate(arm, PLAN.make_learner, task, rates=rates, seeds=range(PLAN.seeds))

    full = judge(full_arm(task, PLAN.recipe.context, PLAN.all))
    reference = full.trained.best_scores.mean()
    teachers = [full.trained.run(index) for index in range(PLAN.seeds)]

    def row(name: str, arm: Arm, recipe: Recipe, **more: Any) -> None:
        # The rates that are tried lie around that of the inner loop, also where it is SGD's.
        kept = (
            judge(arm, recipe.inner_rate / Recipe().inner_rate).trained.best_scores.mean()
            / reference
        )
        found = {"retention": float(kept), "bytes_share": arm.amount.bytes / full.amount.bytes}
        for times in (1, 2, 5):
            score = _without_early_stopping(arm, recipe, task.validation, times)
            found[f"at_{times}T"] = score / reference
        table = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        table[name] = found | more | {"commit": commit("src")}
        RESULTS.write_text(json.dumps(table, indent=1) + "\n")
        RESULTS.with_suffix(".md").write_text(_page(table))
        print(name, table[name], flush=True)

    for name, count in PEERS.items():
        if not names or name in names:
            few = Recipe().learner.training(PLAN.few)
            arm = subset_arm("random-soft", task, count, Recipe().length, few, teacher=teachers[0])
            row(name, arm, Recipe())
    for name in names or VARIANTS:
        if name in PEERS:
            continue
        recipe = dataclasses.replace(Recipe(outer_steps=300), **VARIANTS[name])
        outcome = distill(
            split.train,
            split.validation,
            PLAN.make_learner,
            recipe,
            teacher=teachers,
        )
        with tempfile.TemporaryDirectory() as folder:  # What users will load is what is judged.
            outcome.data.save(folder)
            data = storage.load(folder)
        arm = distilled_arm(data, recipe.learner.training(PLAN.few))
        row(name, arm, recipe, best_step=outcome.best_step, seconds=outcome.seconds)


def _page(table: dict[str, Any]) -> str:
    lines = [
        "# What each setting of the flights' recipe is worth",
        "",
        "Validation NDCG@10 as a share of the full data's, four starts, one distillation a row of "
        "300 outer steps: with early stopping, and without after T, 2 T and 5 T steps. Made by "
        "`python benchmarks/flights_recipes.py`. Seconds are no benchmark: the machine did other "
        "things too.",
        "",
        "| variant | bytes | retention | at T | at 2 T | at 5 T | best step | seconds | commit |",
        "|---|--:|--:|--:|--:|--:|--:|--:|---|",
    ]
    for name in (*VARIANTS, *PEERS):
        if name in table:
            found = table[name]
            scores = [found[key] for key in ("retention", "at_1T", "at_2T", "at_5T")]
            seconds = f"{found['seconds']:.0f}" if "seconds" in found else ""
            lines.append(
                f"| {name} | {found['bytes_share']:.1%} "
                + "".join(f"| {score:.4f} " for score in scores)
                + f"| {found.get('best_step', '')} | {seconds} | `{found['commit']}` |"
            )
    return "\n".join([*lines, ""])


def _without_early_stopping(arm: Arm, recipe: Recipe, validation: Validation, times: int) -> float:
    """Validation NDCG@10 after some times the steps that the data were made for."""
    steps = times * recipe.inner_steps
    training = dataclasses.replace(recipe.learner.training(steps), evaluate_every=steps)
    trained = train(
        PLAN.make_learner,
        arm.tokens,
        validation,
        training,
        rates=[recipe.inner_rate] * PLAN.seeds,
        seeds=range(PLAN.seeds),
    )
    return float(np.mean(trained.best_scores))


if __name__ == "__main__":
    main(sys.argv[1:])
