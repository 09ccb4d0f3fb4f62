"""The command as a user runs it: another process."""

import subprocess
import sys

import pytest


def farzi(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "farzi", *arguments], capture_output=True, text=True, timeout=60
    )


def test_help_names_the_commands():
    answer = farzi("--help")
    assert answer.returncode == 0
    assert "demo" in answer.stdout


def test_help_imports_nothing_that_takes_long():
    code = "import sys, farzi.cli; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 0
    assert not {"jax", "numpy", "polars", "matplotlib", "equinox"} & set(answer.stdout.split())


@pytest.mark.parametrize("seed", ["-1", "100000000"])
def test_an_impossible_seed_is_refused(tmp_path, seed):
    answer = farzi("demo", "--out", str(tmp_path), "--seed", seed)
    assert answer.returncode == 1
    assert answer.stderr == f"farzi: --seed is {seed}; use a whole number from 0 to 99999999.\n"


def test_a_file_in_place_of_the_folder_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    answer = farzi("demo", "--out", str(path))
    assert answer.returncode == 1
    assert "is a file" in answer.stderr
    assert path.read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    answer = farzi("demo", "--out", str(tmp_path / "file" / "out"))
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"farzi: --out {tmp_path / 'file' / 'out'} cannot be written")
    assert answer.stderr.endswith("name another folder.\n")


def test_an_unknown_option_names_the_nearest():
    answer = farzi("demo", "--sed", "1")
    assert answer.returncode == 2
    assert "--seed" in answer.stdout + answer.stderr
