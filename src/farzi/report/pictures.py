"""The pictures of the report. Each returns inline SVG; what they say in words is in `page`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from farzi.report.svg import ARM_COLOURS, HEAT, INK, LINE, MUTED, SERIES, picture
from farzi.report.wording import known, number, percent

MARKERS = ("o", "s", "^", "D", "v")


def colour_of(arm: str, arms: Sequence[str]) -> str:
    """The colour of an arm: its own, or one of those left over for arms without."""
    if arm in ARM_COLOURS:
        return ARM_COLOURS[arm]
    spare = SERIES[len(ARM_COLOURS) :]
    others = [other for other in dict.fromkeys(arms) if other not in ARM_COLOURS]
    return spare[others.index(arm) % len(spare)]


def draw_scores(
    arms: Sequence[dict[str, Any]],
    labels: Sequence[str],
    metric: str,
    chance: float | None,
    alt: str,
) -> str:
    """A bar an arm from zero to its mean, its 95 % interval, and a dot a seed.

    Args:
        arms: entries of `results["arms"]`.
        labels: what to call them.
        metric: key of `metrics` and `retention`.
        chance: score of blind guessing, drawn as a dotted line; None draws none.
        alt: the picture in words.
    """
    names = [arm["arm"] for arm in arms]

    def draw(axes: Axes) -> None:
        furthest = chance or 0.0
        for place, arm in enumerate(arms):
            scores = arm["metrics"].get(metric) or {}
            mean, half = known(scores.get("mean")), known(scores.get("ci95")) or 0.0
            if mean is None:
                continue
            colour = colour_of(arm["arm"], names)
            axes.barh(place, mean, height=0.52, color=colour, alpha=0.3)
            if half:
                axes.errorbar(mean, place, xerr=half, color=colour, capsize=5, linewidth=2)
            seeds = [seed for seed in map(known, scores.get("seeds") or []) if seed is not None]
            # Below the whisker, so that they do not hide it.
            axes.plot(
                seeds, [place + 0.17] * len(seeds), "o", color=colour, markersize=3, alpha=0.8
            )
            furthest = max([furthest, mean + half, *seeds])
            kept = known((arm.get("retention") or {}).get(metric))
            note = number(mean, 3) + ("" if kept is None else f" · {percent(kept)}")
            end = max([mean + half, *seeds])
            axes.annotate(
                note, (end, place), (8, 0), textcoords="offset points", va="center", color=INK
            )
        if chance is not None:
            axes.axvline(chance, color=MUTED, linestyle=":", linewidth=1.4)
        axes.set_yticks(range(len(arms)), labels)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_color(LINE)
        axes.set_ylim(len(arms) - 0.45, -0.55)
        axes.set_xlim(0, furthest * 1.42 or 1)
        # The axis goes on for the notes beside the bars; scores do not.
        ticks = MaxNLocator(5).tick_values(0, furthest)
        axes.set_xticks([tick for tick in ticks if 0 <= tick <= furthest * 1.1])
        axes.set_xlabel(metric if metric == "perplexity" else metric.upper())

    return picture("scores", alt, draw, height=110 + 62 * len(arms))


def draw_curves(curves: dict[str, dict[str, Any]], labels: Sequence[str], alt: str) -> str:
    """Validation NDCG@10 against training steps, one line an arm, steps on a log axis."""

    def draw(axes: Axes) -> None:
        every_step = []
        for place, ((arm, curve), label) in enumerate(zip(curves.items(), labels, strict=True)):
            steps, scores = curve_points(curve)
            every_step.extend(steps)
            axes.plot(
                steps,
                scores,
                color=colour_of(arm, list(curves)),
                linewidth=2,
                marker=MARKERS[place % len(MARKERS)],
                markersize=5,
                markevery=max(1, len(steps) // 10),
                label=label,
            )
        log_axis(axes, min(every_step), max(every_step))
        axes.set_ylim(bottom=0)
        axes.grid(axis="y")
        axes.set_xlabel("training steps")
        axes.set_title("validation NDCG@10", pad=10)
        axes.figure.legend(loc="outside lower left", ncols=min(3, len(curves)))

    return picture("curves", alt, draw, height=350)


def draw_outer_losses(losses: np.ndarray, even: float, alt: str) -> str:
    """The outer loss of every step, and its running mean.

    Args:
        losses: nats a token, `[outer_steps]`.
        even: the loss of guessing all tokens evenly; drawn where it is within sight.
        alt: the picture in words.
    """
    steps = np.arange(1, len(losses) + 1)
    finite = np.isfinite(losses)

    def draw(axes: Axes) -> None:
        # A dot where there is too little for a line to be seen.
        marker = "o" if finite.sum() < 3 else ""
        raw, smooth = np.where(finite, losses, np.nan), smoothed(losses)
        axes.plot(
            steps, raw, color=SERIES[1], linewidth=1 if smooth else 2, marker=marker,
            alpha=0.4 if smooth else 1,
        )  # fmt: skip
        if smooth:
            axes.plot(steps, running_mean(raw, _window(raw)), color=SERIES[1], linewidth=2.2)
        low, high = raw[finite].min(), raw[finite].max()
        if even < high + (high - low) * 0.5:
            axes.axhline(even, color=MUTED, linestyle=":", linewidth=1.4)
            # On the side of the line where the losses are, for there is room.
            shift, side = (5, "bottom") if even < low else (-5, "top")
            axes.annotate(
                "guessing evenly", (1, even), (0, shift), va=side, ha="right", color=MUTED,
                xycoords=("axes fraction", "data"), textcoords="offset points", fontsize=12,
            )  # fmt: skip
        _distillation_axes(axes, "real loss, nats a token")

    return picture("outer", alt, draw, height=300)


def draw_validations(steps: np.ndarray, scores: np.ndarray, alt: str) -> str:
    """Validation NDCG@10 in the course of the distillation; its best is marked."""

    def draw(axes: Axes) -> None:
        best = int(np.argmax(scores))
        axes.plot(steps, scores, color=SERIES[1], linewidth=2, marker="o", markersize=4)
        axes.plot(
            steps[best], scores[best], "o", markersize=11, markerfacecolor="none",
            markeredgecolor=SERIES[2], markeredgewidth=2,
        )  # fmt: skip
        axes.set_ylim(0, max(scores.max() * 1.12, 1e-6))
        _distillation_axes(axes, "validation NDCG@10")

    return picture("validations", alt, draw, height=300)


def draw_transitions(
    name: str, title: str, shares: np.ndarray, labels: Sequence[str], highest: float, alt: str
) -> str:
    """A square of cells; the row's token is followed by the column's, the stronger the oftener.

    Cells are one colour at an opacity that grows linearly with the share, so the empty cell is the
    page itself, light or dark.

    Args:
        name: of the picture.
        title: above it.
        shares: `[shown, shown]`.
        labels: the tokens.
        highest: the share drawn in full colour; what is above is drawn the same.
        alt: the picture in words.
    """
    size = len(labels)
    rows, columns = np.nonzero(shares / highest >= 0.01)
    corners = np.array([[0.04, 0.04], [0.96, 0.04], [0.96, 0.96], [0.04, 0.96]])
    cells = np.stack([columns, rows], axis=1)[:, None, :] + corners
    colours = np.tile(to_rgba(HEAT), (len(rows), 1))
    # Coarse steps, which no eye tells apart, keep the file small.
    colours[:, 3] = np.round(np.minimum(shares[rows, columns] / highest, 1), 2)

    def draw(axes: Axes) -> None:
        if len(rows):
            axes.add_collection(PolyCollection(list(cells), facecolors=colours, linewidths=0))
        axes.set(xlim=(0, size), ylim=(size, 0), aspect="equal")
        places = np.arange(size) + 0.5
        axes.set_xticks(places, labels, rotation=90)
        axes.set_yticks(places, labels)
        axes.tick_params(length=0, labelsize=12, top=True, labeltop=True, bottom=False,
                         labelbottom=False)  # fmt: skip
        axes.spines[:].set(visible=True, color=LINE)
        axes.set_title(title, pad=10)
        axes.set_ylabel("this token …")
        axes.set_xlabel("… is followed by this one")

    return picture(name, alt, draw, height=510)


def curve_points(curve: dict[str, Any]) -> tuple[list[float], list[float]]:
    """Steps and scores of a learning curve, without what a log axis cannot show."""
    pairs = zip(curve.get("steps") or [], curve.get("ndcg@10") or [], strict=True)
    kept = [(step, score) for step, score in pairs if step > 0 and known(score) is not None]
    return [float(step) for step, _ in kept], [float(score) for _, score in kept]


def smoothed(losses: np.ndarray) -> bool:
    """Whether there are enough losses for a running mean of them to be drawn."""
    return _window(losses) > 1


def _window(losses: np.ndarray) -> int:
    return max(1, len(losses) // 40)


def running_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Mean over the `window` values up to each, NaN left out, `[steps]`."""
    filled = np.nan_to_num(values)
    seen = np.isfinite(values).astype(float)
    sums, counts = (
        np.convolve(column, np.ones(window))[: len(values)] for column in (filled, seen)
    )
    return np.divide(sums, counts, out=np.full(len(values), np.nan), where=counts > 0)


