"""The figure of the benchmark, from its JSON file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from hypergradient_jobs import CANDIDATES, Job
from hypergradient_tables import Record, expected_bytes, needed_bytes, sizes_of
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

STYLES = {
    "unrolled": ("#8a8a8a", "o", "-"),
    "jax-checkpoint": ("#8a8a8a", "s", "--"),
    "store-states": ("#0b5cad", "o", "-"),
    "checkpointed": ("#0b5cad", "s", "--"),
    "checkpointed-3": ("#0b5cad", "^", ":"),
    "checkpointed-4": ("#0b5cad", "v", "-."),
    "reversible": ("#c8381d", "D", "-"),
    "paper-adam": ("#7a3fa0", "P", "-"),
    "float32-reversal": ("#7a3fa0", "X", "--"),
    "torchopt": ("#2b8a4b", "o", "-"),
    "higher": ("#2b8a4b", "s", "--"),
    "bergson": ("#2b8a4b", "^", ":"),
}
"""Colour, marker and line: grey for plain JAX, blue and red for farzi, green for peers."""


def draw(content: dict[str, Any], path: Path) -> None:
    """Memory, time and error against T, for the smallest model."""
    records = content["records"]
    size = sizes_of(records)[0]
    of_size = [record for record in records.values() if record["job"]["size"] == size]
    steps = sorted({record["job"]["steps"] for record in of_size})
    parameters = next((r["parameters"] for r in of_size if "parameters" in r), None)
    settings: dict[Any, Any] = {
        "svg.hashsalt": "farzi",
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with mpl.rc_context(settings):
        figure = Figure(figsize=(12.5, 5.4), layout="constrained")
        memory, time, error = figure.subplots(1, 3, sharex=True)
        _lines(memory, records, size, steps, _megabytes, _expected_megabytes)
        _lines(time, records, size, steps, lambda record: record.get("ratio"))
        _lines(error, records, size, steps, lambda record: record.get("error"), timed=False)
        memory.set(title="Peak memory, MB (hollow: foreseen)", yscale="log")
        time.set(title="Time / time of plain training", ylim=(0, None))
        error.set(title="Error in float32 (top edge: not finite)", yscale="log")
        memory.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        for axes in (memory, time, error):
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_locator(FixedLocator(steps))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
            axes.set_xlabel("T, inner steps")
            axes.grid(axis="y", color="#e5e5e5", linewidth=0.8)
            axes.set_axisbelow(True)
        handles, labels = error.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
        title = "" if parameters is None else f"A transformer with {parameters:,} parameters"
        figure.suptitle(title, fontsize=11)
        # Without the date, so that the same numbers give the same file.
        figure.savefig(path, metadata={"Date": None})


def _lines(
    axes: Axes,
    records: dict[str, Record],
    size: str,
    steps: list[int],
    measured: Callable[[Record], float | None],
    expected: Callable[[Record], float | None] = lambda record: None,
    timed: bool = True,
) -> None:
    """A line a candidate; its points that were not measured but are expected are hollow."""
    for name, candidate in CANDIDATES.items():
        if timed and not candidate.timed:
            continue
        colour, marker, line = STYLES[name]
        points, lost = [], []
        for length in steps:
            record = records.get(Job(name, size, length).key)
            if record is None:
                continue
            solid = record["status"] == "ok"
            if not (timed or record.get("finite", True)):
                lost.append(length)
            value = measured(record) if solid else expected(record)
            if value is not None:
                points.append((length, value, solid))
        if not points:
            continue
        if lost:
            _at_the_top(axes, lost, colour, marker)
        across, up = [point[0] for point in points], [point[1] for point in points]
        fills = [colour if solid else "white" for *_, solid in points]
        axes.plot(
            across, up, line, color=colour, marker=marker, markersize=5, label=candidate.label
        )
        axes.scatter(across, up, c=fills, edgecolors=colour, marker=marker, s=28, zorder=3)


def _at_the_top(axes: Axes, steps: list[int], colour: str, marker: str) -> None:
    """Marks where a result is not finite."""
    heights = [1.0] * len(steps)  # In units of the panel.
    marks = axes.scatter(
        steps, heights, c=colour, marker=marker, s=28, transform=axes.get_xaxis_transform()
    )
    marks.set_clip_on(False)
    marks.set_in_layout(False)


def _megabytes(record: Record) -> float | None:
    number = needed_bytes(record)
    return None if number is None else number / 1e6


def _expected_megabytes(record: Record) -> float | None:
    number = expected_bytes(record)
    return None if number is None else number / 1e6
