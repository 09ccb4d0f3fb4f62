"""The page and the pictures of the studies, from their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Content = dict[str, Any]
LOGARITHMIC = ("size", "rank", "inner_steps")
ACROSS = {
    "size": "synthetic or real sequences",
    "rank": "rank: numbers a place",
    "inner_steps": "T: steps of an inner loop",
    "trajectories": "experts whose checkpoints are starts",
    "hard": "copies with drawn labels",
    "noise": "share of the training events replaced",
    "numbers": "stored as",
    "transfer": "architecture that learns",
}
"""What the pictures say below; the name of the study where that is clear."""
COLOURS = ("#0b5cad", "#c8381d", "#2b8a4b", "#7a3fa0", "#8a8a8a")
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "farzi",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def write_page(studies: dict[str, Content], folder: Path) -> None:
    """`studies.md` beside the folder, and in the folder a picture of each study."""
    lines = [
        "# What decides how good distilled data are",
        "",
        "Studies on the packaged flights: 29 sequences of 11 events, 0.1 % of all, distilled in "
        "300 outer steps for a SASRec of one layer and width 32, unless a study says otherwise. "
        "Test scores as a share of the full data's; ± is half the 95 % interval over four fresh "
        "starts, and says nothing of other distillations. *T, 2 T, 5 T*: NDCG@10 without early "
        "stopping after as many steps as the data were made for, and more. *Gap*: loss on the "
        "next flights of the test less that on the last of the training data, in nats; learners "
        "never saw either, save as far as distilled data tell of the latter. Made by `python "
        "benchmarks/studies.py`, one distillation a row.",
    ]
    for name, content in studies.items():
        _draw(name, content, folder / f"{name}.svg")
        lines += ["", f"## {name.replace('_', ' ').capitalize()}", "", content["what"], ""]
        lines += [f"![{name}](studies/{name}.svg)", "", *_table(content["rows"]), ""]
        lines.append(f"Commit `{content['commit']}`, {content['cores']} core(s).")
    (folder.parent / "studies.md").write_text("\n".join([*lines, ""]))


def _table(rows: list[Content]) -> list[str]:
    cells = [_cells(row) for row in rows]
    shown = [head for head in _cells(rows[0]) if any(row.get(head) for row in cells)]
    shown += [head for row in cells for head in row if head not in shown and row[head]]
    shown = list(dict.fromkeys(shown))
    return [
        "| " + " | ".join(shown) + " |",
        "|" + "|".join("---" if head == "data" else "--:" for head in shown) + "|",
        *("| " + " | ".join(row.get(head, "") for head in shown) + " |" for row in cells),
    ]


def _cells(row: Content) -> dict[str, str]:
    def kept(name: str) -> str:
        return f"{row[name]['kept']:.3f} ± {row[name]['ci95']:.3f}"

    return {
        "data": str(row.get("series", "")),
        "x": f"{row['x']}",
        "events": f"{row['events_share']:.2%}",
        "bytes": f"{row['bytes_share']:.1%}",
        "HR@10": kept("hr@10"),
        "NDCG@10": kept("ndcg@10"),
        **{
            title: f"{row[key]:.3f}" if key in row else ""
            for title, key in (("T", "at_1T"), ("2 T", "at_2T"), ("5 T", "at_5T"))
        },
        "loss": f"{row['test_loss']:.3f}",
        "gap": f"{row['test_loss'] - row['train_loss']:+.3f}",
        "seconds": f"{row['seconds']:.0f}" if "seconds" in row else "",
    }


def _draw(name: str, content: Content, path: Path) -> None:
    rows = content["rows"]
    series = list(dict.fromkeys(row.get("series", "distilled") for row in rows))
    by_bytes = name == "size"
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.5 if by_bytes else 5.5, 3.6), layout="constrained")
        panels = figure.subplots(1, 2 if by_bytes else 1, sharey=True, squeeze=False)[0]
        _panel(panels[0], rows, series, "x", logarithmic=name in LOGARITHMIC)
        panels[0].set(xlabel=ACROSS.get(name, name), ylabel="NDCG@10, share of the full data's")
        if by_bytes:
            _panel(panels[1], rows, series, "bytes_share", logarithmic=True)
            panels[1].set(xlabel="bytes, share of the full data's")
        if len(series) > 1:
            panels[0].legend(frameon=False, fontsize=9)
        # Without the date, so that the same numbers give the same file.
        figure.savefig(path, metadata={"Date": None})


def _panel(
    axes: Axes, rows: list[Content], series: list[str], key: str, *, logarithmic: bool
) -> None:
    places = list(dict.fromkeys(row[key] for row in rows))
    words = any(isinstance(place, str) for place in places)
    for number, one in enumerate(series):
        of_it = [row for row in rows if row.get("series", "distilled") == one]
        shift = 0.08 * (number - (len(series) - 1) / 2)
        across = [places.index(row[key]) + shift if words else row[key] for row in of_it]
        axes.errorbar(
            across,
            [row["ndcg@10"]["kept"] for row in of_it],
            [row["ndcg@10"]["ci95"] for row in of_it],
            color=COLOURS[number],
            marker="o",
            linestyle="none" if words else "-",
            capsize=3,
            label=one,
        )
    if words:
        axes.set_xticks(range(len(places)), [str(place) for place in places])
        axes.margins(x=0.1)
    elif logarithmic:
        axes.set_xscale("log", base=10 if key == "bytes_share" else 2)
        axes.xaxis.set_major_formatter("{x:.0%}" if key == "bytes_share" else "{x:g}")
    axes.grid(axis="y", color="#e5e5e5", linewidth=0.8)
    axes.set_axisbelow(True)
