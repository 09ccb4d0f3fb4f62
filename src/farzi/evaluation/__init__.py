"""Compares training data: each arm trains the same learners under the same rules."""

from farzi.evaluation.arms import (
    ARMS,
    Amount,
    Arm,
    distilled_arm,
    full_arm,
    needs_teacher,
    stored_bytes,
    subset_arm,
)
from farzi.evaluation.breakdown import breakdown, paired
from farzi.evaluation.judge import evaluate
from farzi.evaluation.outcome import Outcome
from farzi.evaluation.sensitivity import (
    SENSITIVITY_OPTIMIZERS,
    SENSITIVITY_RATES,
    sensitivity,
)
from farzi.evaluation.task import LOWER_IS_BETTER, Task

__all__ = [
    "ARMS",
    "LOWER_IS_BETTER",
    "SENSITIVITY_OPTIMIZERS",
    "SENSITIVITY_RATES",
    "Amount",
    "Arm",
    "Outcome",
    "Task",
    "breakdown",
    "distilled_arm",
    "evaluate",
    "full_arm",
    "needs_teacher",
    "paired",
    "sensitivity",
    "stored_bytes",
    "subset_arm",
]
