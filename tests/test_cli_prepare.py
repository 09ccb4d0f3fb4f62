"""The command, as a user would run it."""

import json

import pytest

from farzi.cli import main
from farzi.preparing.folder import load_prepared

LOG = "1,2,10,4.0\n1,3,20,5.0\n1,2,30,1.0\n2,3,10,2.0\n2,2,20,5.0\n2,3,40,5.0\n"


def run(monkeypatch, capsys, *arguments):
    """What `farzi prepare` prints and complains of, and its exit code."""
    monkeypatch.setattr("sys.argv", ["farzi", "prepare", *map(str, arguments)])
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    return code, *capsys.readouterr()


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    return path


COLUMNS = ("--columns", "user,item,time,rating")


def test_prepares_and_says_what_it_did(monkeypatch, capsys, tmp_path, log):
    out = tmp_path / "out"
    code, said, _ = run(
        monkeypatch, capsys, log, "--out", out, *COLUMNS, "--min-rating", "2", "--show"
    )
    assert code == 0
    for part in ("events read", "6", "1 rated below 2.0", "2 of 2 to 3 events", "3 @ 40"):
        assert part in said
    prepared = load_prepared(out)
    assert [ids.tolist() for ids in prepared.sequences] == [[0, 1], [1, 0, 1]]
    assert json.loads((out / "card.json").read_text())["options"] == {"min_rating": 2.0}


def test_one_line_for_what_the_user_can_mend(monkeypatch, capsys, tmp_path, log):
    code, _, complaint = run(monkeypatch, capsys, log, "--out", tmp_path / "out")
    assert code == 1
    assert complaint.startswith("farzi: ")
    assert "4 columns and no header" in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_looks_at_the_place_for_the_result_first(monkeypatch, capsys, tmp_path, log):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    code, _, complaint = run(
        monkeypatch, capsys, tmp_path / "not there.csv", "--out", tmp_path / "out"
    )
    assert code == 1
    assert "already holds something else" in complaint


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            ("--bpe-size", 300, "--unit", "line"),
            "for text --unit, --bpe-size is given, but no --text; give --text TOKENIZER too.",
        ),
        (
            ("--text", "words", "--min-rating", 3, "--max-length", 9),
            "--text is given, and for events --min-rating, --max-length; leave out either.",
        ),
    ],
)
def test_options_that_nothing_would_read(monkeypatch, capsys, tmp_path, log, options, complaint):
    code, _, said = run(monkeypatch, capsys, log, "--out", tmp_path / "out", *options)
    assert code == 1
    assert said == f"farzi: {complaint}\n"


def test_text_with_its_options(monkeypatch, capsys, tmp_path):
    (tmp_path / "poem.txt").write_text("a b\n\nb c\na c\n\nc\nb\n")
    code, said, _ = run(
        monkeypatch,
        capsys,
        tmp_path / "poem.txt",
        "--out",
        tmp_path / "out",
        *("--text", "words", "--unit", "line", "--test-share", 0.2, "--validation-share", 0.2),
    )
    assert code == 0
    assert "2 texts, empty" in said
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert card["options"] == {
        "tokenizer": "words",
        "unit": "line",
        "test_share": 0.2,
        "validation_share": 0.2,
    }
