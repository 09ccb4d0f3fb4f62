"""Where a number comes from: commit, machine and versions; and this process's peak of memory."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def commit(*measured: str) -> str:
    """The present commit, with a + where `measured` has changes that are not committed.

    Args:
        measured: files and folders, seen from the root of the repository.
    """

    def git(*arguments: str) -> str:
        asked = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
        return asked.stdout.strip()

    changed = git("status", "--porcelain", "--", *measured)
    return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")


def cores() -> int:
    """How many this process may use."""
    # macOS does not tell; there is nothing to keep a process to some of its cores either.
    if sys.platform == "darwin":
        return os.cpu_count() or 1
    return len(os.sched_getaffinity(0))


def machine(device: str) -> str:
    """In words: what computes, and the number of cores."""
    return f"{device}, {cores()} cores"


def versions(*packages: str) -> dict[str, str | None]:
    """Of Python and the packages; None for one that is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def peak_bytes() -> int:
    """The most resident memory that this process has had since its start."""
    # In kB, but on macOS in bytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024)
