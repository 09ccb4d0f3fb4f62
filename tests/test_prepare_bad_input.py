"""What cannot be prepared is told with its place and a remedy."""

import pytest
from small_log import FRAME, TEXT, write

from farzi.preparing.options import EventOptions, SplitOptions
from farzi.preparing.prepare import prepare

PARQUET = b"PAR1" + bytes(200)
BAD = {
    "empty": ("", "log.csv is empty; name a file that holds events"),
    "names only": ("user,item,time\n", "has no events, only names"),
    "wrong separator": ("user^item\na^b\n", r"no separator .* give it with --separator"),
    "no user": ("who,item\na,b\n", r"no column that is known to hold the user.*--user who"),
    "text for a time": ("user,item,time\na,b,1\na,c,soon\n", "line 3, column 'time': 'soon' is no"),
    "not a number": ("user,item,time\na,b,1\na,c,nan\n", "line 3, column 'time': 'nan' is no time"),
    "infinite": ("user,item,time\na,b,inf\na,c,1\n", "line 2, column 'time': 'inf' is no time"),
    "units": (f"user,item,time\na,b,{1e9:.0f}\na,c,{1e12:.0f}\n", "counted s and others ms"),
    "empty item": ("user,item\na,b\na,\n", "line 3, column 'item': there is no item"),
    "header twice": ("user,item,item\na,b,c\n", "line 1: there is more than one column 'item'"),
    "latin": (b"user,item\na,b\na,caf\xe9\n", "line 3: byte 6 is no text in UTF-8"),
    "latin later": (b"user,item\n" + b"a,b\n" * 99 + b"\xe9,b\n", "line 101: byte 1 is no text"),
    "a field more": ("user,item\n" + "a,b\n" * 99 + "a,b,c\n", "line 101: 3 fields where line 1"),
    "a long line": ("user,item\n" + "a" * 2**21 + ",b\n", "line 2 is longer than a million bytes"),
    "one item": ("user,item\na,b\na,b\na,b\n", "all 3 events are the same"),
    "too short": ("user,item\na,b\nb,c\n", "leaves nothing to validate: of 2 sequences 0 have"),
    "one column": ("user\na\n", "no separator"),
    "many columns": ("1,2,3\n1,2,4\n", r"3 columns and no header; say what they are.*--columns"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_told_with_its_place(tmp_path, case):
    content, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        prepare(write(tmp_path, content))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("log.parquet", PARQUET, r"log\.parquet cannot be read.*fetch or write it again"),
        ("log.xlsx", b"PK", r"log\.xlsx is of no kind that can be read; those end with \.csv"),
    ],
)
def test_files_that_are_broken_or_of_another_kind(tmp_path, name, content, message):
    with pytest.raises(ValueError, match=message):
        prepare(write(tmp_path, content, name))


def test_truncated_parquet(tmp_path):
    FRAME.write_parquet(tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    for length in (3, len(whole) // 2, len(whole) - 3):
        with pytest.raises(ValueError, match="cannot be read"):
            prepare(write(tmp_path, whole[:length], "cut.parquet"))


def test_what_is_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"no file or folder .*log\.csv; check the path"):
        prepare(tmp_path / "log.csv")
    with pytest.raises(ValueError, match="holds no file that can be read"):
        prepare(str(tmp_path / "*.csv"))
    write(tmp_path, TEXT, "a.csv")
    write(tmp_path, TEXT, "b.parquet")
    with pytest.raises(ValueError, match="files of different kinds"):
        prepare(tmp_path)


def test_files_with_other_columns_are_refused(tmp_path):
    write(tmp_path, TEXT, "a.csv")
    write(tmp_path, TEXT.replace("time", "rating"), "b.csv")
    with pytest.raises(ValueError, match=r"b\.csv has the columns user, item, rating, but"):
        prepare(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"user": "usr"}, r"no column 'usr'.* did you mean 'user'\?"),
        ({"min_rating": 3.0}, "min_rating is set, but .* no column that is known to hold the rat"),
        ({"types": ("buy",)}, "types is set, but .*hold the type"),
        ({"min_user_events": 9}, "no event is left of 5; 5 were left out as users under 9"),
    ],
)
def test_options_that_do_not_fit_the_log(options, message):
    with pytest.raises(ValueError, match=message):
        prepare(FRAME, EventOptions(**options))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"separator": ";"}, "separator and columns are for separated values, which this polars"),
        ({"columns": ["user", "item"]}, "separator and columns are for separated values"),
        ({"split": SplitOptions(test_share=0.2)}, "test_share: set, but the split is 'last'"),
        ({"split": SplitOptions("time", seed=3)}, "seed: set, but the split is 'time'"),
    ],
)
def test_settings_that_nothing_would_read(settings, message):
    with pytest.raises(ValueError, match=message):
        prepare(FRAME, **settings)


@pytest.mark.parametrize(
    "options", [{"min_user_events": 0}, {"visit_gap": 0.0}, {"max_length": -1}]
)
def test_impossible_options(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} is .*; use a"):
        EventOptions(**options)


def test_once_is_nothing_without_a_minimum():
    with pytest.raises(ValueError, match="once is set, but no minimum to apply once; give min_us"):
        EventOptions(once=True)


def test_impossible_splits():
    with pytest.raises(ValueError, match="leaves nothing to train on; lower them"):
        SplitOptions(validation_share=0.5, test_share=0.5)
    with pytest.raises(ValueError, match="shares above 0"):
        SplitOptions(test_share=0.0)
    with pytest.raises(ValueError, match="a split by time needs a column with times"):
        prepare(FRAME.drop("time"), split=SplitOptions("time"))
