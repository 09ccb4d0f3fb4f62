"""Every state is kept."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import PRNGKeyArray, PyTree

from farzi.hypergradients.adjoint import Derivatives
from farzi.hypergradients.inner_loop import InnerLoop


@dataclass(frozen=True)
class StoreStates:
    """Keeps every state, and every gradient: T of each. Exact, and the fastest while it fits."""

    def differentiate(
        self, loop: InnerLoop, params: PyTree, data: PyTree, key: PRNGKeyArray | None = None
    ) -> Derivatives:
        """See `Adjoint`."""
        end, tape = loop.record(loop.start(params, data), data, 0, loop.steps, loop.steps)
        loss, cotangent = loop.cotangent(end, data)
        cotangent = loop.rewind(tape, data, 0, loop.steps, cotangent)
        return Derivatives(loss, *loop.by_start(params, data, cotangent), cotangent.norms)
