"""Derivatives of the end point of any training loop by whatever the loop read.

Knows nothing of sequences, models or distillation, and can be used without them.
"""

from farzi.hypergradients.adjoint import Adjoint, Derivatives
from farzi.hypergradients.auto import Auto
from farzi.hypergradients.checkpointed import Checkpointed
from farzi.hypergradients.hypergradient import Hypergradient, hypergradient
from farzi.hypergradients.optimizers import ReversibleOptimizer, adam, sgd
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
    "PaperAdam",
    "Reversible",
    "ReversibleOptimizer",
    "StoreStates",
    "Truncated",
    "Unrolled",
    "adam",
    "hypergradient",
    "sgd",
]
