"""Trains learners on any data, hard or soft; several runs at once in one program."""

from farzi.training.checkpoint import Checkpoint
from farzi.training.optimizers import NamedOptimizer
from farzi.training.runs import MakeLearner, Runs
from farzi.training.settings import LearnerRecipe, MakeOptimizer, Training
from farzi.training.train import Trained, Validation, train, validation_scores

__all__ = [
    "Checkpoint",
    "LearnerRecipe",
    "MakeLearner",
    "MakeOptimizer",
    "NamedOptimizer",
    "Runs",
    "Trained",
    "Training",
    "Validation",
    "train",
    "validation_scores",
]
