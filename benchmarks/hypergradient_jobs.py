"""What is measured: the candidates, and one job for each process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from hypergradient_problem import EPS_ROOT, SIZES


@dataclass(frozen=True)
class Candidate:
    """A way to get the hypergradient.

    Attributes:
        label: what tables and figure call it.
        framework: which worker runs it.
        keeps: what it keeps in memory, in words.
        timed: whether its time and memory are of interest, or its error only.
        exact: whether it computes the derivative of the very loop that the reference runs.
    """

    label: str
    framework: Literal["jax", "torch"]
    keeps: str
    timed: bool = True
    exact: bool = True


CANDIDATES = {
    "unrolled": Candidate("Unrolled(): plain scan", "jax", "all activations"),
    "jax-checkpoint": Candidate("scan, jax.checkpoint", "jax", "every state"),
    "store-states": Candidate("StoreStates()", "jax", "every state"),
    "checkpointed": Candidate("Checkpointed()", "jax", "about sqrt(2 T) states"),
    "checkpointed-3": Candidate("Checkpointed(levels=3)", "jax", "about cbrt(6 T) states"),
    "checkpointed-4": Candidate("Checkpointed(levels=4)", "jax", "about (24 T)^(1/4) states"),
    "reversible": Candidate("Reversible()", "jax", "one state, in integers"),
    "paper-adam": Candidate("PaperAdam()", "jax", "every state", timed=False, exact=False),
    "float32-reversal": Candidate(
        "reversal in floating point", "jax", "one state", timed=False, exact=False
    ),
    "torchopt": Candidate("torchopt MetaAdam", "torch", "all activations"),
    "higher": Candidate("higher Adam (no eps_root)", "torch", "all activations", exact=False),
    "bergson": Candidate("bergson replay, sqrt", "torch", "about 2 sqrt(T) states, half on disk"),
}
REFERENCE = "reference"
"""Not a candidate: the derivative in float64 that the others are compared with."""

Precision = Literal["float32", "float64"]

CHECKED_SIZE, CHECKED_STEPS = "126k", 64
"""Where errors are also measured for other values of eps_root, and in float64."""
EPS_ROOTS = (EPS_ROOT, 1e-12, 0.0)
WITHOUT_WARM_UP = 256
"""From this number of steps on, the first call is the one that is timed: it takes long enough."""


@dataclass(frozen=True)
class Job:
    """One measurement, in a process of its own.

    Attributes:
        candidate: key of `CANDIDATES`, or `REFERENCE`.
        size: key of `SIZES`.
        steps: T.
        eps_root: of the inner Adam.
        precision: of all floating-point numbers.
        repeats: how often it is timed; 0 for the error alone.
    """

    candidate: str
    size: str
    steps: int
    eps_root: float = EPS_ROOT
    precision: Precision = "float32"
    repeats: int = 0

    @property
    def key(self) -> str:
        """Under which its record is kept."""
        numbers = f"{self.size} {self.steps} {self.eps_root:g} {self.precision}"
        return f"{self.candidate} {numbers}"

    @property
    def framework(self) -> str:
        """Which worker runs it."""
        return "jax" if self.candidate == REFERENCE else CANDIDATES[self.candidate].framework

    @property
    def reference(self) -> Job:
        """What its result is compared with."""
        return replace(self, candidate=REFERENCE, precision="float64", repeats=0)

    def describe(self) -> dict[str, Any]:
        """Its settings, as they stand in the record."""
        return asdict(self) | {"inner": asdict(SIZES[self.size])}


def plan(sizes: Sequence[str], steps: Sequence[int], repeats: int) -> Iterator[Job]:
    """All jobs in the order in which they are run: each reference before what needs it."""
    for size in sizes:
        for length in sorted(steps):
            times = repeats if length < WITHOUT_WARM_UP else 1
            yield Job("", size, length).reference
            for name, candidate in CANDIDATES.items():
                if candidate.timed:
                    yield Job(name, size, length, repeats=times)
                elif size == CHECKED_SIZE:
                    yield Job(name, size, length)
    if CHECKED_SIZE not in sizes or CHECKED_STEPS not in steps:
        return
    checked = Job("", CHECKED_SIZE, CHECKED_STEPS)
    for name, candidate in CANDIDATES.items():
        if candidate.exact:
            yield replace(checked, candidate=name, precision="float64")
    for eps_root in EPS_ROOTS[1:]:
        yield replace(checked, eps_root=eps_root).reference
        for name in CANDIDATES:
            if name not in ("checkpointed-3", "checkpointed-4"):  # They round as checkpointed does.
                yield replace(checked, candidate=name, eps_root=eps_root)
