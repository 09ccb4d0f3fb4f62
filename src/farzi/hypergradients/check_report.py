"""What a comparison of a hypergradient with central differences found, for people to read."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64

SETTLED = 1e-3
"""Quotients further than this from their neighbours are nothing to compare with."""
CLOSE = 0.1
"""Up to here a derivative describes what a change of the data does."""
_SMOOTH = 1e-3  # What a step of an outer Adam at a low rate changes in data of unit scale.
_GROWTH = 1e3  # Adjoints that grow more than this from the last step say that training is chaotic.
_COLUMNS = 8
_CALM = "lower the inner learning rate, raise Adam's eps or eps_root, or shorten the loop."

Vector = Float64[np.ndarray, " directions"]
Table = Float64[np.ndarray, "directions sizes"]


@dataclass(frozen=True, eq=False)
class HypergradientCheck:
    """What `check_hypergradient` found; `print` it to read it.

    A change by `h` moves every number by `h` times the root mean square of its array times a normal
    draw; derivatives and quotients are per such change. How far two of them are apart is the root
    mean square over the directions, relative to that of the settled quotients.

    Attributes:
        by: what was changed, the data or the start.
        derivatives: what the hypergradient says of each direction.
        step_sizes: changes made, largest first.
        quotients: what training says of each direction and change: central differences.
        settled_at: the change at which the quotients are nearest to their limit, found without a
            look at the derivatives.
        settled_within: how far they are there from those of the next smaller change; infinity if
            rounding, or roughness, leaves less than three digits anywhere.
        error: how far the derivatives are from the quotients at `settled_at`.
        rounding: how far one rounding of the loss puts these off.
        agrees: whether the quotients settle and the derivatives are what they settle at, to within
            0.01 % and three times `settled_within`.
        smooth_up_to: the largest change up to which, from `settled_at` on, the quotients stay
            within 10 % of what they settle at; 0 if they do not settle.
        precision_error: distance of the gradient in the precision of the arguments from that in
            float64, over the norm of the latter.
        precision_cosine: cosine of the angle between the two.
        adjoint_norms: as in `Hypergradient`, in float64.
        clipped: share of the steps at which the adjoint was clipped.
        finite: whether loss and gradients are finite, in float64 and as given.
    """

    by: Literal["data", "start"]
    derivatives: Vector
    step_sizes: Float64[np.ndarray, " sizes"]
    quotients: Table
    settled_at: float
    settled_within: float
    error: float
    rounding: float
    agrees: bool
    smooth_up_to: float
    precision_error: float
    precision_cosine: float
    adjoint_norms: Float64[np.ndarray, " steps"]
    clipped: float
    finite: bool

    @property
    @np.errstate(all="ignore")
    def differences(self) -> Table:
        """How far each quotient is from the derivative, for each direction by itself."""
        settled = self.quotients[:, self.step_sizes == self.settled_at]
        return np.abs(self.quotients - self.derivatives[:, None]) / (rms(settled) or 1.0)

    def __str__(self) -> str:
        columns = self.differences[:_COLUMNS]
        lines = [
            f"Hypergradient of {len(self.adjoint_norms)} inner steps by the {self.by}, in float64",
            "",
            "  change  relative difference of quotient and derivative, by direction",
            " " * 8 + "".join(f"{k + 1:>9}" for k in range(len(columns))),
        ]
        for size, row in zip(self.step_sizes, columns.T, strict=True):
            lines.append(f"{size:>8.0e}" + "".join(f"{value:>9.0e}" for value in row))
        verdicts = (textwrap.fill(text, 80, subsequent_indent="  ") for text in self._verdicts())
        return "\n".join([*lines, "", *verdicts])

    def _verdicts(self) -> Iterator[str]:
        if not self.finite:
            yield (
                "NOT FINITE: a loss or a gradient is NaN or infinite, because training diverges "
                f"or the root of a zero is differentiated; {_CALM}"
            )
            return
        settle = (
            f"the quotients settle at a change of {self.settled_at:.0e}, to within "
            f"{self.settled_within:.0e}; the derivatives are {self.error:.0e} from them."
        )
        why = (
            "The strategy is an approximation, or something in the losses or the optimiser has a "
            "derivative that is not its own: stop_gradient, a custom rule, a lower precision."
        )
        if self.clipped:
            why = f"The adjoint was clipped at {self.clipped:.0%} of the steps: an approximation."
        if not self.settled_within <= SETTLED:
            yield (
                "UNDECIDED: the quotients settle nowhere. Rounding hides that the outer loss "
                f"depends on the {self.by}, or it is rough at all scales; then {_CALM}"
            )
        elif not self.agrees:
            yield f"DISAGREES: {settle} {why}"
        elif self.derivatives.any():
            yield f"AGREES: {settle}"
        else:
            yield f"AGREES: all derivatives are 0. Do the losses depend on the {self.by}?"
        smoothness = (
            f"for changes of the {self.by} up to {self.smooth_up_to:.0e} of its size the quotients "
            "are within 10 % of what they settle at"
        )
        if self.smooth_up_to >= _SMOOTH:
            yield f"SMOOTH: {smoothness}."
        elif self.smooth_up_to:
            # A kink of the inner loss is a jump of its gradient, so of training, which a derivative
            # does not see.
            yield (
                f"ROUGH: only {smoothness}, and outer steps go further. Let the inner loss have no "
                f"kinks (gelu for relu), {_CALM} If it has to be so rough, use an adjoint_clip."
            )
        costly = f" If no random draw explains it, {_CALM}"
        yield (
            f"PRECISION: the gradient in the precision given is {self.precision_error:.0e} from "
            f"that in float64, with a cosine of {self.precision_cosine:.6f}."
            + ("" if self.precision_error <= CLOSE else costly)
        )
        first, last = self.adjoint_norms[0], self.adjoint_norms[-1]
        growth = f" They explode; {_CALM}" if self.adjoint_norms.max() > _GROWTH * last else ""
        yield f"ADJOINTS: norm {first:.0e} at the first step, {last:.0e} at the last.{growth}"


def rms(values: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(values**2)))
