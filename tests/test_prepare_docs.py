"""What docs/prepare.md says can be typed does run."""

import re
from pathlib import Path

import numpy as np
import pytest

from farzi.preparing.columns import NUMBERS

TEXT = (Path(__file__).parents[1] / "docs" / "prepare.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = re.findall(r"^    farzi prepare (\w.*\.\w+ .*|\w+/ .*)$", TEXT, re.MULTILINE)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """What an example defines, by its place on the page."""
    monkeypatch.chdir(tmp_path)

    def run(number):
        names = {}
        exec(BLOCKS[number], names)
        return names

    return run


def test_a_log_is_prepared(run):
    assert run(0)["prepared"].split.train.vocabulary.tokens == ("ale", "milk", "tea")
    assert Path("prepared/card.json").exists()


def test_numbers_become_bins(run):
    assert run(1)["ids"].tolist() == [0, 2, 3]


def test_conversations_are_prepared(run):
    held_out = run(2)["held_out"]
    assert len(held_out) == 5
    assert held_out.loss_mask is not None
    assert len(BLOCKS) == 3


def test_commands_run(tmp_path, monkeypatch):
    from farzi.cli import main

    monkeypatch.chdir(tmp_path)
    Path("ptb").mkdir()
    for part in ("train", "valid", "test"):
        Path(f"ptb/ptb.{part}.txt").write_text("the end\n")
    numbers = np.random.default_rng(0).normal(size=200)
    rows = (f"{event % 8},{number}\n" for event, number in enumerate(numbers))
    Path("readings.csv").write_text("sensor,reading\n" + "".join(rows))
    assert len(COMMANDS) == 2
    for command in COMMANDS:
        monkeypatch.setattr("sys.argv", ["farzi", "prepare", *command.split()])
        main()
        assert Path("prepared/card.json").exists()


def test_all_usual_names_of_numbers_are_told():
    assert all(f"`{name}`" in TEXT for name in NUMBERS)
