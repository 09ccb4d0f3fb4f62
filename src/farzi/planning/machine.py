"""How much memory there is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax


class Memory(NamedTuple):
    """An amount of memory, and where it was read.

    Attributes:
        bytes: the amount.
        source: in words.
    """

    bytes: int
    source: str


def available_memory() -> Memory | None:
    """What a JAX program can have on the default device; None where that is not known."""
    device = jax.devices()[0]
    if device.platform == "cpu":
        return host_memory()
    limit = (device.memory_stats() or {}).get("bytes_limit")
    return None if limit is None else Memory(limit, f"memory of the {device.device_kind}")


def host_memory(root: Path = Path("/")) -> Memory | None:
    """What is left of the machine's memory or of this process's container, whichever is less.

    Args:
        root: where `proc` and `sys` are mounted.
    """
    limits = [Memory(left, "left in this container") for left in _left_in_groups(root)]
    info = _fields(root / "proc/meminfo")
    if "MemAvailable:" in info:
        limits.append(Memory(info["MemAvailable:"] * 1024, "left on this machine"))
    elif "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):  # macOS
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        limits.append(Memory(total, "all of this machine's"))
    return min(limits, default=None, key=lambda memory: memory.bytes)


def _left_in_groups(root: Path) -> Iterator[int]:
    """What is left in each control group that this process is in, of either version."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:  # Version 2
            mount, limit, used, cache = "", "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            mount, limit, used = "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            cache = "total_inactive_file"
        else:
            continue
        top = root / "sys/fs/cgroup" / mount
        group = top / path.strip("/")
        # Limits of outer groups hold for inner ones. Within a container the path may not exist,
        # because it is that on the machine; the top is then the container's group.
        for folder in [group, *group.parents]:
            most, taken = _number(folder / limit), _number(folder / used)
            if most is not None and taken is not None:
                # Files in the cache are given up when memory is short.
                yield max(most - taken + _fields(folder / "memory.stat").get(cache, 0), 0)
            if folder == top:
                break


def _number(path: Path) -> int | None:
    """The whole number in a file; None if there is none, as where it says "max"."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _fields(path: Path) -> dict[str, int]:
    """Lines of a name and a whole number."""
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return {}
    return {line[0]: int(line[1]) for line in lines if len(line) > 1 and line[1].isdigit()}
