"""What the results say, in sentences for a reader who has never heard of data distillation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from farzi.report.wording import (
    arm_name,
    counted,
    duration,
    file_size,
    interval,
    known,
    number,
    percent,
    readable,
)

HEADLINE_METRIC = "hr@10"


def find_arm(results: dict[str, Any], arm: str) -> dict[str, Any] | None:
    """An arm's entry, that of the first architecture where there are several."""
    arms = results["arms"]
    first = (
        [a for a in arms if a.get("architecture") == arms[0].get("architecture")] if arms else []
    )
    return next((a for a in [*first, *arms] if a["arm"] == arm), None)


def mean_of(arm: dict[str, Any] | None, metric: str = HEADLINE_METRIC) -> float | None:
    """Mean of a metric over an arm's seeds; None where it is not known."""
    return known(((arm or {}).get("metrics", {}).get(metric) or {}).get("mean"))


def retention_of(arm: dict[str, Any] | None, metric: str = HEADLINE_METRIC) -> float | None:
    """An arm's share of the full-data score; None where it is not known."""
    return known(((arm or {}).get("retention") or {}).get(metric))


def headline(results: dict[str, Any], shape: tuple[int, ...]) -> tuple[str, str]:
    """Two sentences: what was condensed into what, and how well a model learns from it.

    Args:
        results: of the evaluation.
        shape: `(sequences, time, vocab)` of the synthetic sequences.
    """
    full, distilled, random = (find_arm(results, arm) for arm in ("full", "distilled", "random"))
    made = f"{counted(shape[0], 'synthetic sequence')} of {counted(shape[1], 'event')}" + (
        " each" if shape[0] > 1 else ""
    )
    source = f"({readable(str(results['dataset']), 60)})"
    if full is None:
        first = f"Real sequences {source} were condensed into {made}."
    else:
        real = f"{counted(full['events'], 'real event')}"
        real += f" in {counted(full['sequences'], 'sequence')}"
        share = known((distilled or {}).get("events_share"))
        saved = "" if share is None else f", {percent(share)} of the original events"
        first = f"{real} {source} were condensed into {made}{saved}."
    return first, _second_sentence(full, distilled, random)


def _second_sentence(full: Any, distilled: Any, random: Any) -> str:
    score = mean_of(distilled)
    if score is None:
        return "How well a model learns from these alone was not measured."
    kept = retention_of(distilled)
    if kept is None:
        return f"A model trained on these alone reaches an HR@10 of {number(score, 3)}."
    against = mean_of(full)
    numbers = f"HR@10 {number(score, 3)}"
    numbers += "" if against is None else f" against {number(against, 3)}"
    text = (
        f"A model trained on these alone reaches {percent(kept)} of the score of one trained on "
        f"everything ({numbers})"
    )
    baseline = retention_of(random)
    if baseline is not None:
        text += (
            f"; {counted(random['sequences'], 'real sequence')} picked at random "
            f"{'reaches' if random['sequences'] == 1 else 'reach'} {percent(baseline)}"
        )
    return text + "."


def facts(results: dict[str, Any]) -> list[tuple[str, str]]:
    """The few numbers to remember, each with its name; those that are known."""
    full, distilled = find_arm(results, "full"), find_arm(results, "distilled")
    named = [
        ("of the full-data score kept (HR@10)", retention_of(distilled), percent),
        ("of the events", known((distilled or {}).get("events_share")), percent),
        ("of the bytes", known((distilled or {}).get("bytes_share")), percent),
    ]
    shown = [(name, write(value)) for name, value, write in named if value is not None]
    times = [known((arm or {}).get("train_seconds")) for arm in (full, distilled)]
    if times[0] is not None and times[1]:
        ratio = f"{number(times[0] / times[1], 1)}\N{MULTIPLICATION SIGN}"
        shown.append(("as fast to train on as the full data", ratio))
    return shown


def explanations(vocabulary: int) -> tuple[str, str]:
    """One sentence on HR@10 and one on retention."""
    chance = min(10 / vocabulary, 1.0)
    if chance == 1:
        blind = "with so few tokens that is always so, and HR@10 says nothing"
    else:
        blind = f"blind guessing would reach {number(chance, 3)}"
    return (
        "For each held-out sequence the model ranks all "
        f"{counted(vocabulary, 'token')} by how likely each comes next, and HR@10 (hit rate) is "
        f"the share of cases in which the true one is among its first ten: {blind}.",
        "A score divided by that of the same model trained on the full data: 100\N{NO-BREAK SPACE}%"
        " means that nothing was lost.",
    )


def storage(results: dict[str, Any], vocabulary: int) -> str | None:
    """The share of bytes beside the share of events, and why they differ."""
    distilled = find_arm(results, "distilled")
    if distilled is None:
        return None
    events, size = known(distilled.get("events_share")), known(distilled.get("bytes_share"))
    if events is None or size is None:
        return None
    full = find_arm(results, "full")
    sizes = file_size(distilled.get("bytes"))
    sizes += "" if full is None else f" against {file_size(full.get('bytes'))}"
    if size <= events:
        return (
            f"The synthetic data takes {percent(size)} of the original's bytes ({sizes}) and holds "
            f"{percent(events)} of its events."
        )
    text = (
        f"The synthetic data holds {percent(events)} of the events but takes {percent(size)} of "
        f"the bytes ({sizes}). A real event is one token id, a few bytes; a synthetic event "
        f"is soft: a probability for each of the {counted(vocabulary, 'token')}, kept as "
        "several decimal numbers."
    )
    if size > 1:
        text += " It is larger than the original: what it can save here is training, not storage."
    return text


