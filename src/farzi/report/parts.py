"""The illustrated parts of the report: each a picture with what it says in words, or None."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from markupsafe import Markup

from farzi.report import distributions, pictures, statements, transitions
from farzi.report.data import ReportData
from farzi.report.tables import arm_labels
from farzi.report.wording import arm_name, counted, known, number, percent, readable

SHOWN_SEQUENCES = 6
SHOWN_PLACES = 60
SHOWN_TOKENS = 20
CONFIDENCE_STEPS = (0.2, 0.4, 0.6, 0.8)


def score_picture(data: ReportData) -> dict[str, Any] | None:
    """HR@10 of each arm."""
    arms = data.results["arms"]
    if not any(statements.mean_of(arm) is not None for arm in arms):
        return None
    labels, chance = arm_labels(arms), min(10 / len(data.tokens), 1.0)
    alt = statements.about_scores(arms, labels, chance)
    svg = pictures.draw_scores(arms, labels, "hr@10", chance, alt)
    return {"svg": Markup(svg), "summary": statements.compare_scores(data.results)}


def curve_picture(data: ReportData) -> dict[str, Any] | None:
    """Learning curves of all arms that have any."""
    points = {arm: pictures.curve_points(curve) for arm, curve in data.curves.items()}
    points = {arm: point for arm, point in points.items() if point[0]}
    if not points:
        return None
    summary = statements.about_curves(points)
    shown = {arm: data.curves[arm] for arm in points}
    alt = f"Learning curves, validation NDCG@10 against training steps. {summary}"
    svg = pictures.draw_curves(shown, [arm_name(arm) for arm in shown], alt)
    return {"svg": Markup(svg), "summary": summary}


def outer_picture(data: ReportData) -> dict[str, Any] | None:
    """The outer loss, step by step."""
    losses = np.asarray(data.outer_losses, np.float64)
    if not np.isfinite(losses).any():
        return None
    summary = statements.about_outer_losses(losses)
    alt = f"Outer loss against outer steps. {summary}"
    svg = pictures.draw_outer_losses(losses, math.log(len(data.tokens)), alt)
    note = "The thick line is the running mean." if pictures.smoothed(losses) else ""
    return {"svg": Markup(svg), "summary": summary, "note": note}


def validation_picture(data: ReportData) -> dict[str, Any] | None:
    """Validations of the distillation."""
    pairs = [(v["step"], known(v.get("ndcg@10"))) for v in data.validations]
    pairs = [pair for pair in pairs if pair[1] is not None]
    if not pairs:
        return None
    steps, scores = np.array(pairs, np.float64).T
    summary = statements.about_validations(steps, scores)
    alt = f"Validation NDCG@10 against outer steps. {summary}"
    return {"svg": Markup(pictures.draw_validations(steps, scores, alt)), "summary": summary}


def distribution_pictures(data: ReportData) -> dict[str, Any] | None:
    """How long the real sequences are, and how much of them the most popular tokens are."""
    lengths = data.real_lengths[data.real_lengths > 0]
    if not len(lengths):
        return None
    few = distributions.most_popular(len(data.tokens))
    share = float(distributions.coverage(data.real_counts)[few - 1])
    about = (
        statements.about_lengths(lengths),
        statements.about_popularity(few, len(data.tokens), share),
    )
    svgs = (
        distributions.draw_lengths(
            lengths, f"Histogram of the lengths of the real sequences. {about[0]}"
        ),
        distributions.draw_popularity(
            data.real_counts,
            f"Share of all real events that the most popular tokens cover. {about[1]}",
        ),
    )
    note = statements.about_axes(
        distributions.is_wide(lengths),
        distributions.is_wide(np.arange(1, len(data.tokens) + 1)),
        len(data.real_lengths) - len(lengths),
    )
    return {
        "svgs": [Markup(svg) for svg in svgs],
        "note": note,
        "circled": "the most popular token" if few == 1 else "a tenth of the tokens",
        "summary": " ".join(about),
    }


def soft_sequences(data: ReportData) -> dict[str, Any]:
    """The first synthetic sequences: at each place the likeliest token and its probability."""
    count, time, _ = data.synthetic.shape
    # The first of the tokens that are read is no label.
    asked = data.synthetic if data.inputs is None or time == 1 else data.synthetic[:, 1:]
    confidence = float(asked.max(axis=2).mean(dtype=np.float64))
    shown = "All" if count <= SHOWN_SEQUENCES else f"The first {SHOWN_SEQUENCES} of"
    caption = "The only synthetic sequence" if count == 1 else f"{shown} {number(count)} sequences"
    if time > SHOWN_PLACES:
        caption += f", the first {SHOWN_PLACES} of {number(time)} places each"
    caption += "."
    if data.inputs is not None:
        caption += (
            " Models read real sequences; shown is what they are asked for at each place of these."
        )
    return {
        "caption": caption,
        "summary": f"Over all places of all sequences the likeliest token has a probability of "
        f"{percent(confidence)} on average.",
        "legend": [
            f"{100 * low:.0f} to {100 * low + 20:.0f}\N{NO-BREAK SPACE}%"
            for low in (0, *CONFIDENCE_STEPS)
        ],
        "rows": [
            [place(row, data.tokens) for row in sequence[:SHOWN_PLACES]]
            for sequence in data.synthetic[:SHOWN_SEQUENCES]
        ],
    }


def place(row: np.ndarray, tokens: tuple[str, ...]) -> dict[str, Any]:
    """One place of a synthetic sequence, `row` being its distribution `[vocab]`."""
    first = np.argsort(-row, kind="stable")[:3]
    return {
        "token": readable(tokens[first[0]], 12),
        "percent": f"{100 * row[first[0]]:.0f}",
        "step": int(np.searchsorted(CONFIDENCE_STEPS, row[first[0]], side="right")),
        "more": ", ".join(f"{readable(tokens[i], 40)} {percent(row[i])}" for i in first),
    }


def transition_pictures(data: ReportData) -> dict[str, Any] | None:
    """Real and synthetic transitions between the most frequent real tokens, on one scale."""
    counts = np.asarray(data.real_transitions, np.float64)
    synthetic = transitions.expected_transitions(data.synthetic, data.inputs)
    shown = transitions.most_frequent(counts, SHOWN_TOKENS)
    if not len(shown) or not synthetic.any():
        return None
    labels = [readable(data.tokens[i], 10) for i in shown]
    both = [transitions.row_shares(table)[np.ix_(shown, shown)] for table in (counts, synthetic)]
    # A few cells near 1 would leave all others pale.
    highest = max(float(np.quantile(both, 0.99)), 0.01)
    summary = statements.about_transitions(
        transitions.total_variation(counts, synthetic), transitions.correlation(*both)
    )
    some = len(shown) < len(data.tokens)
    caption = (
        f"The {len(shown)} tokens that are most frequent in the real data, of "
        f"{counted(len(data.tokens), 'token')} in all."
        if some
        else f"All {counted(len(shown), 'token')}."
    )
    names = ("Real data", "Synthetic data")
    svgs = [
        pictures.draw_transitions(
            name=f"transitions{i}",
            title=title,
            shares=shares,
            labels=labels,
            highest=highest,
            alt=f"{title}: how often each of {len(shown)} tokens is followed by each. {summary}",
        )
        for i, (title, shares) in enumerate(zip(names, both, strict=True))
    ]
    return {
        "svgs": [Markup(svg) for svg in svgs],
        "caption": caption,
        "highest": percent(highest),
        "summary": summary,
    }
