"""Derivatives of the end point of any training loop by whatever the loop read.

Knows nothing of sequences, models or distillation, and can be used without them.
"""

from farzi.hypergradients.adjoint import Adjoint, Derivatives
from farzi.hypergradients.auto import Auto
from farzi.hypergradients.check import check_hypergradient
from farzi.hypergradients.check_report import HypergradientCheck
from farzi.hypergradients.checkpointed import Checkpointed
from farzi.hypergradients.hypergradient import Hypergradient, hypergradient
from farzi.hypergradients.optimizers import adam, sgd
from farzi.hypergradients.paper_adam import PaperAdam
from farzi.hypergradients.reversible import Reversible
from farzi.hypergradients.stored import StoreStates
from farzi.hypergradients.truncated import Truncated
from farzi.hypergradients.unrolled import Unrolled

__all__ = [
    "Adjoint",
    "Auto",
    "Checkpointed",
    "Derivatives",
    "Hypergradient",
    "HypergradientCheck",
    "PaperAdam",
    "Reversible",
    "StoreStates",
    "Truncated",
    "Unrolled",
    "adam",
    "check_hypergradient",
    "hypergradient",
    "sgd",
]
