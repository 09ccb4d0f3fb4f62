"""The state of a training in a file, from which it goes on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import PyTree

from farzi.files import write_atomically


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
        flat = {str(number): np.asarray(leaf) for number, leaf in enumerate(_leaves(trees))}
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
        arrays, rest = eqx.partition(like, eqx.is_array)
        leaves, structure = jax.tree.flatten(arrays)
        read = [kept.pop(str(number), None) for number in range(len(leaves))]
        if any(
            new is None or (new.shape, new.dtype) != (old.shape, old.dtype)
            for new, old in zip(read, leaves, strict=True)
        ):
            raise ValueError(
                f"{self.path} does not fit the learner; delete it, and the training begins again."
            )
        filled = jax.tree.unflatten(structure, [jnp.asarray(leaf) for leaf in read])
        return eqx.combine(filled, rest), kept


def _leaves(trees: tuple[PyTree, ...]) -> list[jax.Array]:
    return jax.tree.leaves(eqx.filter(trees, eqx.is_array))
