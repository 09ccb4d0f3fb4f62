"""Configurations as users write them, and mistakes as they make them."""

import dataclasses
from pathlib import Path

import jax
import polars as pl
import pytest

from farzi import config, models
from farzi.distillation import Recipe
from farzi.hypergradients import (
    Auto,
    Checkpointed,
    PaperAdam,
    Reversible,
    StoreStates,
    Truncated,
    Unrolled,
)
from farzi.preparing.prepare import prepare

EXAMPLE = Path(__file__).parents[1] / "examples" / "flights.toml"
SIZES = "[data]\nvocabulary = 50\n"


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "run.toml"
        path.write_text(text)
        return path

    return write


def test_the_example_is_the_demo_and_shows_every_key():
    read = config.read(EXAMPLE)
    assert read.recipe == Recipe()
    assert read.data.tokens == 104
    assert read.data.questions == len(read.data.split.validation) > 3000
    learner = read.make_learner(jax.random.key(0))
    assert learner.embedding.shape == (104, 32)
    assert (len(learner.blocks), len(learner.positions)) == (1, 20)
    keys = {line.lstrip("# ").split(" = ")[0] for line in EXAMPLE.read_text().splitlines()}
    for section in vars(read):
        settings = {field.name for field in dataclasses.fields(getattr(read, section))}
        assert settings <= keys


def test_data_that_are_still_to_be_prepared(write):
    read = config.read(write(SIZES + "validation_questions = 7\n[learner]\nwidth = 8\nheads = 2\n"))
    assert (read.data.tokens, read.data.questions) == (50, 7)
    assert read.make_learner(jax.random.key(0)).embedding.shape == (50, 8)
    assert config.read(write(SIZES)).data.questions is None


@pytest.mark.parametrize(
    ("architecture", "options", "kind"),
    [
        ("sasrec", "heads = 2", models.SASRec),
        ("gru4rec", "hidden = 5", models.GRU4Rec),
        ("fmlp", "", models.FMLPRec),
        ("transformer", "heads = 2\nrotary = true", models.Transformer),
        ("lstm", "", models.LSTM),
    ],
)
def test_every_architecture_can_be_asked_for(write, architecture, options, kind):
    text = f'[learner]\narchitecture = "{architecture}"\nwidth = 8\nlayers = 3\n{options}\n'
    learner = config.read(write(SIZES + text)).make_learner(jax.random.key(0))
    assert type(learner) is kind
    assert learner.embedding.shape == (50, 8)
    assert len(learner.cells if hasattr(learner, "cells") else learner.blocks) == 3
    if kind is models.GRU4Rec:
        assert learner.cells[0].hidden_size == 5
    if kind is models.Transformer:
        assert learner.positions is None
        assert learner.blocks[0].attention.num_heads == 2


def test_what_is_written_is_what_is_read(write):
    text = '[recipe]\ninner_batch = "none"\nadjoint_clip = "none"\ninner_rate = 1\nrank = 8\n'
    recipe = config.read(write(SIZES + text)).recipe
    assert recipe == Recipe(inner_batch=None, adjoint_clip=None, inner_rate=1.0, rank=8)
    assert type(recipe.inner_rate) is float


@pytest.mark.parametrize(
    ("text", "adjoint"),
    [
        ("StoreStates", StoreStates()),
        ("StoreStates()", StoreStates()),
        ("Checkpointed", Checkpointed()),
        ("Checkpointed(levels=3)", Checkpointed(levels=3)),
        (" Checkpointed( every = 5 ) ", Checkpointed(every=5)),
        ("Checkpointed(every=none, levels=4)", Checkpointed(levels=4)),
        ("Truncated(window=20)", Truncated(20)),
        ("Reversible", Reversible()),
        ("Reversible(largest_gradient=1e3)", Reversible(1000.0)),
        ("Unrolled", Unrolled()),
        ("PaperAdam", PaperAdam()),
    ],
)
def test_strategies_are_written_as_in_python(text, adjoint):
    assert config.parse_adjoint("adjoint", text) == adjoint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Checkpoint", "no strategy 'Checkpoint', .* nearest is 'Checkpointed'"),
        ("Auto(3)", "no strategy 'Auto'"),
        ("Checkpointed(3)", r"'3' is unknown; write Checkpointed\(every=..., levels=...\)"),
        ("Checkpointed(level=3)", "'level=3' is unknown"),
        ("Checkpointed(levels=2.5)", 'levels in adjoint is 2.5; use a whole number or "none"'),
        ("Checkpointed(levels=0)", "use levels >= 1"),
        ("StoreStates(x=1)", r"'x=1' is unknown; write StoreStates\(\)"),
        ("Truncated", r"says too little; write Truncated\(window=...\)"),
        ("__import__('os').remove('x')", "no strategy"),
        ("", "no strategy"),
    ],
)
def test_what_is_no_strategy_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        config.parse_adjoint("adjoint", text)


