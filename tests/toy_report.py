"""A report of made-up results, and what the tests look at in its page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from farzi.report import ReportData, write_report

METRICS = ("hr@10", "hr@100", "ndcg@10", "ndcg@100", "mrr")


class Page(HTMLParser):
    """What the tests look at: elements, the text in them, and which were left open."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.stack: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in ("meta", "img", "link", "br"):
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if self.stack and self.stack[-1] != "style":
            self.texts.append((self.stack[-1], data))

    @property
    def text(self) -> str:
        return re.sub(r"[ \n]+", " ", "".join(data for _, data in self.texts))

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def arm(name: str, score: float, **given: Any) -> dict[str, Any]:
    seeds = [score - 0.01, score, score + 0.01]
    values = {
        "arm": name,
        "architecture": "SASRec",
        "sequences": 4037,
        "events": 320614,
        "events_share": 1.0,
        "bytes": 1282456,
        "bytes_share": 1.0,
        "metrics": {m: {"mean": score, "ci95": 0.0248, "seeds": seeds} for m in METRICS},
        "retention": dict.fromkeys(METRICS, score / 0.52),
        "train_seconds": 21.4,
        "learning_rate": 0.001,
        "train_steps": 1840.0,
    }
    return values | given


def results(**given: Any) -> dict[str, Any]:
    few = {"sequences": 3, "events": 15, "events_share": 0.000047}
    arms = [
        arm("full", 0.52),
        arm("distilled", 0.5012, **few, bytes=70656, bytes_share=0.0551, train_seconds=2.9),
        arm("random", 0.371, **few, bytes=60, bytes_share=0.000047, train_seconds=2.7),
    ]
    distillation = {"seconds": 340.0, "outer_steps": 50, "inner_steps": 20, "peak_bytes": 1.31e9}
    return {
        "dataset": "flights",
        "task": "next destination",
        "arms": arms,
        "distillation": distillation,
        "total_seconds": 640.0,
        "versions": {"farzi": "0.1.0", "numpy": "2.4.6"},
        "device": "cpu",
        "seed": 7,
    } | given


def report_data(
    tokens: tuple[str, ...] | None = None, sequences: int = 3, time: int = 5, **given: Any
) -> ReportData:
    tokens = tokens or tuple(f"T{i:02d}" for i in range(30))
    generator = np.random.default_rng(0)
    size = len(tokens)
    counts = np.random.default_rng(1).permutation(np.arange(size) + 5)
    lengths = np.bincount(np.random.default_rng(2).integers(11, size=counts.sum()))
    curve = {"steps": [10, 20, 40, 80], "ndcg@10": [0.1, 0.2, 0.3, 0.29]}
    values = {
        "results": results(),
        "tokens": tokens,
        "synthetic": generator.dirichlet(np.full(size, 0.2), size=(sequences, time)),
        "real_transitions": generator.integers(1, 50, (size, size)).astype(float),
        "real_lengths": lengths,
        "real_counts": counts,
        "outer_losses": 3.0 - 0.01 * np.arange(100) + 0.1 * generator.normal(size=100),
        "validations": [{"step": s, "ndcg@10": 0.2 + s / 1000, "loss": 3.0} for s in (0, 50, 100)],
        "curves": {"full": curve, "distilled": curve, "random": curve},
    }
    return ReportData(**(values | given))


def write(folder: Path, data: ReportData) -> str:
    write_report(folder / "report.html", data)
    return (folder / "report.html").read_text("utf-8")
