"""The whole path on the packaged flights: `farzi demo`."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import PRNGKeyArray
from rich.console import Console
from rich.progress import Progress

from farzi import results, storage
from farzi.data import Sequences, Split, flights, leave_last_out
from farzi.distillation import Distillation, OuterStep, Recipe, distill
from farzi.distilled import OwnLabels
from farzi.evaluation import (
    Arm,
    Outcome,
    Task,
    distilled_arm,
    evaluate,
    full_arm,
    subset_arm,
)
from farzi.models import SASRec
from farzi.progress import Stage, stages
from farzi.report import ReportData, write_report
from farzi.storage import DistilledData
from farzi.training import Training


@dataclass(frozen=True)
class Plan:
    """What the demo does.

    Attributes:
        recipe: of the distillation.
        rates: learning rates that every arm chooses from.
        seeds: fresh starts of every arm.
        all: training on all flights.
        few: the longest training on a handful of sequences, in steps.
    """

    recipe: Recipe = field(default_factory=Recipe)
    rates: tuple[float, ...] = (2e-3, 5e-3, 1e-2, 2e-2)
    seeds: int = 4
    all: Training = field(
        default_factory=lambda: Training(max_steps=5000, evaluate_every=250, patience=3)
    )
    few: int = 400

    def make_learner(self, key: PRNGKeyArray) -> SASRec:
        """The learner that every arm trains: SASRec of one layer and width 32."""
        return SASRec(104, width=32, layers=1, length=self.recipe.context, key=key)


def run(
    out: Path, seed: int, *, plan: Plan | None = None, console: Console | None = None
) -> dict[str, Any]:
    """Distil, evaluate, and write `report.html`, `results.json` and `distilled/` to `out`.

    Args:
        out: a folder; what the demo wrote there before is replaced.
        seed: decides on everything random.
        plan: sizes and lengths.
        console: where progress and the table go.

    Returns:
        The content of `results.json`.
    """
    began = time.monotonic()
    plan = plan or Plan()
    console = console or Console()
    sequences = flights()
    split = leave_last_out(sequences)
    console.print(
        f"{sequences.events:,} flights of {len(sequences):,} aircraft to "
        f"{len(sequences.vocabulary)} destinations; {len(split.test):,} questions for the test."
    )
    with stages(console) as progress:
        outcomes, distillation, data = _work(split, plan, seed, out, progress)
    content = results.assemble(
        outcomes,
        distillation,
        dataset="flights that left New York City in 2013",
        task="next destination of an aircraft",
        architecture="SASRec (1 layer, width 32)",
        recipe=plan.recipe,
        seed=seed,
        total_seconds=time.monotonic() - began,
    )
    results.write(out / "results.json", content)
    write_report(out / "report.html", _report(content, outcomes, distillation, data, split))
    console.print(results.table(content["arms"], "Trained on …, tested on flights never seen"))
    console.print(
        f"{content['total_seconds']:.0f} seconds in all. Open {out / 'report.html'}; the distilled "
        f"data are in {out / 'distilled'}."
    )
    return content


def _work(
    split: Split, plan: Plan, seed: int, out: Path, progress: Progress
) -> tuple[list[Outcome], Distillation, DistilledData]:
    """Train on all flights, on random ones, and on distilled ones."""
    recipe = plan.recipe
    few = recipe.learner.training(plan.few)
    task = Task.of(split, recipe.context)
    seeds = [seed * plan.seeds + i for i in range(plan.seeds)]

    def judge(arm: Arm) -> Outcome:
        stage = Stage(progress, f"Train on {arm.name} data", 2 * arm.training.max_steps)
        outcome = evaluate(
            arm,
            plan.make_learner,
            task,
            rates=plan.rates,
            seeds=seeds,
            on_progress=lambda step, loss, score: stage.update(
                step, loss=loss, score=task.validation.told(score)
            ),
        )
        stage.finish()
        return outcome

    full = judge(full_arm(task, recipe.context, plan.all))
    teachers = [full.trained.run(index) for index in range(plan.seeds)]
    size = recipe.sequences, recipe.length
    random = judge(subset_arm("random", task, *size, few, teacher=teachers[0], seed=seed))
    stage = Stage(progress, "Distil", recipe.outer_steps)

    def show(step: OuterStep) -> None:
        score = None if step.score is None else task.validation.told(step.score)
        stage.update(step.step, loss=step.loss, score=score)

    distillation = distill(
        split.train,
        task.validation,
        plan.make_learner,
        recipe,
        teacher=teachers,
        seed=seed,
        on_step=show,
    )
    distillation.save(out / "distilled")
    data = storage.load(out / "distilled")  # What users will load is what is judged.
    distilled = judge(distilled_arm(data, few))
    return [full, distilled, random], distillation, data


def _report(
    content: dict[str, Any],
    outcomes: list[Outcome],
    distillation: Distillation,
    data: DistilledData,
    split: Split,
) -> ReportData:
    factors = data.factors
    return ReportData(
        results=content,
        tokens=data.vocabulary.tokens,
        synthetic=np.asarray(data.probabilities()),
        inputs=np.asarray(factors.inputs) if isinstance(factors, OwnLabels) else None,
        real_transitions=_transitions(split.train),
        real_lengths=split.train.lengths,
        real_counts=np.bincount(split.train.flat(), minlength=len(data.vocabulary)),
        outer_losses=np.array([step.loss for step in distillation.history]),
        validations=[
            {"step": 0, "ndcg@10": distillation.start_score},
            *(
                {"step": step.step, "ndcg@10": step.score}
                for step in distillation.history
                if step.score is not None
            ),
        ],
        curves={
            outcome.name: {
                "steps": outcome.trained.steps.tolist(),
                "ndcg@10": np.nanmean(outcome.trained.scores, axis=1).tolist(),
            }
            for outcome in outcomes
        },
    )


def _transitions(sequences: Sequences) -> np.ndarray:
    """How often each token follows each, `[vocab, vocab]`."""
    size = len(sequences.vocabulary)
    counts = np.zeros((size, size))
    for ids in sequences:
        np.add.at(counts, (ids[:-1], ids[1:]), 1)
    return counts