def test_auto_takes_its_budget_from_the_section_memory(write):
    path = write(SIZES + '[recipe]\nadjoint = "Auto"\n[memory]\nbudget = "4 GB"\n')
    assert config.read(path).recipe.adjoint == Auto("4 GB")
    read = config.read(path, memory_budget="2 GB")
    assert read.recipe.adjoint == Auto("2 GB")
    assert read.memory.budget == "2 GB"
    path = write(SIZES + '[recipe]\nadjoint = "Auto"\n')
    assert config.read(path, memory_budget="1 GB").recipe.adjoint == Auto("1 GB")
    with pytest.raises(ValueError, match=r'add a section \[memory\] with budget = "4 GB"'):
        config.read(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[recipe]\ninner_step = 3", r"no key 'inner_step' in \[recipe\]; .* 'inner_steps'"),
        ("[recipes]\nrank = 3", r"no section \[recipes\]; the nearest is 'recipe'"),
        ("[recipe]\nfoo = 3", r"no key 'foo' in \[recipe\]; there are sequences, length"),
        ("[learner]\nrank = 3", r"no key 'rank' in \[learner\]; \[recipe\] has a key of that name"),
        ("[recipe]\nrank = 2.5", r"\[recipe\] rank is 2.5; use a whole number"),
        ("[recipe]\nrank = true", r"\[recipe\] rank is True; use a whole number"),
        ('[recipe]\nrank = "8"', r"\[recipe\] rank is '8'; use a whole number"),
        ("[recipe]\nrank = 0", r"\[recipe\] rank is 0; use a number greater than zero"),
        ("[recipe]\nouter_rate = nan", r"\[recipe\] outer_rate is nan; use a number greater"),
        ('[recipe]\nouter_rate = "fast"', "outer_rate is 'fast'; use a number"),
        ('[recipe]\nstart = "zero"', 'start is \'zero\'; use "real" or "noise"'),
        ("[recipe]\nstart = [1]", 'start is .1.; use "real" or "noise"'),
        ("[recipe]\nadjoint = 3", 'adjoint is 3; use the name of a strategy, such as "StoreSt'),
        ('[recipe]\nadjoint = "Checkpoints"', "'Checkpoints', to which .*recipe. adjoint is set"),
        ('[learner]\narchitecture = "rnn"', "architecture is 'rnn'; use \"sasrec\""),
        (
            '[learner]\narchitecture = "lstm"\nheads = 2',
            "heads is set, but lstm has none; leave it out, or use sasrec or transformer",
        ),
        (
            "[learner]\nhidden = 9",
            "hidden is set, but sasrec has none; leave it out, or use gru4rec",
        ),
        ("[learner]\nrotary = 1", 'rotary is 1; use true or false or "none"'),
        ("[learner]\nheads = 3", "heads is 3, which does not divide the width 64"),
        ("[learner]\nlayers = 0", "layers is 0; use a whole number from 1 up"),
        ("[learner]\ndropout = 1.0", "dropout is 1.0; use a share"),
        ('[memory]\nbudget = "4 XB"', r"\[memory\] '4 XB' is no amount of memory"),
        ("[memory]\nbudget = 4", "budget is 4; use text in quotation marks"),
        ("[memory]\nbudget = [4]", "budget is .4.; use text in quotation marks"),
    ],
)
def test_mistakes_name_file_and_key(write, text, message):
    path = write(SIZES + text)
    with pytest.raises(ValueError, match=message) as error:
        config.read(path)
    assert str(error.value).startswith(f"{path}: ")
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'give one of name = "flights", folder = "prepared" and vocabulary'),
        ('[data]\nname = "flights"\nvocabulary = 3', "give one of name"),
        ('[data]\nname = "fligths"', "name is 'fligths'; use \"flights\""),
        ("[data]\nvocabulary = 0", "vocabulary is 0; use a whole number from 1 up"),
        ('[data]\nname = "flights"\nvalidation_questions = 3', "validation_questions; leave the"),
        (
            SIZES + "[recipe]\nlength = 50",
            r"\[recipe\] length is 50, but .* context, 20; raise con",
        ),
        ("data = 3", r"data is 3; write a section \[data\]"),
        ("rank = 3\n" + SIZES, r"no section \[rank\]; \[recipe\] has a key of that name"),
    ],
)
def test_mistakes_in_what_is_distilled(write, text, message):
    with pytest.raises(ValueError, match=message):
        config.read(write(text))


def test_what_prepare_wrote_is_read(write, tmp_path):
    events = [(user, item) for user in "abc" for item in "xyzx"]
    prepare(pl.DataFrame(events, schema=["user", "item"], orient="row")).save(tmp_path / "log")
    data = config.read(write(f'[data]\nfolder = "{tmp_path / "log"}"')).data
    assert (data.tokens, data.questions) == (3, 3)
    with pytest.raises(ValueError, match=r"holds no card\.json; give a folder that farzi prepare"):
        config.read(write(f'[data]\nfolder = "{tmp_path}"')).data.tokens  # noqa: B018


def test_what_is_no_configuration(tmp_path):
    with pytest.raises(ValueError, match=r"there is no file .*none.toml; name a configuration"):
        config.read(tmp_path / "none.toml")
    with pytest.raises(ValueError, match="is a folder; name a configuration"):
        config.read(tmp_path)
    path = tmp_path / "broken.toml"
    path.write_text("[data]\nvocabulary = \n")
    with pytest.raises(ValueError, match=r"broken.toml is not valid TOML: .*line 2.*; correct it"):
        config.read(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="is no text in UTF-8"):
        config.read(path)
