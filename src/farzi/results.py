"""The results of a comparison as JSON, and as a table on the terminal."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich import box
from rich.table import Table
from scipy import stats

from farzi.distillation import Distillation, Recipe
from farzi.evaluation import Outcome
from farzi.files import write_atomically

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
    return {
        "dataset": dataset,
        "task": task,
        "arms": [_arm(outcome, outcomes[0], architecture) for outcome in outcomes],
        "distillation": {
            "seconds": distillation.seconds,
            # A start from real sequences needs one training on all data first.
            "teacher_seconds": outcomes[0].seconds if recipe.start == "real" else 0.0,
            "outer_steps": len(distillation.history),
            "inner_steps": recipe.inner_steps,
            "peak_bytes": distillation.peak_bytes,
            "best_step": distillation.best_step,
            "recipe": {setting.name: getattr(recipe, setting.name) for setting in fields(recipe)}
            | {"adjoint": repr(recipe.adjoint)},
        },
        "total_seconds": total_seconds,
        "versions": {"python": platform.python_version()}
        | {package: importlib.metadata.version(package) for package in _PACKAGES},
        "device": f"{jax.devices()[0].device_kind}, {os.cpu_count()} cores",
        "seed": seed,
    }


def _arm(outcome: Outcome, full: Outcome, architecture: str) -> dict[str, Any]:
    metrics, retention = {}, {}
    for name, values in outcome.metrics.items():
        mean, half_width = interval(values)
        reference, _ = interval(full.metrics[name])
        metrics[name] = {"mean": mean, "ci95": half_width, "seeds": values}
        retention[name] = mean / reference if reference else None
    arm = outcome.arm
    return {
        "arm": arm.name,
        "architecture": architecture,
        "sequences": arm.sequences,
        "events": arm.events,
        "events_share": arm.events / full.arm.events,
        "bytes": arm.bytes,
        "bytes_share": arm.bytes / full.arm.bytes,
        "metrics": metrics,
        "retention": retention,
        "learning_rate": outcome.rate,
        "train_steps": float(np.mean(outcome.trained.best_steps)),
        "train_seconds": outcome.seconds,
        "search_seconds": outcome.search_seconds,
    }


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


def table(arms: list[dict[str, Any]], title: str) -> Table:
    """The arms as a table for the terminal, 80 columns wide."""
    shown = Table(title=title, box=box.SIMPLE_HEAD)
    shown.add_column("data", no_wrap=True)
    for name in ("sequences", "events", "bytes", "HR@10", "retention"):
        shown.add_column(name, justify="right", no_wrap=True)
    for arm in arms:
        retention = arm["retention"]["hr@10"]
        shown.add_row(
            arm["arm"],
            f"{arm['sequences']:,}",
            f"{arm['events_share']:.2%}",
            f"{arm['bytes_share']:.1%}",
            _score(arm["metrics"]["hr@10"]),
            "" if retention is None else f"{retention:.1%}",
        )
    return shown


def _score(metric: dict[str, Any]) -> str:
    mean, half_width = metric["mean"], metric["ci95"]
    return f"{mean:.3f}" if half_width is None else f"{mean:.3f} ±{half_width:.3f}"
