"""The split that is given by what files are called: for training, for validation, for the test."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from farzi.data import Cuts

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
GIVEN = "given by the names of the files"
"""Name of this split."""
_NAMES: dict[Part, str] = {"train": "train", "validation": "valid|val|dev", "test": "test"}


def parts_of(files: Sequence[Path]) -> tuple[Part, ...]:
    """What each file is for, by its name or else its folder's: ptb.valid.txt is for validation.

    One that is called otherwise is for training. Nothing is given, `()`, unless there is a file for
    each part.

    >>> parts_of([Path("log/test.csv"), Path("log/train.csv"), Path("log/val.csv")])
    ('test', 'train', 'validation')
    """
    # Folders above all files say nothing about one of them.
    common = os.path.commonpath([file.parent for file in files])
    parts: tuple[Part, ...] = tuple(_part(file.relative_to(common)) for file in files)
    return parts if set(parts) == set(PARTS) else ()


def cuts_between(parts: np.ndarray, offsets: np.ndarray) -> Cuts:
    """The cuts of sequences whose events are in the order of their parts.

    Args:
        parts: of each event, as a place in `PARTS`, int8 `[events]`.
        offsets: where each sequence starts, and where the last one ends, int64 `[sequences + 1]`.
    """
    ends = []
    for part in range(2):
        before = np.concatenate([[0], np.cumsum(parts <= part)])
        ends.append(offsets[:-1] + np.diff(before[offsets]))
    return Cuts(*ends)


def _part(path: Path) -> Part:
    for name in (path.stem, *reversed(path.parent.parts)):
        words = re.split(r"[^a-z]+", name.lower())
        for part, pattern in _NAMES.items():
            if any(re.fullmatch(f"({pattern})[a-z]*", word) for word in words):
                return part
    return "train"
