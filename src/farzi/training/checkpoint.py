"""The state of a training in a file, from which it goes on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import PyTree

from farzi.files import write_atomically
from farzi.models.named import named_arrays, with_arrays


@dataclass(frozen=True)
class Checkpoint:
    """A file that keeps where a training stands.

    Attributes:
        path: of the file; it need not be there yet.
        of: whatever decides on the outcome of the training, as text. What another training left is
            not read.
    """

    path: Path
    of: str

    def save(self, trees: tuple[PyTree, ...], arrays: dict[str, np.ndarray]) -> None:
        """Replace what the file holds, at once.

        Args:
            trees: whose arrays are kept.
            arrays: kept by their names.
        """
        flat = named_arrays(trees)
        about = {"farzi": json.dumps({"of": self.of})}
        write_atomically(self.path, safetensors.numpy.save(flat | arrays, about))

    def load(
        self, like: tuple[PyTree, ...]
    ) -> tuple[tuple[PyTree, ...], dict[str, np.ndarray]] | None:
        """What `save` was given; None if there is nothing of this training.

        Args:
            like: trees of the same structure; what is no array is taken from them.

        Raises:
            ValueError: if the file is damaged.
        """
        if not self.path.exists():
            return None
        try:
            with safetensors.safe_open(self.path, framework="numpy") as file:
                of = json.loads((file.metadata() or {}).get("farzi", "{}")).get("of")
                kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (ValueError, safetensors.SafetensorError) as error:
            raise ValueError(
                f"{self.path} is damaged ({error}); delete it, and the training begins again."
            ) from None
        if of != self.of:
            return None
        try:
            trees = with_arrays(like, kept)
        except ValueError as error:
            raise ValueError(
                f"{self.path} does not fit the learner ({error}); delete it, and the training "
                "begins again."
            ) from None
        own = named_arrays(like)
        return trees, {name: array for name, array in kept.items() if name not in own}