def _distillation_axes(axes: Axes, title: str) -> None:
    axes.grid(axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: number(step)))
    axes.set_xlabel("outer steps")
    axes.set_title(title, pad=10)


def log_axis(axes: Axes, low: float, high: float) -> None:
    """Label a log axis 100, 200, 500, 1,000 rather than with powers, and never leave it bare."""
    ticks = log_ticks(low, high)
    axes.set_xscale("log")
    axes.set_xlim(low / 1.15, high * 1.15)
    axes.set_xticks(ticks if len(ticks) > 1 else sorted({low, high}))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: number(step)))


def log_ticks(low: float, high: float) -> list[int]:
    """As many of 1, 2, 5, 10, 20 … as have room for their labels beside each other.

    >>> log_ticks(30.0, 800.0), log_ticks(1.0, 9e4), log_ticks(1.0, 4e6)
    ([50, 100, 200, 500], [1, 10, 100, 1000, 10000], [1, 100, 10000, 1000000])
    """
    ticks: list[int] = []
    for subs, every in ((1, 2, 5), 1), *(((1,), every) for every in range(1, 13)):
        ticks = [sub * 10**power for power in range(0, 13, every) for sub in subs]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if all(
            # A picture is some 56 digits wide.
            56 * math.log(right / left) > math.log(high / low) * (_digits(left, right) + 1.5)
            for left, right in pairwise(ticks)
        ):
            break
    return ticks


def _digits(left: int, right: int) -> float:
    """Between the middles of two labels that touch each other."""
    return (len(number(left)) + len(number(right))) / 2
