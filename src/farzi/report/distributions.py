"""How long the real sequences are and how popular their tokens: counted, and drawn."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, MaxNLocator

from farzi.report.pictures import log_axis
from farzi.report.svg import ARM_COLOURS, MUTED, SERIES, picture
from farzi.report.wording import number

BARS = 30
WIDE = 100
"""What spans more than this factor has a logarithmic axis."""
POINTS = 200


def is_wide(numbers: np.ndarray) -> bool:
    """Whether the numbers, all at least 1, are shown on a logarithmic axis."""
    return bool(numbers.max() > WIDE * numbers.min())


def bar_edges(lengths: np.ndarray) -> np.ndarray:
    """Edges of a histogram of whole numbers, all of them halves, `[bars + 1]`.

    A bar is never narrower than the one before it. Rounded edges of equal distances would be, and
    a bar that happens to hold one number more than its neighbours would look like a peak.

    Args:
        lengths: whole numbers, at least 1, `[sequences]`.

    >>> bar_edges(np.array([3, 4, 6])).tolist()
    [2.5, 3.5, 4.5, 5.5, 6.5]
    """
    low, high = int(lengths.min()), int(lengths.max())
    if not is_wide(lengths):
        width = -(-(high - low + 1) // BARS)
        return np.arange(low - 0.5, high + 0.5 + width, width)
    growth = (high / low) ** (1 / BARS) - 1
    edges = [low - 0.5]
    while edges[-1] < high:
        edges.append(edges[-1] + max(1, int(edges[-1] * growth)))
    return np.array(edges)


def coverage(counts: np.ndarray) -> np.ndarray:
    """Share of all events that the one, two, three … most popular tokens cover, `[vocab]`.

    >>> coverage(np.array([1, 0, 3])).tolist()
    [0.75, 1.0, 1.0]
    """
    return np.cumsum(np.sort(counts)[::-1]) / counts.sum()


def most_popular(vocabulary: int) -> int:
    """How many tokens the most popular 10 % are: at least one."""
    return max(1, round(vocabulary / 10))


def draw_lengths(lengths: np.ndarray, alt: str) -> str:
    """How many sequences have how many events; the median is marked.

    Args:
        lengths: events of each sequence, at least 1, `[sequences]`.
        alt: the picture in words.
    """
    edges = bar_edges(lengths)
    counts, _ = np.histogram(lengths, edges)

    def draw(axes: Axes) -> None:
        colour = ARM_COLOURS["full"]
        axes.stairs(counts, edges, fill=True, color=colour, alpha=0.3)
        axes.stairs(counts, edges, color=colour, linewidth=1.4)
        axes.axvline(float(np.median(lengths)), color=SERIES[2], linewidth=2)
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        axes.set_ylim(0, counts.max() * 1.08)
        _whole_numbers(axes.yaxis)
        if is_wide(lengths):
            log_axis(axes, float(edges[0]), float(edges[-1]))
        else:
            # Room for one more bar on either side, so that a bar alone looks like one.
            axes.set_xlim(max(2 * edges[0] - edges[1], 0), 2 * edges[-1] - edges[-2])
            _whole_numbers(axes.xaxis)
        axes.set_xlabel("events in a sequence")
        axes.set_title("number of sequences", pad=10)

    return picture("lengths", alt, draw, height=300)


def draw_popularity(counts: np.ndarray, alt: str) -> str:
    """Share of all events that the most popular tokens cover, over their number.

    Args:
        counts: how often each token occurs, not all 0, `[vocab]`.
        alt: the picture in words.
    """
    size = len(counts)
    every = np.arange(size + 1)
    wide = is_wide(every[1:])
    # No eye tells more points apart, and they would make the file large.
    ranks = np.unique(np.geomspace(1, size, POINTS).round().astype(int)) if wide else every
    shares = np.concatenate([[0.0], coverage(counts)])

    def draw(axes: Axes) -> None:
        axes.plot(ranks, ranks / size, color=MUTED, linestyle=":", linewidth=1.4)
        axes.plot(ranks, shares[ranks], color=ARM_COLOURS["full"], linewidth=2)
        few = most_popular(size)
        axes.plot(
            few, shares[few], "o", markersize=11, markerfacecolor="none",
            markeredgecolor=SERIES[2], markeredgewidth=2, clip_on=False,
        )  # fmt: skip
        axes.grid(axis="y")
        axes.set_ylim(0, 1.04)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
        axes.yaxis.set_major_formatter(
            FuncFormatter(lambda share, _: f"{100 * share:.0f}\N{NO-BREAK SPACE}%")
        )
        if wide:
            log_axis(axes, 1.0, float(size))
        else:
            axes.set_xlim(0, size)
            _whole_numbers(axes.xaxis)
        axes.set_xlabel("number of tokens")
        axes.set_title("share of all events on the most popular tokens", pad=10)

    return picture("popularity", alt, draw, height=300)


def _whole_numbers(axis: Axis) -> None:
    axis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axis.set_major_formatter(FuncFormatter(lambda count, _: number(count)))
