"""Runs one job in a process of its own, and ends it when it takes too long or too much memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hypergradient_jobs import Job

_SPARE_BYTES = 4_000_000_000
"""What a process may hold beyond its limit: Python, libraries, the compiler, the data."""
_EVERY = 0.1


@dataclass(frozen=True)
class Limits:
    """What one job may take.

    Attributes:
        bytes: of memory, as the compiler foresees it; the process is ended a little above.
        seconds: until it is given up.
    """

    bytes: int
    seconds: float


def run(job: Job, limits: Limits, reference: Path) -> dict[str, Any]:
    """The record that the worker prints on its last line, or why there is none.

    Args:
        job: what to measure.
        limits: of memory and time.
        reference: the file that the job is compared with; a reference job writes it.
    """
    worker = Path(__file__).with_name(f"hypergradient_{job.framework}.py")
    command = [sys.executable, "-W", "ignore", str(worker), json.dumps(asdict(job))]
    command += [str(limits.bytes), str(reference)]
    environment = os.environ | {
        "JAX_ENABLE_X64": "1" if job.precision == "float64" else "0",
        "JAX_ENABLE_COMPILATION_CACHE": "false",  # The time of the compiler is measured too.
        # An accelerator would round what a matrix product reads to fewer digits.
        "JAX_DEFAULT_MATMUL_PRECISION": "highest",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "TQDM_DISABLE": "1",
    }
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(command, env=environment, stdout=printed, stderr=complaints)
        stopped = _wait(process, limits)
        lines, errors = _lines(printed), _lines(complaints)
    if stopped:
        return {"status": stopped}
    if process.returncode:
        message = errors[-1] if errors else f"exit status {process.returncode}"
        if "ModuleNotFoundError" in message:
            return {"status": "not installed", "message": message}
        return {"status": "failed", "message": message}
    return json.loads(lines[-1])


def _wait(process: subprocess.Popen[bytes], limits: Limits) -> str | None:
    """Why the process was ended, if it was."""
    end = time.monotonic() + limits.seconds
    try:
        while process.poll() is None:
            if time.monotonic() > end:
                return "timed out"
            if _resident(process.pid) > limits.bytes + _SPARE_BYTES:
                return "took too much memory"
            time.sleep(_EVERY)
    finally:
        process.kill()
        process.wait()
    return None


def _resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):  # It has ended, or this is no Linux.
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _lines(file: Any) -> list[str]:
    file.seek(0)
    return [line.strip() for line in file.read().splitlines() if line.strip()]
