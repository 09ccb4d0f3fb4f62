"""`farzi train`: one learner, on all data or some, at its best learning rate."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from farzi import results, storage
from farzi.evaluation import (
    ARMS,
    Arm,
    Outcome,
    Task,
    distilled_arm,
    evaluate,
    full_arm,
    needs_teacher,
    subset_arm,
)
from farzi.models import Learner
from farzi.progress import Stage, stages
from farzi.sections import Config


def run(
    config: Config,
    out: Path,
    *,
    on: str = "full",
    teacher: Path | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Train, test, and write learners, scores and `results.json` to a folder.

    Args:
        config: data, learner and training.
        out: the folder; a training that it has is not done again, and one that was interrupted
            goes on.
        on: "full"; a folder of distilled data; or the name of a subset.
        teacher: folder of a training on all data, for subsets that need one.
        console: where progress and scores go.

    Returns:
        The content of `results.json`.

    Raises:
        ValueError: if something does not fit.
    """
    console = console or Console()
    task = config.data.task(config.recipe.context)
    arm = _arm(config, task, on, teacher)
    rates = config.train.rates if on == "full" else config.evaluate.few_rates
    with stages(console) as progress:
        stage = Stage(progress, f"Train on {arm.name} data", 2 * arm.training.max_steps)
        outcome = evaluate(
            arm,
            config.make_learner,
            task,
            rates=rates,
            seeds=range(config.train.seeds),
            folder=out,
            on_progress=lambda step, loss, score: stage.update(
                step, loss=loss, score=task.validation.told(score)
            ),
        )
        stage.finish()
    content = {
        "dataset": config.data.words,
        "task": task.words,
        "learner": config.learner.words,
        "arm": outcome.name,
        **asdict(outcome.amount),
        "context": config.recipe.context,
        "metrics": results.summaries(outcome.metrics),
        "learning_rate": outcome.rate,
        "train_steps": outcome.trained.best_steps.tolist(),
        "train_seconds": outcome.seconds,
        "search_seconds": outcome.search_seconds,
        **results.circumstances(),
    }
    results.write(out / "results.json", content)
    console.print(_table(content))
    console.print(f"Learners, scores and each question's rank are in {out}.")
    return content


def _arm(config: Config, task: Task, on: str, teacher: Path | None) -> Arm:
    recipe = config.recipe
    if teacher is not None and (on == "full" or Path(on).is_dir() or not needs_teacher(on)):
        raise ValueError(f"--teacher is given, but --on {on} needs none; leave it out.")
    if on == "full":
        return full_arm(task, recipe.context, config.train.training())
    if Path(on).is_dir():
        data = storage.load(on)
        data.check_vocabulary(task.train.vocabulary)
        return distilled_arm(data, data.learner.training(config.evaluate.few_steps))
    if on not in ARMS or on == "distilled":
        raise ValueError(
            f"--on {on} is neither a folder of distilled data nor a subset; use full, a folder, or "
            f"{', '.join(ARMS[2:])}."
        )
    few = replace(recipe.learner.training(config.evaluate.few_steps), dropout=True)
    return subset_arm(
        on, task, recipe.sequences, recipe.length, few, teacher=_teacher(config, teacher)
    )


def _teacher(config: Config, folder: Path | None) -> Learner | None:
    if folder is None:
        return None
    outcome = Outcome.load(folder, None, config.make_learner)
    if outcome is None:
        raise ValueError(f"--teacher {folder} holds no training; run farzi train --out {folder}.")
    return outcome.trained.run(0)


def _table(content: dict[str, Any]) -> Table:
    seeds = len(content["train_steps"])
    shown = Table(
        title=f"{content['learner']} trained on {content['arm']} data, {seeds} seeds",
        box=results.BOX,
    )
    shown.add_column("test")
    shown.add_column("mean", justify="right")
    for name, metric in content["metrics"].items():
        shown.add_row(results.METRIC_NAMES.get(name, name), results.score(metric, name))
    return shown
