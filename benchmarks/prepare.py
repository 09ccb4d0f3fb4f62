"""What preparing a large log takes: time and memory for 1, 10 and 100 million events.

    python benchmarks/prepare.py
    python benchmarks/prepare.py --events 1000000       # that size alone

Makes each log first, as CSV in shards of five million events, in a temporary folder (3 GB of disk
for 100 million). Popularity of items and length of histories have long tails; times are in random
order. Each size is prepared by a process of its own, whose peak of resident memory is taken. Then
another process loads the prepared folder and draws batches as training does; its memory is counted
less what is the mapped files' (Linux alone tells). Writes prepare.json and prepare.md to the folder
of results.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import tyro
from circumstances import ROOT, commit, machine, peak_bytes, versions

import farzi
from farzi.data import batch_order, windows

RESULTS = ROOT / "docs" / "results" / "prepare.json"
SHARD = 5_000_000
EVENTS_A_USER = 100
ITEMS = 1_000_000
BATCHES, BATCH, LENGTH = 1000, 256, 50


@dataclass(frozen=True)
class Options:
    """Make logs, prepare them, write the table.

    Attributes:
        events: of each log.
        folder: to prepare, by the process that measures.
        read: a prepared folder to draw batches from, likewise.
    """

    events: tuple[int, ...] = (1_000_000, 10_000_000, 100_000_000)
    folder: Path | None = None
    read: Path | None = None


def main(options: Options) -> None:
    """Measure every size, or be the process that does one."""
    if options.folder is not None:
        print(json.dumps(measure(options.folder)))
        return
    if options.read is not None:
        print(json.dumps(draw(options.read)))
        return
    rows = []
    for events in options.events:
        with tempfile.TemporaryDirectory() as folder:
            size = make(Path(folder), events)
            said = ask("--folder", folder) | ask("--read", folder + "/prepared")
        rows.append({"events": events, "csv_bytes": size} | said)
        print(rows[-1], flush=True)
    content = {
        "rows": rows,
        "machine": machine(platform.machine()),
        "versions": versions("polars", "pyarrow"),
        "commit": commit("src", "benchmarks/prepare.py"),
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")
    RESULTS.with_suffix(".md").write_text(table(content))


def ask(*arguments: str) -> dict[str, Any]:
    """What a process of its own measures."""
    command = [sys.executable, __file__, *arguments]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def make(folder: Path, events: int) -> int:
    """Write a log in shards; its size in bytes."""
    rng = np.random.default_rng(0)
    users = max(events // EVENTS_A_USER, 10)
    for first in range(0, events, SHARD):
        count = min(SHARD, events - first)
        # Density proportional to 1 / sqrt(rank): a long tail, and no item that takes all.
        shard = {
            "user_id": (users * rng.random(count) ** 2).astype(np.int64),
            "item_id": (min(ITEMS, events // 10) * rng.random(count) ** 2).astype(np.int64),
            "timestamp": rng.integers(1_600_000_000, 1_700_000_000, size=count),
        }
        pl.DataFrame(shard).write_csv(folder / f"log-{first // SHARD:03}.csv")
    return sum(path.stat().st_size for path in folder.glob("*.csv"))


def measure(folder: Path) -> dict[str, Any]:
    """Prepare a log with minimum counts, write it, and map it again."""
    began = time.perf_counter()
    options = farzi.EventOptions(min_user_events=5, min_item_events=5)
    prepared = farzi.prepare(folder, options)
    prepared.save(folder / "prepared")
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "peak_bytes": peak_bytes(),
        "kept_events": prepared.card["events"],
        "sequences": prepared.card["sequences"],
        "tokens": prepared.card["tokens"],
        "prepared_bytes": sum(path.stat().st_size for path in (folder / "prepared").iterdir()),
    }


def draw(folder: Path) -> dict[str, Any]:
    """Load a prepared folder and draw random batches of its training sequences."""
    began = time.perf_counter()
    rows = windows(farzi.load_prepared(folder).split.train, LENGTH)
    loaded = time.perf_counter()
    for which in batch_order(len(rows), BATCH, BATCHES, seed=[0]):
        rows[which]
    drawn = time.perf_counter()
    return {
        "load_seconds": loaded - began,
        "draw_seconds": drawn - loaded,
        "rows": len(rows),
        "own_bytes": own_bytes(),
    }


def own_bytes() -> int | None:
    """Resident memory of this process that is no file's; None where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) * 1024


def table(content: dict[str, Any]) -> str:
    """The results as a Markdown file."""
    lines = [
        "# Preparing large logs",
        "",
        "Written by `python benchmarks/prepare.py`: CSV in shards, times in random order; users "
        "and items with fewer than 5 events left out until both minima hold; leave-last-out.",
        "",
        "| events | CSV | seconds | peak memory | kept | sequences | tokens | prepared |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    reading = [
        "",
        f"Then the folder is loaded and {BATCHES:,} random batches of {BATCH} rows of {LENGTH} + 1 "
        "events are drawn, as training does. *Own memory* is what is resident at the end, less the "
        "mapped files'; most of it is the vocabulary and the places of the rows.",
        "",
        "| events | load, s | draw, s | rows | own memory |",
        "|--:|--:|--:|--:|--:|",
    ]
    for row in content["rows"]:
        lines.append(
            f"| {row['events']:,} | {row['csv_bytes'] / 1e6:,.0f} MB | {row['seconds']:.1f} "
            f"| {row['peak_bytes'] / 1e9:.2f} GB | {row['kept_events']:,} | {row['sequences']:,} "
            f"| {row['tokens']:,} | {row['prepared_bytes'] / 1e6:,.0f} MB |"
        )
        own = "-" if row["own_bytes"] is None else f"{row['own_bytes'] / 1e9:.2f} GB"
        reading.append(
            f"| {row['events']:,} | {row['load_seconds']:.1f} | {row['draw_seconds']:.1f} "
            f"| {row['rows']:,} | {own} |"
        )
    lines += reading
    software = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
    lines += [
        "",
        f"Commit {content['commit']} (+: with changes), {content['machine']}, {software}.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(tyro.cli(Options))
