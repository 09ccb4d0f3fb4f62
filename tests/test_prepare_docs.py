"""What docs/prepare.md says can be typed does run."""

import re
from pathlib import Path

import numpy as np
import pytest

from farzi.preparing.columns import NUMBERS

TEXT = (Path(__file__).parents[1] / "docs" / "prepare.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = re.findall(r"^    farzi prepare (\w.*\.\w+ .*|\w+/ .*)$", TEXT, re.MULTILINE)


@pytest.mark.parametrize("block", BLOCKS)
def test_examples_run(tmp_path, monkeypatch, block):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(block, names)
    if "bins" in names:
        assert names["ids"].tolist() == [0, 2, 3]
    else:
        assert names["prepared"].split.train.vocabulary.tokens == ("ale", "milk", "tea")
        assert (tmp_path / "prepared" / "card.json").exists()


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
