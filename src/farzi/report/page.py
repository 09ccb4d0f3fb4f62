"""Puts numbers, sentences and pictures into the template."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

import jinja2
from markupsafe import Markup

from farzi.report import parts, statements, tables
from farzi.report.data import ReportData
from farzi.report.wording import readable


def write_report(path: Path, data: ReportData) -> None:
    """Write the report as one HTML file that needs nothing else, neither network nor script.

    The same data give the same bytes. The file appears whole or not at all.

    Args:
        path: where to; its folder is made if need be.
        data: what to show.
    """
    page = render(data).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.write_bytes(page)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def render(data: ReportData) -> str:
    """The page as text."""
    files = resources.files("farzi.report")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((files / "template.html.jinja").read_text("utf-8"))
    results, vocabulary = data.results, len(data.tokens)
    return template.render(
        style=Markup((files / "style.css").read_text("utf-8")),
        dataset=readable(str(results["dataset"]), 80),
        task=readable(str(results["task"]), 160),
        headline=statements.headline(results, data.synthetic.shape),
        facts=statements.facts(results),
        explanations=statements.explanations(vocabulary),
        storage=statements.storage(results, vocabulary),
        cost=statements.cost(results),
        arms=tables.arm_rows(results["arms"]),
        metrics=[metric.upper() for metric in tables.METRICS],
        scores=parts.score_picture(data),
        curves=parts.curve_picture(data),
        outer=parts.outer_picture(data),
        validations=parts.validation_picture(data),
        real=parts.distribution_pictures(data),
        sequences=parts.soft_sequences(data),
        transitions=parts.transition_pictures(data),
        tables=tables.provenance(results),
    )
