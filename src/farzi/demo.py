"""The whole path on the packaged flights: `farzi demo`."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from farzi import storage
from farzi.coresets import random_rows
from farzi.data import Sequences, Split, flights, leave_last_out, windows
from farzi.distillation import Distillation, OuterStep, Recipe, distill
from farzi.evaluation import Arm, Outcome, evaluate, stored_bytes, summarize
from farzi.metrics import Questions
from farzi.models import SASRec
from farzi.progress import Stage, stages
from farzi.report import ReportData, write_report
from farzi.storage import DistilledData, write_atomically
from farzi.training import Training

RATES = (3e-3, 1e-2, 3e-2)
"""Learning rates that every arm chooses from."""
SEEDS = 3
"""Fresh starts of every arm."""
ALL = Training(batch_size=128, max_steps=3000, evaluate_every=250, patience=3)
"""Training on all data: up to 22 passes."""
FEW = Training(batch_size=128, max_steps=400, evaluate_every=10, patience=5)
"""Training on a handful of sequences, validated after every tenth step."""
RECIPE = Recipe()
ARCHITECTURE = "SASRec (1 layer, width 32)"


def run(out: Path, seed: int, console: Console | None = None) -> dict[str, Any]:
    """Distil, evaluate, and write `report.html`, `results.json` and `distilled/` to `out`.

    Returns:
        The content of `results.json`.
    """
    began = time.monotonic()
    console = console or Console()
    sequences = flights()
    split = leave_last_out(sequences)
    console.print(
        f"{sequences.events:,} flights of {len(sequences):,} aircraft to "
        f"{len(sequences.vocabulary)} destinations; {len(split.test):,} questions for the test."
    )
    with stages(console) as progress:
        outcomes, distillation, data = _work(split, seed, out, progress)
    arms = summarize(outcomes, ARCHITECTURE)
    results = {
        "dataset": "flights that left New York City in 2013",
        "task": "next destination of an aircraft",
        "arms": arms,
        "distillation": _cost(distillation),
        "total_seconds": time.monotonic() - began,
        "versions": _versions(),
        "device": f"{jax.devices()[0].device_kind}, {os.cpu_count()} cores",
        "seed": seed,
    }
    report = ReportData(
        results=results,
        tokens=sequences.vocabulary.tokens,
        synthetic=np.asarray(data.probabilities()),
        real_transitions=_transitions(split.train),
        outer_losses=np.array([step.loss for step in distillation.history]),
        validations=[
            {"step": step.step, "ndcg@10": step.score}
            for step in distillation.history
            if step.score is not None
        ],
        curves={outcome.arm.name: _curve(outcome) for outcome in outcomes},
    )
    write_report(out / "report.html", report)
    write_atomically(
        out / "results.json", json.dumps(results, indent=2, allow_nan=False).encode() + b"\n"
    )
    console.print(_table(arms))
    console.print(
        f"{results['total_seconds']:.0f} seconds in all. Open {out / 'report.html'}; the distilled "
        f"data are in {out / 'distilled'}."
    )
    return results


def make_learner(key: PRNGKeyArray) -> SASRec:
    """The learner that every arm trains."""
    return SASRec(104, width=32, layers=1, length=RECIPE.length, key=key)


def _work(
    split: Split, seed: int, out: Path, progress: Progress
) -> tuple[list[Outcome], Distillation, DistilledData]:
    """Train on all flights, on random ones, and on distilled ones."""
    rows = windows(split.train, RECIPE.length)
    validation = Questions.of(split.validation, RECIPE.length)
    test = Questions.of(split.test, RECIPE.length)
    seeds = [seed * SEEDS + i for i in range(SEEDS)]

    def judge(arm: Arm) -> Outcome:
        stage = Stage(progress, f"Train on {arm.name} data", 2 * arm.training.max_steps)
        outcome = evaluate(
            arm,
            make_learner,
            validation,
            test,
            rates=RATES,
            seeds=seeds,
            on_validation=lambda step, score: stage.update(step, score=score),
        )
        stage.finish()
        return outcome

    full = judge(
        Arm(
            "full",
            jnp.asarray(rows),
            len(split.train),
            split.train.events,
            stored_bytes(split.train),
            ALL,
        )
    )
    generator = np.random.default_rng(seed)
    drawn = random_rows(rows, RECIPE.sequences, generator)
    vocabulary = split.train.vocabulary
    random = judge(
        Arm(
            "random",
            # As one-hot distributions, so that this arm and the distilled one share a program.
            jax.nn.one_hot(drawn, len(vocabulary)),
            len(drawn),
            drawn.size,
            stored_bytes(Sequences.from_lists(drawn, vocabulary)),
            FEW,
        )
    )
    stage = Stage(progress, "Distil", RECIPE.outer_steps)

    def show(step: OuterStep) -> None:
        stage.update(step.step, loss=step.loss, score=step.score)

    distillation = distill(
        split.train,
        split.validation,
        make_learner,
        RECIPE,
        teacher=full.trained.run(0),
        seed=seed,
        on_step=show,
    )
    distillation.data.save(out / "distilled")
    data = storage.load(out / "distilled")  # What users will load is what is judged.
    distilled = judge(
        Arm(
            "distilled",
            data.probabilities(),
            RECIPE.sequences,
            data.factors.events,
            data.bytes,
            FEW,
        )
    )
    return [full, distilled, random], distillation, data


def _cost(distillation: Distillation) -> dict[str, Any]:
    return {
        "seconds": distillation.seconds,
        "outer_steps": len(distillation.history),
        "inner_steps": RECIPE.inner_steps,
        "peak_bytes": distillation.peak_bytes,
        "best_step": distillation.best_step,
        "recipe": {
            key: value
            for key, value in vars(RECIPE).items()
            if isinstance(value, int | float | str | None)
        }
        | {"adjoint": type(RECIPE.adjoint).__name__},
    }


def _versions() -> dict[str, str]:
    packages = ("farzi", "jax", "jaxlib", "equinox", "optax", "numpy", "polars")
    versions = {package: importlib.metadata.version(package) for package in packages}
    return {"python": platform.python_version()} | versions


def _transitions(sequences: Sequences) -> np.ndarray:
    """How often each token follows each, `[vocab, vocab]`."""
    size = len(sequences.vocabulary)
    counts = np.zeros((size, size))
    for ids in sequences:
        np.add.at(counts, (ids[:-1], ids[1:]), 1)
    return counts


def _curve(outcome: Outcome) -> dict[str, Any]:
    trained = outcome.trained
    return {"steps": trained.steps.tolist(), "ndcg@10": trained.scores.mean(axis=1).tolist()}


def _table(arms: list[dict[str, Any]]) -> Table:
    shown = Table(title="Trained on … and tested on flights never seen")
    shown.add_column("data")
    for name in ("sequences", "events", "of events", "of bytes", "HR@10", "retention", "NDCG@10"):
        shown.add_column(name, justify="right")
    for arm in arms:
        hit, gain = arm["metrics"]["hr@10"], arm["metrics"]["ndcg@10"]
        shown.add_row(
            arm["arm"],
            f"{arm['sequences']:,}",
            f"{arm['events']:,}",
            f"{arm['events_share']:.2%}",
            f"{arm['bytes_share']:.1%}",
            f"{hit['mean']:.1%} ± {hit['ci95']:.1%}",
            f"{arm['retention']['hr@10']:.1%}",
            f"{gain['mean']:.3f} ± {gain['ci95']:.3f}",
        )
    return shown
