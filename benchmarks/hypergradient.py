"""What a hypergradient costs, and how exact it is: farzi beside plain JAX and three peers.

    pip install -e . torch==2.13.0 torchopt==0.7.3 higher==0.2.1
    python benchmarks/hypergradient.py                      # all of it
    python benchmarks/hypergradient.py --untimed            # what may share the machine, beforehand
    python benchmarks/hypergradient.py --only reversible    # that anew, the rest from the last run
    python benchmarks/hypergradient.py --tables-only        # tables and figure from the last run

Each measurement has a process to itself, and its result is written as it comes: after an
interruption the same command goes on. To begin anew, delete the JSON file. What is not installed is
left out and said so; bergson needs `pip install bergson==2.5.1` and then `pip uninstall torchvision
torchaudio`, which it asks for and does not use, where these do not fit the build of torch. JAX and
torch take an accelerator if they find one. Leave the machine alone meanwhile: PyTorch's threads
above all do not share cores well.
"""

from __future__ import annotations

import json
import platform
import signal
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import tyro
from circumstances import ROOT, commit, cores, versions
from hypergradient_figure import draw
from hypergradient_jobs import CANDIDATES, REFERENCE, Job, plan
from hypergradient_problem import SIZES
from hypergradient_tables import needed_bytes, tables
from hypergradient_worker import Limits, run

PACKAGES = ("farzi", "jax", "jaxlib", "optax", "numpy", "torch", "torchopt", "higher", "bergson")
FINAL = ("ok", "does not fit", "not run")
"""What need not be tried again."""


@dataclass(frozen=True)
class Options:
    """Measure, then write tables and figure.

    Attributes:
        sizes: of the model, by name.
        steps: lengths of the inner loop.
        only: candidates to measure anew; all, where there is no result yet, if none is named.
        repeats: how often a short loop is timed; long ones less often.
        gigabytes: what would need more memory is not run.
        seconds: after which a measurement is given up.
        untimed: measure only what other work on the machine cannot spoil, the errors of what is not
            timed, and make all references, so that the timed rest is done sooner.
        tables_only: measure nothing.
        results: the JSON file; tables and figure are written beside it.
        scratch: for the references, which later jobs are compared with.
    """

    sizes: tuple[str, ...] = tuple(SIZES)
    steps: tuple[int, ...] = (16, 64, 256, 1024)
    only: tuple[str, ...] = ()
    repeats: int = 3
    gigabytes: float = 16.0
    seconds: float = 900.0
    untimed: bool = False
    tables_only: bool = False
    results: Annotated[Path, tyro.conf.arg(metavar="FILE")] = (
        ROOT / "docs" / "results" / "hypergradient.json"
    )
    scratch: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = ROOT / ".cache" / "hypergradient"


def main(options: Options) -> None:
    """Run what is missing, and write it all."""
    for given, known in ((options.sizes, SIZES), (options.only, CANDIDATES)):
        if unknown := set(given) - set(known):
            sys.exit(f"unknown {', '.join(sorted(unknown))}; there are {', '.join(known)}.")
    content = _content(options.results)
    if not options.tables_only:
        measure_missing(options, content)
    if not content["records"]:
        sys.exit(f"{options.results} holds no result; run this without --tables-only first.")
    options.results.with_suffix(".md").write_text(tables(content))
    draw(content, options.results.with_suffix(".svg"))


def measure_missing(options: Options, content: dict[str, Any]) -> None:
    """Run every job that is wanted, and write the file after each."""
    limits = Limits(bytes=round(options.gigabytes * 1e9), seconds=options.seconds)
    options.scratch.mkdir(parents=True, exist_ok=True)
    records = content["records"]

    def path(job: Job) -> Path:
        return options.scratch / f"{job.reference.key.replace(' ', '-')}.npz"

    jobs = list(plan(options.sizes, options.steps, options.repeats))
    wanted = [job for job in jobs if _is_wanted(job, options, records, limits)]
    needed = {job.reference for job in (jobs if options.untimed else wanted)}
    missing = {
        job for job in needed if not (path(job).exists() and _is_final(records, job, limits))
    }
    wanted = [job for job in jobs if job in missing or job in wanted]
    for number, job in enumerate(wanted, 1):
        print(f"[{number}/{len(wanted)}] {job.key}", end=" ", flush=True)
        began = time.perf_counter()
        if job.candidate == REFERENCE:
            path(job).unlink(missing_ok=True)
        elif not path(job).exists():
            print("has no reference to be compared with", flush=True)
            continue
        record = _unless_too_large(records, job, limits) or run(job, limits, path(job))
        _keep(options.results, content, job, limits, record)
        print(f"{_line(record)} ({time.perf_counter() - began:.0f} s)", flush=True)


def _is_wanted(job: Job, options: Options, records: dict[str, Any], limits: Limits) -> bool:
    """Whether to measure it; references are wanted where something is compared with them."""
    if job.candidate == REFERENCE or (options.untimed and job.repeats):
        return False
    return job.candidate in options.only or not (options.only or _is_final(records, job, limits))


def _unless_too_large(records: dict[str, Any], job: Job, limits: Limits) -> dict[str, Any] | None:
    """A record that says so, where the memory that a job needs can be foreseen and is too much.

    The compiler foresees it in JAX. Memory of the others goes with T, and two shorter loops tell.
    """
    if job.framework == "jax":
        return None
    shorter = sorted(
        (other["job"]["steps"], bytes_)
        for other in records.values()
        if all(
            other["job"][name] == value
            for name, value in job.describe().items()
            if name not in ("steps", "repeats")
        )
        and other["job"]["steps"] < job.steps
        and (bytes_ := needed_bytes(other)) is not None
    )
    if len(shorter) < 2:
        return None
    (few, small), (many, large) = shorter[-2:]
    foreseen = large + (large - small) * (job.steps - many) / (many - few)
    if foreseen <= limits.bytes:
        return None
    return {"status": "not run", "foreseen_bytes": round(foreseen)}


def _is_final(records: dict[str, Any], job: Job, limits: Limits) -> bool:
    record = records.get(job.key, {"status": "missing"})
    if record["status"] not in FINAL or record["job"] != job.describe():
        return False
    return record["status"] == "ok" or record["limit_bytes"] == limits.bytes


def _keep(
    path: Path, content: dict[str, Any], job: Job, limits: Limits, record: dict[str, Any]
) -> None:
    """Add a record to the file, which is replaced in one step."""
    content["records"][job.key] = record | {
        "job": job.describe(),
        "limit_bytes": limits.bytes,
        "commit": commit("src", "benchmarks"),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    content["machine"] = {
        "cpus": cores(),
        "system": platform.system(),
        "versions": versions(*PACKAGES),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".partial")
    temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    temporary.replace(path)


def _content(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else {"machine": {}, "records": {}}


def _line(record: dict[str, Any]) -> str:
    """A record in a few words, for the terminal."""
    if record["status"] != "ok":
        return f"{record['status']} {record.get('message', '')}".strip()
    if "by" in record:
        return f"by {record['by']}"
    parts = []
    if "ratio" in record:
        parts.append(f"{record['ratio']:.2f}x {needed_bytes(record) or 0:,} bytes")
    parts.append(f"error {record['error']:.1e}" if record["finite"] else "not finite")
    return ", ".join(parts)


if __name__ == "__main__":
    # So that the process that measures is ended too.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    main(tyro.cli(Options))
