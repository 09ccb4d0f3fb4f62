"""How long ml-1m takes to load: farzi beside RecBole, on the same file, in one run.

    python benchmarks/prepare_recbole.py --recbole PYTHON [--data ../shared/data]

PYTHON is that of an environment with RecBole 1.2 (it needs NumPy below 2, so one of its own:
`pip install torch recbole "numpy<2" "pandas<2.2" "scipy<1.13"`). The file is MovieLens 1M as
SASRec's authors released it (https://github.com/kang205/SASRec), written as RecBole's `.inter` with
the line number as the time. Every candidate has a process to itself; its imports do not count.
Candidates take turns, several times; the table has medians. Writes prepare_recbole.json and .md to
the folder of results.
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import tyro
from circumstances import ROOT, commit, machine, versions

RESULTS = ROOT / "docs" / "results" / "prepare_recbole.json"
WORKER = Path(__file__).with_name("prepare_recbole_worker.py")


@dataclass(frozen=True)
class Options:
    """Load the same log in several ways.

    Attributes:
        recbole: Python of an environment with RecBole.
        data: folder that holds ml-1m/ml-1m.txt.
        repeats: turns of each candidate.
        folder: to load with farzi, by the process that measures.
    """

    recbole: Path | None = None
    data: Path = ROOT.parent / "shared" / "data"
    repeats: int = 5
    folder: Path | None = None


def main(options: Options) -> None:
    """Measure all candidates, or be the process that loads with farzi."""
    if options.folder is not None:
        print(json.dumps(measure(options.folder)))
        return
    if options.recbole is None:
        raise SystemExit("name the Python of an environment with RecBole, with --recbole.")
    log = options.data / "ml-1m" / "ml-1m.txt"
    if not log.exists():
        raise SystemExit(f"skipped: there is no {log}; fetch it from github.com/kang205/SASRec.")
    with tempfile.TemporaryDirectory() as folder:
        write_inter(log, Path(folder))
        commands = {
            "farzi": [sys.executable, __file__, "--folder", folder],
            "recbole": [str(options.recbole), str(WORKER), folder],
        }
        said: dict[str, list[dict[str, Any]]] = {name: [] for name in commands}
        for _ in range(options.repeats):
            for name, command in commands.items():
                run = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=folder)
                said[name].append(json.loads(run.stdout.splitlines()[-1]))
                print(name, said[name][-1], flush=True)
    recbole_version = subprocess.run(
        [str(options.recbole), "-c", "import recbole; print(recbole.__version__)"],
        check=True,
        capture_output=True,
        text=True,
    )
    content = {
        "seconds": {
            name: {
                stage: statistics.median(run[stage] for run in runs)
                for stage in runs[0]
                if stage != "counts"
            }
            for name, runs in said.items()
        },
        "counts": {name: runs[0]["counts"] for name, runs in said.items()},
        "repeats": options.repeats,
        "machine": machine(platform.machine()),
        "versions": versions("polars") | {"recbole": recbole_version.stdout.strip()},
        "commit": commit("src", "benchmarks"),
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")
    RESULTS.with_suffix(".md").write_text(table(content))


def write_inter(log: Path, folder: Path) -> None:
    """The log as RecBole wants it."""
    names = ["user_id:token", "item_id:token"]
    events = pl.read_csv(log, separator=" ", has_header=False, new_columns=names)
    events = events.with_columns(pl.int_range(pl.len()).cast(pl.Float64).alias("timestamp:float"))
    (folder / "log").mkdir()
    events.write_csv(folder / "log" / "log.inter", separator="\t")


def measure(folder: Path) -> dict[str, Any]:
    """Seconds of polars to read the file, and of farzi to prepare, split and write it."""
    import farzi
    import farzi.preparing.prepare  # Imports do not count, as those of RecBole do not.

    path = folder / "log" / "log.inter"
    began = time.perf_counter()
    pl.read_csv(path, separator="\t")
    read = time.perf_counter() - began
    began = time.perf_counter()
    prepared = farzi.prepare(path)
    split = time.perf_counter() - began
    prepared.save(folder / "prepared")
    written = time.perf_counter() - began
    counts = {name: prepared.card[name] for name in ("events", "sequences", "tokens")}
    return {"polars": read, "split": split, "written": written, "counts": counts}


def table(content: dict[str, Any]) -> str:
    """The results as a Markdown file."""
    ours, theirs = content["seconds"]["farzi"], content["seconds"]["recbole"]
    counts = content["counts"]
    rows = {
        "polars reads the file and does nothing more": ours["polars"],
        "farzi: read, checked, ordered, split": ours["split"],
        "the same, and written to a folder": ours["written"],
        "RecBole: `create_dataset`": theirs["loaded"],
        "RecBole: `create_dataset` and `build`, which orders and splits": theirs["split"],
    }
    lines = [
        "# Loading ml-1m",
        "",
        "Written by `python benchmarks/prepare_recbole.py`: the same `.inter` file, "
        f"{counts['farzi']['events']:,} events, leave-last-out; median of {content['repeats']} "
        "turns.",
        "",
        "| | seconds | of RecBole's `create_dataset` |",
        "|:--|--:|--:|",
    ]
    for name, seconds in rows.items():
        lines.append(f"| {name} | {seconds:.2f} | {seconds / theirs['loaded']:.2f} |")
    lines += [
        "",
        f"Counts (events, sequences, tokens): farzi {tuple(counts['farzi'].values())}, RecBole "
        f"{tuple(counts['recbole'].values())}. RecBole's `build` also makes a training row for "
        "every event, which farzi does not need.",
    ]
    found = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
    lines += ["", f"Commit {content['commit']}, {content['machine']}, {found}."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(tyro.cli(Options))
