"""farzi shrinks a log of sequences into a handful that train models as well as the whole log.

    flights = farzi.data.flights()
    split = farzi.data.leave_last_out(flights)
    outcome = farzi.distill(split.train, split.validation, make_learner, teacher=teacher)

The names below are imported when they are first used, so that `import farzi` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from farzi import data as data
    from farzi import models as models
    from farzi.distillation import Recipe as Recipe
    from farzi.distillation import distill as distill
    from farzi.hypergradients import Auto as Auto
    from farzi.hypergradients import Checkpointed as Checkpointed
    from farzi.hypergradients import PaperAdam as PaperAdam
    from farzi.hypergradients import Reversible as Reversible
    from farzi.hypergradients import StoreStates as StoreStates
    from farzi.hypergradients import Truncated as Truncated
    from farzi.hypergradients import Unrolled as Unrolled
    from farzi.hypergradients import adam as adam
    from farzi.hypergradients import check_hypergradient as check_hypergradient
    from farzi.hypergradients import hypergradient as hypergradient
    from farzi.hypergradients import sgd as sgd
    from farzi.metrics import Questions as Questions
    from farzi.planning import plan as plan
    from farzi.preparing.folder import Prepared as Prepared
    from farzi.preparing.folder import load_prepared as load_prepared
    from farzi.preparing.options import EventOptions as EventOptions
    from farzi.preparing.options import SplitOptions as SplitOptions
    from farzi.preparing.options import TextOptions as TextOptions
    from farzi.preparing.prepare import prepare as prepare
    from farzi.storage import DistilledData as DistilledData
    from farzi.storage import load as load
    from farzi.training import Training as Training
    from farzi.training import train as train

_HOME = {
    "Auto": "farzi.hypergradients",
    "Checkpointed": "farzi.hypergradients",
    "DistilledData": "farzi.storage",
    "EventOptions": "farzi.preparing.options",
    "PaperAdam": "farzi.hypergradients",
    "Prepared": "farzi.preparing.folder",
    "Questions": "farzi.metrics",
    "Recipe": "farzi.distillation",
    "Reversible": "farzi.hypergradients",
    "SplitOptions": "farzi.preparing.options",
    "StoreStates": "farzi.hypergradients",
    "TextOptions": "farzi.preparing.options",
    "Training": "farzi.training",
    "Truncated": "farzi.hypergradients",
    "Unrolled": "farzi.hypergradients",
    "adam": "farzi.hypergradients",
    "check_hypergradient": "farzi.hypergradients",
    "distill": "farzi.distillation",
    "hypergradient": "farzi.hypergradients",
    "load": "farzi.storage",
    "load_prepared": "farzi.preparing.folder",
    "plan": "farzi.planning",
    "prepare": "farzi.preparing.prepare",
    "sgd": "farzi.hypergradients",
    "train": "farzi.training",
}
_MODULES = ("data", "models")

__all__ = [
    "Auto",
    "Checkpointed",
    "DistilledData",
    "EventOptions",
    "PaperAdam",
    "Prepared",
    "Questions",
    "Recipe",
    "Reversible",
    "SplitOptions",
    "StoreStates",
    "TextOptions",
    "Training",
    "Truncated",
    "Unrolled",
    "adam",
    "check_hypergradient",
    "data",
    "distill",
    "hypergradient",
    "load",
    "load_prepared",
    "models",
    "plan",
    "prepare",
    "sgd",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"farzi.{name}")
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'farzi' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
