"""The results of a comparison as JSON, and as a table on the terminal."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich import box
from rich.table import Table
from scipy import stats

from farzi.distillation import Distillation, Recipe, teachers_needed
from farzi.evaluation import LOWER_IS_BETTER, Outcome
from farzi.files import write_atomically

BOX = box.SIMPLE_HEAD
_PACKAGES = ("farzi", "jax", "jaxlib", "equinox", "optax", "numpy", "polars")


def assemble(
    outcomes: Sequence[Outcome],
    distillation: Distillation,
    *,
    dataset: str,
    task: str,
    architecture: str,
    recipe: Recipe,
    seed: int,
    total_seconds: float,
) -> dict[str, Any]:
    """The content of `results.json`; all shares and metrics are fractions.

    Args:
        outcomes: one an arm, the full data first: the others are compared with it.
        distillation: for its cost.
        dataset: in words.
        task: in words.
        architecture: in words.
        recipe: of the distillation.
        seed: of everything random.
        total_seconds: wall time of all of it.
    """
    teachers = teachers_needed(recipe, len(outcomes[0].trained.best_scores))
    return {
        "dataset": dataset,
        "task": task,
        "arms": [arm_entry(outcome, outcomes[0], architecture) for outcome in outcomes],
        "distillation": {
            "seconds": distillation.seconds,
            "teacher_seconds": outcomes[0].seconds * teachers,
            "outer_steps": len(distillation.history),
            "inner_steps": recipe.inner_steps,
            "peak_bytes": distillation.peak_bytes,
            "best_step": distillation.best_step,
            "recipe": settings(recipe),
        },
        "total_seconds": total_seconds,
        **circumstances(),
        "seed": seed,
    }


def settings(recipe: Recipe) -> dict[str, Any]:
    """A recipe as JSON has it."""
    every = {setting.name: getattr(recipe, setting.name) for setting in fields(recipe)}
    return every | {"adjoint": repr(recipe.adjoint)}


def circumstances() -> dict[str, Any]:
    """Versions and device."""
    return {
        "versions": {"python": platform.python_version()}
        | {package: importlib.metadata.version(package) for package in _PACKAGES},
        "device": f"{jax.devices()[0].device_kind}, {os.cpu_count()} cores",
    }


def arm_entry(outcome: Outcome, full: Outcome, architecture: str) -> dict[str, Any]:
    """An arm as `results.json` has it.

    Retention is the mean as a share of that of the full data; where less is better, such as of
    perplexity, the full data's as a share of it.

    Args:
        outcome: of the arm.
        full: of the full data with the same architecture.
        architecture: in words.
    """
    metrics, reference = summaries(outcome.metrics), summaries(full.metrics)
    retention = {}
    for name, metric in metrics.items():
        share = metric["mean"], reference[name]["mean"]
        above, below = share[::-1] if name in LOWER_IS_BETTER else share
        retention[name] = above / below if below else None
    return {
        "arm": outcome.name,
        "architecture": architecture,
        **asdict(outcome.amount),
        "events_share": outcome.amount.events / full.amount.events,
        "bytes_share": outcome.amount.bytes / full.amount.bytes,
        "metrics": metrics,
        "retention": retention,
        "learning_rate": outcome.rate,
        "train_steps": float(np.mean(outcome.trained.best_steps)),
        "train_seconds": outcome.seconds,
        "search_seconds": outcome.search_seconds,
    }


def summaries(metrics: dict[str, list[float]]) -> dict[str, dict[str, Any]]:
    """Mean, half the width of its interval, and the values of each metric."""
    summary = {}
    for name, values in metrics.items():
        mean, half_width = interval(values)
        summary[name] = {"mean": mean, "ci95": half_width, "seeds": values}
    return summary


def interval(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean, and half the width of its 95 % interval by Student's t; None for a single value.

    >>> interval([0.0, 1.0])
    (0.5, 6.353102368087347)
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, None
    quantile = stats.t.ppf(0.975, len(values) - 1)
    return mean, float(quantile * np.std(values, ddof=1) / np.sqrt(len(values)))


def write(path: Path, content: dict[str, Any]) -> None:
    """Write the results as JSON."""
    write_atomically(path, json.dumps(content, indent=2, allow_nan=False).encode() + b"\n")


def table(arms: list[dict[str, Any]], title: str, metric: str = "hr@10") -> Table:
    """The arms as a table for the terminal, 80 columns wide."""
    shown = Table(title=title, box=BOX)
    shown.add_column("data", no_wrap=True)
    for name in ("sequences", "events", "bytes", METRIC_NAMES.get(metric, metric), "retention"):
        shown.add_column(name, justify="right", no_wrap=True)
    for arm in arms:
        retention = arm["retention"][metric]
        shown.add_row(
            arm["arm"],
            f"{arm['sequences']:,}",
            f"{arm['events_share']:.2%}",
            f"{arm['bytes_share']:.1%}",
            score(arm["metrics"][metric], metric),
            "" if retention is None else f"{retention:.1%}",
        )
    return shown


METRIC_NAMES = {
    "hr@10": "HR@10",
    "hr@100": "HR@100",
    "ndcg@10": "NDCG@10",
    "ndcg@100": "NDCG@100",
    "mrr": "MRR",
    "bits_per_byte": "bits a byte",
}


def score(metric: dict[str, Any], name: str) -> str:
    """A mean and half its interval."""
    mean, half_width = metric["mean"], metric["ci95"]
    decimals = 1 if name == "perplexity" else 3
    shown = f"{mean:.{decimals}f}"
    return shown if half_width is None else f"{shown} ±{half_width:.{decimals}f}"
