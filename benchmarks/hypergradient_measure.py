"""Time, memory and error of one candidate, whatever framework it is written in."""

from __future__ import annotations

import ctypes
import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypergradient_jobs import WITHOUT_WARM_UP, Job

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Reference:
    """What the reference job leaves for the others, all in float64.

    Attributes:
        loss: outer loss at the end of the loop.
        gradient: its derivative by the data, of the data's shape.
        first_loss: inner loss of the first step.
        first_gradient: its gradient by the weights, which stand in the order of their names.
    """

    loss: np.ndarray
    gradient: np.ndarray
    first_loss: np.ndarray
    first_gradient: np.ndarray

    def save(self, path: Path) -> None:
        """Write it."""
        np.savez(path, **asdict(self))

    @classmethod
    def load(cls, path: Path) -> Reference:
        """Read what `save` wrote."""
        with np.load(path) as arrays:
            return cls(**arrays)


def measure(
    job: Job,
    differentiate: Callable[[], Any],
    read: Callable[[Any], tuple[float, np.ndarray]],
    forward: Callable[[], Any],
    reference: Reference,
    device_peak: Callable[[Callable[[], Any]], tuple[Any, int | None]],
) -> dict[str, Any]:
    """Everything that a record says of a candidate that fits.

    Args:
        job: what is measured.
        differentiate: what is measured; nothing of it goes on when it returns.
        read: outer loss and hypergradient from what that returned.
        forward: trains for as many steps, and waits likewise.
        reference: to compare with.
        device_peak: `resident_peak` for the memory of an accelerator.
    """

    def first_call() -> tuple[Any, float]:
        began = time.perf_counter()
        return differentiate(), time.perf_counter() - began

    ((outcome, first), on_device), resident = resident_peak(lambda: device_peak(first_call))
    loss, gradient = read(outcome)
    del outcome
    record = {"status": "ok", "loss": loss if np.isfinite(loss) else None}
    record |= compare(gradient, reference.gradient)
    if not job.repeats:
        return record
    record |= {"resident_bytes": resident, "device_bytes": on_device}
    if job.steps >= WITHOUT_WARM_UP:
        seconds, forward_seconds = [first], []
    else:
        forward()
        seconds, forward_seconds = [], []
    while len(forward_seconds) < job.repeats:  # In turns, so that both meet the same noise.
        forward_seconds.append(_seconds(forward))
        if len(seconds) < job.repeats:
            seconds.append(_seconds(differentiate))
    middle, middle_forward = statistics.median(seconds), statistics.median(forward_seconds)
    return record | {
        "seconds": middle,
        "forward_seconds": middle_forward,
        "ratio": middle / middle_forward,
        "all_seconds": seconds,
        "all_forward_seconds": forward_seconds,
    }


def compare(gradient: np.ndarray, reference: np.ndarray) -> dict[str, float | bool | None]:
    """How far one derivative is from another: relative error, and cosine of the angle."""
    ours, theirs = gradient.astype(np.float64).ravel(), reference.ravel()
    if not np.isfinite(ours).all():
        return {"finite": False, "error": None, "cosine": None}
    # Of an exploded result, not even the square of its norm need be a number.
    largest = max(float(np.abs(ours).max()), np.finfo(np.float64).tiny)
    cosine = (ours / largest) @ theirs / np.linalg.norm(ours / largest) / np.linalg.norm(theirs)
    error = np.linalg.norm((ours - theirs) / largest) / np.linalg.norm(theirs) * largest
    return {"finite": True, "error": float(error), "cosine": float(cosine)}


def resident_peak(call: Callable[[], Any]) -> tuple[Any, int | None]:
    """What `call` returns, and its peak of resident memory in bytes above the level before.

    None where the system does not tell; Linux does.
    """
    if not _STATUS.exists():
        return call(), None
    gc.collect()
    # What was freed goes back to the system, or the call would find it and seem to need less.
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # Resets the peak, VmHWM.
    before = _in_status("VmRSS")
    outcome = call()
    return outcome, _in_status("VmHWM") - before


def _in_status(entry: str) -> int:
    for line in _STATUS.read_text().splitlines():
        name, _, number = line.partition(":")
        if name == entry:
            return 1024 * int(number.split()[0])
    raise LookupError(f"{_STATUS} has no {entry}; this kernel keeps no peak of resident memory.")


def _seconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
