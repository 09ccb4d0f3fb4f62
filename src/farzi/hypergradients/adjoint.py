"""What a way to differentiate an inner loop is."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from farzi.hypergradients.inner_loop import InnerLoop


class Derivatives(NamedTuple):
    """What a strategy computes.

    Attributes:
        loss: the outer loss at the end of the loop.
        data: its derivative by the data.
        start: its derivative by the initial parameters.
        norms: norm of the adjoint at each step, before clipping; 0 at steps not taken back.
    """

    loss: Float[Array, ""]
    data: PyTree
    start: PyTree
    norms: Float[Array, " steps"]


@runtime_checkable
class Adjoint(Protocol):
    """A way to differentiate the end point of an inner loop.

    Strategies differ in how the reverse pass gets the states of the loop back, that is in memory
    and time; all but `Truncated` and `PaperAdam` give the exact derivative.
    """

    def differentiate(
        self, loop: InnerLoop, params: PyTree, data: PyTree, key: PRNGKeyArray | None = None
    ) -> Derivatives:
        """Train from `params` on `data`, and differentiate the outer loss.

        Args:
            loop: the loop.
            params: initial parameters, floating-point arrays only.
            data: what the loop reads, floating-point arrays only.
            key: for a strategy that draws at random.
        """
        ...