def cost(results: dict[str, Any]) -> str | None:
    """What the distillation took, and after how many trainings it has paid for itself."""
    spent = known(results.get("distillation", {}).get("seconds"))
    if spent is None:
        return None
    full, distilled = (
        known((find_arm(results, arm) or {}).get("train_seconds")) for arm in ("full", "distilled")
    )
    text = f"The distillation took {duration(spent)}"
    teacher = known(results["distillation"].get("teacher_seconds"))
    if teacher:
        text += f", after {duration(teacher)} for training, on the full data, what it learned from"
        spent += teacher
    text += "."
    if full is None or distilled is None:
        return text
    text += (
        f" One training takes {duration(full)} on the full data and {duration(distilled)} on the "
        "synthetic data"
    )
    trainings = break_even(spent, full, distilled)
    if trainings is None:
        return text + ", which is not faster, so in time it never pays for itself."
    return text + f", so it has paid for itself after {counted(trainings, 'training')}."


def break_even(spent: float, full: float, distilled: float) -> int | None:
    """Trainings after which the distillation has saved the time it took; None for never.

    >>> break_even(340.0, 21.4, 2.9), break_even(340.0, 2.0, 2.0)
    (19, None)
    """
    return math.ceil(spent / (full - distilled)) if full > distilled else None


def about_scores(arms: Sequence[dict[str, Any]], labels: Sequence[str], chance: float) -> str:
    """The picture of the scores in words."""
    metrics = [arm["metrics"].get(HEADLINE_METRIC) for arm in arms]
    each = [f"{label} {interval(metric, 3)}" for label, metric in zip(labels, metrics, strict=True)]
    return f"Bars of the HR@10 of each arm: {'; '.join(each)}. Blind guessing: {number(chance, 3)}."


def compare_scores(results: dict[str, Any]) -> str:
    """What the bars of the scores show."""
    means = {arm: mean_of(find_arm(results, arm)) for arm in ("full", "distilled", "random")}
    distilled = means.pop("distilled")
    if distilled is None:
        return ""
    against = [
        f"{number(abs(distilled - mean), 3)} {'below' if distilled < mean else 'above'} "
        + {"full": "the full data", "random": "the random sample"}[arm]
        for arm, mean in means.items()
        if mean is not None
    ]
    return f"The distilled data is {' and '.join(against)}." if against else ""


def about_curves(points: dict[str, tuple[list[float], list[float]]]) -> str:
    """When each arm was at its best."""
    parts = []
    for arm, (steps, scores) in points.items():
        best = int(np.argmax(scores))
        parts.append(
            f"{arm_name(arm)}: {number(scores[best], 3)} after {counted(steps[best], 'step')}"
        )
    return "Best validation score of each: " + "; ".join(parts) + "."


def about_outer_losses(losses: np.ndarray) -> str:
    """How far the outer loss has come."""
    finite = losses[np.isfinite(losses)]
    if len(finite) == 1:
        return f"It is {number(finite[0], 2)} nats."
    few = max(1, len(finite) // 20)
    start, end = finite[:few].mean(), finite[-few:].mean()
    return (
        f"It went from {number(start, 2)} to {number(end, 2)} nats: from being undecided between "
        f"{number(math.exp(min(start, 50)), 1)} equally likely tokens to "
        f"{number(math.exp(min(end, 50)), 1)}."
    )


def about_validations(steps: np.ndarray, scores: np.ndarray) -> str:
    """Which step was the best."""
    best = int(np.argmax(scores))
    return f"Best: {number(scores[best], 3)} at outer step {number(steps[best])}, circled."


def about_axes(wide_lengths: bool, wide_tokens: bool, empty: int) -> str:
    """Which axes of the distributions are logarithmic, and how many sequences are not shown."""
    notes = []
    if wide_lengths or wide_tokens:
        which = "The axis of events is" if wide_lengths else "The axis of tokens is"
        which = "Both horizontal axes are" if wide_lengths and wide_tokens else which
        notes.append(f"{which} logarithmic: equal distances are equal factors.")
    if empty:
        notes.append(f"{counted(empty, 'sequence')} without events left out.")
    return " ".join(notes)


def about_lengths(lengths: np.ndarray) -> str:
    """The median and the longest of the lengths of sequences, `[sequences]`."""
    longest, median = lengths.max(), float(np.median(lengths))
    if lengths.min() == longest:
        return f"Every sequence has {counted(longest, 'event')}."
    middle = number(median, 0 if median.is_integer() else 1)
    return f"The median length of a sequence is {middle} events, the longest has {number(longest)}."


def about_popularity(few: int, vocabulary: int, share: float) -> str:
    """The share of all events that fall on the `few` most popular of the tokens, a tenth."""
    if vocabulary == 1:
        return "All events are of one and the same token."
    if vocabulary < 10:
        who, verb = f"most popular of the {vocabulary} tokens", "takes"
    else:
        some = f"{number(few)} of {number(vocabulary)}"
        who, verb = f"most popular 10\N{NO-BREAK SPACE}% of the tokens ({some})", "take"
    return f"The {who} {verb} {percent(share)} of all events."


def about_transitions(distance: float, similarity: float) -> str:
    """How far the synthetic transitions are from the real ones."""
    text = (
        "After an average real event the two distributions over the next token are a total "
        f"variation of {number(distance, 2)} apart (0: the same; 1: nothing in common), taken over "
        "all tokens."
    )
    if known(similarity) is not None:
        text += f" The cells shown here correlate at {number(similarity, 2)}."
    return text
