"""The tables of the benchmark, in Markdown, from its JSON file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypergradient_jobs import (
    CANDIDATES,
    CHECKED_SIZE,
    CHECKED_STEPS,
    EPS_ROOTS,
    REFERENCE,
    Job,
    Precision,
)
from hypergradient_problem import B1, B2, EPS, EPS_ROOT, LENGTH, SIZES, VOCABULARY

Record = dict[str, Any]
Cell = Callable[[Record], str]

TIMED = tuple(name for name, candidate in CANDIDATES.items() if candidate.timed)
COMPILED = tuple(name for name in TIMED if CANDIDATES[name].framework == "jax")

NOTES = """\
- *Time* is the median of some calls after a first one, and for long loops that of the first one;
  forward is T steps of plain training in the same process, with `optax.adam` in JAX and
  `torch.optim.Adam` in PyTorch, and the two take turns. Compilation is not part of it.
- *Memory* is the peak of resident memory (of the accelerator's memory, where there is one) above
  the level before the call, data and weights not included; in brackets what the compiler says,
  which includes them: temporaries + arguments + outputs. Before a call, what was freed is handed
  back to the system. What exceeds the limit by the compiler's number, or for PyTorch by a line
  through the two longest loops that were run, is not run, and that number stands in italics.
- *Error* is the norm of the difference from the derivative in float64, over its norm. All
  start from the same numbers; the model in PyTorch is checked, before it is measured, to have the
  loss and gradient of the model in JAX.
- `higher` has Adam as it stood in PyTorch before 2019: `eps` is added to the root of the second
  moment before its bias is corrected, and there is no `eps_root`. It differentiates another loop
  than the rest, so what stands as its error is how far the two loops are apart.
- `torchopt` is `MetaAdam(use_accelerated_op=False)`. TorchOpt corrects the bias of the moments in
  PyTorch's default precision, which is therefore set to float64 where all is in float64.
- `bergson` writes about sqrt(T) states to files, which count here as time and not as memory. It is
  made for derivatives by one weight an example; here it gets the soft tokens in their place.
- *Reversal in floating point* takes each step back by dividing by the decays, as in Algorithm 1 of
  the paper; `PaperAdam()` is that algorithm's derivative with the states kept. Of both, only the
  error is of interest."""


def tables(content: dict[str, Any]) -> str:
    """The whole page."""
    records = content["records"]
    sizes = sizes_of(records)
    parts = [
        "# What a hypergradient costs",
        "Written by `python benchmarks/hypergradient.py` from "
        "[hypergradient.json](hypergradient.json), every number of it.",
        _circumstances(content),
        "![Memory, time and error against the number of inner steps](hypergradient.svg)",
    ]
    for size in sizes:
        parts += _of_size(records, size)
    parts += _errors_by_eps_root(records) + _in_float64(records)
    return "\n\n".join([*parts, "## How to read this", NOTES]) + "\n"


def sizes_of(records: dict[str, Record]) -> list[str]:
    """The sizes that were measured, smallest first."""
    found = {record["job"]["size"] for record in records.values()}
    return [size for size in SIZES if size in found]


def needed_bytes(record: Record) -> int | None:
    """Peak memory that was measured: the accelerator's if there is one."""
    on_device = record.get("device_bytes")
    return record.get("resident_bytes") if on_device is None else on_device


def expected_bytes(record: Record) -> int | None:
    """Peak memory of what was not run, comparable with `needed_bytes`."""
    if "compiler" in record:
        return record["compiler"]["bytes"] - record["compiler"]["arguments"]
    return record.get("foreseen_bytes")


def _circumstances(content: dict[str, Any]) -> str:
    records, machine = content["records"].values(), content["machine"]

    def all_of(name: str) -> str:
        return ", ".join(sorted({str(record[name]) for record in records if name in record}))

    days = sorted({record["at"][:10] for record in records})
    versions = [f"{name} {version}" for name, version in machine["versions"].items() if version]
    return (
        f"Device: {all_of('device')}; {machine['cpus']} CPU cores; {', '.join(versions)}. "
        f"Commit {all_of('commit')} (+: with changes), {' to '.join(dict.fromkeys(days))}."
    )


def _of_size(records: dict[str, Record], size: str) -> list[str]:
    first = next(record for record in records.values() if record["job"]["size"] == size)
    inner = first["job"]["inner"]
    counts = {
        record["parameters"]
        for record in records.values()
        if record["job"]["size"] == size and "parameters" in record
    }
    steps = sorted(
        {record["job"]["steps"] for record in records.values() if record["job"]["size"] == size}
    )

    columns = [f"T = {length:,}" for length in steps]

    def rows(cell: Cell, names: Sequence[str] = TIMED) -> dict[str, list[str]]:
        return {
            CANDIDATES[name].label: [
                _cell(records, Job(name, size, length), cell) for length in steps
            ]
            for name in names
        }

    def grid(cell: Cell, names: Sequence[str] = TIMED) -> str:
        return _grid(columns, rows(cell, names))

    kept = {candidate.label: candidate.keeps for candidate in CANDIDATES.values()}
    memory = {label: [*cells, kept[label]] for label, cells in rows(_memory).items() if any(cells)}
    return [
        f"## {' or '.join(f'{count:,}' for count in sorted(counts))} parameters",
        f"Width {inner['width']}, {inner['sequences']} sequences of {LENGTH + 1} soft tokens over "
        f"{VOCABULARY:,} in each step; Adam with rate {inner['rate']:g}, b1 {B1}, b2 {B2}, "
        f"eps {EPS:g}, eps_root {EPS_ROOT:g}; float32.",
        "### Time, as a multiple of forward",
        grid(lambda record: f"{record['ratio']:.2f}"),
        "### Time in seconds (forward)",
        grid(lambda record: f"{record['seconds']:.2f} ({record['forward_seconds']:.2f})"),
        "### Seconds of compilation",
        grid(lambda record: f"{record['compile_seconds']:.1f}", COMPILED),
        "### Peak memory in MB",
        _grid([*columns, "keeps"], memory),
        "### Error in float32",
        grid(_error, tuple(CANDIDATES)),
        f"Compared with, in float64: {_references(records, size, steps)}.",
    ]


def _references(records: dict[str, Record], size: str, steps: Sequence[int]) -> str:
    parts = []
    for length in steps:
        record = records.get(Job("", size, length).reference.key, {})
        if "by" in record:
            parts.append(f"T = {length:,} {CANDIDATES[record['by']].label}")
    return ", ".join(parts)


def _errors_by_eps_root(records: dict[str, Record]) -> list[str]:
    rows = {
        candidate.label: [
            _cell(records, Job(name, CHECKED_SIZE, CHECKED_STEPS, eps_root), _error)
            for eps_root in EPS_ROOTS
        ]
        for name, candidate in CANDIDATES.items()
    }
    norms = [
        _cell(
            records,
            Job(REFERENCE, CHECKED_SIZE, CHECKED_STEPS, eps_root, "float64"),
            lambda record: f"{record['norm']:.3g}",
        )
        for eps_root in EPS_ROOTS
    ]
    columns = [f"eps_root = {eps_root:g}" for eps_root in EPS_ROOTS]
    return [
        f"## Error in float32 by eps_root: {CHECKED_SIZE}, T = {CHECKED_STEPS}",
        _grid(columns, rows | {"norm of the hypergradient": norms}),
    ]


def _in_float64(records: dict[str, Record]) -> list[str]:
    precision: Precision = "float64"
    rows = {
        candidate.label: [
            _cell(records, Job(name, CHECKED_SIZE, CHECKED_STEPS, precision=precision), _error)
        ]
        for name, candidate in CANDIDATES.items()
        if candidate.exact
    }
    by = _references(records, CHECKED_SIZE, [CHECKED_STEPS])
    return [f"## Error in float64: {CHECKED_SIZE}, compared with {by}", _grid(["error"], rows)]


def _cell(records: dict[str, Record], job: Job, cell: Cell) -> str:
    record = records.get(job.key)
    if record is None:
        return ""
    if record["status"] == "ok":
        return cell(record)
    if cell is _memory and (expected := expected_bytes(record)) is not None:
        stated = record.get("compiler", {}).get("bytes")
        return f"*{_megabytes(expected)}*" + (f" ({_megabytes(stated)})" if stated else "")
    return str(record["status"])


def _memory(record: Record) -> str:
    measured = needed_bytes(record)
    stated = record.get("compiler", {}).get("bytes")
    shown = "?" if measured is None else _megabytes(measured)
    return shown if stated is None else f"{shown} ({_megabytes(stated)})"


def _megabytes(number: int) -> str:
    return f"{number / 1e6:,.0f}"


def _error(record: Record) -> str:
    if not record["finite"]:
        return "not finite"
    # Where the direction is wrong too, how wrong it is says more than the distance.
    cosine = f" (cosine {record['cosine']:.2f})" if record["error"] > 0.01 else ""
    return f"{record['error']:.1e}{cosine}"


def _grid(columns: Sequence[str], rows: dict[str, list[str]]) -> str:
    lines = [f"| {' | '.join(['', *columns])} |", f"|---|{'--:|' * len(columns)}"]
    for name, cells in rows.items():
        if any(cells):
            lines.append(f"| {' | '.join([name, *cells])} |")
    return "\n".join(lines)
