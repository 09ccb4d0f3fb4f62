"""Imports go one way: each layer knows only those above it in the list."""

import ast
from pathlib import Path

import pytest

import farzi

SOURCE = Path(farzi.__file__).parent
LAYERS = [
    {"data", "files", "plain_text"},
    {"preparing"},
    {"models"},
    {"losses", "hypergradients"},
    {"metrics", "distilled"},
    {"training", "coresets"},
    {"storage"},
    {"distillation"},
    {"planning"},
    {"evaluation"},
    {"sections"},
    {"config"},
    {"results", "report", "progress"},
    {"commands", "demo"},
    {"cli"},
    {"__main__"},
]
WITHOUT_JAX = {"data", "files", "plain_text", "preparing", "report", "progress", "cli"}


def layer(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """What the file imports at its top level; an import within a function is not one."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "farzi":
            names |= {f"farzi.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
    return names


FILES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_imports_only_from_layers_above_its_own(path):
    own = layer(path)
    position = next(i for i, layers in enumerate(LAYERS) if own in layers)
    allowed = set().union(*LAYERS[:position], {own})
    used = {name.split(".")[1] for name in imported(path) if name.startswith("farzi.")}
    assert used <= allowed


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_what_needs_no_jax_imports_none(path):
    if layer(path) in WITHOUT_JAX:
        assert not {name.split(".")[0] for name in imported(path)} & {"jax", "equinox", "optax"}


def test_the_hypergradient_can_be_used_alone():
    for path in (SOURCE / "hypergradients").rglob("*.py"):
        ours = {name for name in imported(path) if name.startswith("farzi.")}
        assert all(name.startswith("farzi.hypergradients") for name in ours)
