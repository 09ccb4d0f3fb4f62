"""Kinds of training data that are compared: all, distilled, and subsets of the real ones."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import polars as pl

from farzi import coresets
from farzi.data import Sequences, Windows, windows
from farzi.evaluation.task import Task
from farzi.models import Labelled, Learner, Tokens, hard_tokens, logits
from farzi.storage import DistilledData
from farzi.training import Training

SOFT = "-soft"
"""Ends the names of subsets whose labels are those of a learner trained on all data."""
SUBSETS = ("random", "recent", "popular", "longest", "k-centre", "facility-location")
_EMBEDDED = ("k-centre", "facility-location")
ARMS = ("full", "distilled", *SUBSETS, *(name + SOFT for name in SUBSETS))

_SUBSET = 302
"""Stands before the seed of a draw of a subset, which is not the distillation's."""


@dataclass(frozen=True)
class Amount:
    """How much data there are.

    Attributes:
        sequences, events: their numbers.
        bytes: on disk.
    """

    sequences: int
    events: int
    bytes: int


@dataclass(frozen=True, eq=False)
class Arm:
    """One kind of training data, and how a learner is trained on it.

    Attributes:
        name: `full`, `distilled`, `random`, ...
        tokens: what `farzi.train` takes.
        amount: how much that is.
        training: optimiser, batch size, and when a training is validated and stops. Every arm has
            the same search over learning rates.
        content: a hash of the tokens, or another name that no other tokens have.
    """

    name: str
    tokens: Tokens | Windows
    amount: Amount
    training: Training
    content: str = ""

    @property
    def kind(self) -> str:
        """The name without a size: one of `ARMS`."""
        return self.name.split(" ")[0]


def full_arm(task: Task, context: int, training: Training) -> Arm:
    """All the real sequences."""
    amount = Amount(len(task.train), task.train.events, stored_bytes(task.train))
    return Arm("full", windows(task.train, context), amount, training, task.content)


def distilled_arm(data: DistilledData, training: Training, name: str = "distilled") -> Arm:
    """Distilled sequences."""
    amount = Amount(len(data.factors), data.factors.events, data.bytes)
    return Arm(name, data.tokens(), amount, training, _hash(data.stored()))


def subset_arm(
    kind: str,
    task: Task,
    count: int,
    length: int,
    training: Training,
    *,
    teacher: Learner | None = None,
    seed: int = 0,
    name: str | None = None,
) -> Arm:
    """Some of the real sequences.

    Args:
        kind: one of `ARMS`, but the first two.
        task: what they are taken from.
        count: how many.
        length: predictions in each.
        training: how a learner is trained on them.
        teacher: trained on all data: gives embeddings and soft labels, where the kind needs them.
        seed: of a random draw.
        name: of the arm, if it is not the kind.

    Raises:
        ValueError: if there are not so many, or what the kind needs is not known.
    """
    if teacher is None and needs_teacher(kind):
        raise ValueError(
            f"{kind} needs a learner trained on all data; name the folder of its training "
            "(--teacher)."
        )
    rows = windows(task.train, length)
    which = kind.removesuffix(SOFT)
    chosen = _choose(which, rows, count, task, teacher, seed)
    ids, mask = rows[chosen], rows.loss_mask(chosen)
    stored = stored_bytes(Sequences.from_lists(ids, task.train.vocabulary))
    tokens = hard_tokens(rows, chosen)
    if kind.endswith(SOFT):
        assert teacher is not None
        labels = jax.nn.softmax(_logits(teacher, jnp.asarray(ids[:, :-1])), axis=-1)
        tokens = Labelled(jnp.asarray(ids), labels, None if mask is None else jnp.asarray(mask))
        stored += 2 * labels.size  # In float16, as distilled data are.
    amount = Amount(count, ids.size, stored)
    content = _hash(*(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tokens)))
    return Arm(name or kind, tokens, amount, training, content)


def needs_teacher(kind: str) -> bool:
    """Whether a subset is chosen or labelled by a learner trained on all data."""
    return kind.endswith(SOFT) or kind in _EMBEDDED


def _choose(
    which: str, rows: Windows, count: int, task: Task, teacher: Learner | None, seed: int
) -> np.ndarray:
    match which:
        case "random":
            return coresets.random_rows(rows, count, np.random.default_rng([_SUBSET, seed]))
        case "recent":
            if task.times is None:
                raise ValueError(
                    'the data have no times, so no sequences are "recent"; leave that arm out.'
                )
            return coresets.recent_rows(rows, count, task.times)
        case "popular":
            return coresets.popular_rows(rows, count)
        case "longest":
            return coresets.longest_rows(rows, count)
    assert teacher is not None
    coresets.enough(rows, count)
    points = coresets.embeddings(teacher, rows)
    select = {
        "k-centre": coresets.k_centre_rows,
        "facility-location": coresets.facility_location_rows,
    }
    return rows.full[select[which](points, count)]


_logits = eqx.filter_jit(logits)


def stored_bytes(sequences: Sequences) -> int:
    """Bytes of the sequences as a Parquet file of ids, in the smallest type and compressed."""
    smallest = np.min_scalar_type(len(sequences.vocabulary) - 1)
    ids = sequences.flat().astype(smallest)
    rows = np.repeat(np.arange(len(sequences)), sequences.lengths)
    frame = pl.DataFrame({"row": rows, "tokens": ids}).group_by("row", maintain_order=True).all()
    buffer = io.BytesIO()
    frame.select("tokens").write_parquet(buffer, compression="zstd", compression_level=19)
    return buffer.tell()


def _hash(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]
