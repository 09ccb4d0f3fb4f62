"""From a user's file to sequences: what is understood, kept, dropped and split."""

import datetime
import gzip

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farzi.preparing import events as events_module
from farzi.preparing.options import EventOptions, SplitOptions
from farzi.preparing.prepare import prepare

ROWS = [("b", "tea", 30), ("a", "milk", 20), ("a", "tea", 10), ("b", "ale", 40), ("a", "ale", 30)]
TEXT = "user,item,time\n" + "".join(f"{u},{i},{t}\n" for u, i, t in ROWS)
FRAME = pl.DataFrame(ROWS, schema=["user", "item", "time"], orient="row")
AS_SEQUENCES = {"b": ["tea", "ale"], "a": ["tea", "milk", "ale"]}


def words(prepared):
    """Tokens of each sequence by its name."""
    decode = prepared.sequences.vocabulary.decode
    return {
        name.as_py(): decode(ids)
        for name, ids in zip(prepared.names, prepared.sequences, strict=True)
    }


def prepared_from(tmp_path, text, name="log.csv", options=None, **settings):
    path = tmp_path / name
    path.write_text(text)
    return prepare(path, options, **settings)


def csv(tmp_path):
    (tmp_path / "log.csv").write_text(TEXT)
    return tmp_path / "log.csv"


def tsv(tmp_path):
    (tmp_path / "log.tsv").write_text(TEXT.replace(",", "\t"))
    return tmp_path / "log.tsv"


def semicolons_and_windows(tmp_path):
    content = TEXT.replace(",", ";").replace("\n", "\r\n")
    (tmp_path / "log.csv").write_bytes(b"\xef\xbb\xbf" + content.encode())
    return tmp_path / "log.csv"


def zipped(tmp_path):
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(TEXT.encode()))
    return tmp_path / "log.csv.gz"


def recbole(tmp_path):
    text = TEXT.replace(",", "\t").replace(
        "user\titem\ttime", "user_id:token\titem_id:token\ttimestamp:float"
    )
    (tmp_path / "log.inter").write_text(text)
    return tmp_path / "log.inter"


def json_lines(tmp_path):
    FRAME.write_ndjson(tmp_path / "log.jsonl")
    return tmp_path / "log.jsonl"


def parquet(tmp_path):
    FRAME.write_parquet(tmp_path / "log.parquet")
    return tmp_path / "log.parquet"


def arrow(tmp_path):
    FRAME.write_ipc(tmp_path / "log.arrow")
    return tmp_path / "log.arrow"


def files_of_a_glob(tmp_path):
    for number in range(len(FRAME)):
        FRAME[number : number + 1].write_parquet(tmp_path / f"part-{number}.parquet")
    return str(tmp_path / "part-*.parquet")


def partitioned_folder(tmp_path):
    for number, user in enumerate("ba"):
        folder = tmp_path / "log" / f"user={user}"
        folder.mkdir(parents=True)
        part = FRAME.filter(pl.col("user") == user).drop("user")
        part.write_parquet(folder / f"{number}.parquet")
    return tmp_path / "log"


def saved_by_hugging_face(tmp_path):
    """As `datasets.Dataset.save_to_disk` writes it: Arrow's stream format beside notes in JSON."""
    folder = tmp_path / "saved"
    folder.mkdir()
    FRAME.write_ipc_stream(folder / "data-00000-of-00001.arrow")
    for name in ("state.json", "dataset_info.json"):
        (folder / name).write_text("{}")
    return folder


def frame(tmp_path):
    return FRAME


def dates(tmp_path):
    day = pl.col("time").map_elements(lambda day: f"2013-01-{day - 9:02} 05:15", pl.String)
    FRAME.with_columns(day).write_csv(tmp_path / "log.csv")
    return tmp_path / "log.csv"


def datetimes(tmp_path):
    first = datetime.datetime(2013, 1, 1)
    return FRAME.with_columns(first + pl.duration(minutes="time"))


@pytest.mark.parametrize(
    "make",
    [
        csv,
        tsv,
        semicolons_and_windows,
        zipped,
        recbole,
        json_lines,
        parquet,
        arrow,
        files_of_a_glob,
        partitioned_folder,
        saved_by_hugging_face,
        frame,
        dates,
        datetimes,
    ],
)
def test_the_same_log_in_any_form(tmp_path, make):
    prepared = prepare(make(tmp_path))
    assert words(prepared) == AS_SEQUENCES
    assert prepared.card["events_read"] == prepared.card["events"] == 5
    assert prepared.sequences.vocabulary.tokens == ("ale", "milk", "tea")


def test_lines_of_user_and_item_need_no_header(tmp_path):
    prepared = prepared_from(tmp_path, "7 3\n7 1\n7 3\n2 1\n", name="log.txt")
    assert words(prepared) == {"7": ["3", "1", "3"], "2": ["1"]}
    assert prepared.times is None
    assert prepared.card["split"]["training_events_after_test"] is None


def test_columns_without_header_are_named_in_order(tmp_path):
    log = "".join(f"{item},{user},5.0,{time}\n" for user, item, time in ROWS)
    prepared = prepare(write(tmp_path, log), columns=("item", "user", "rating", "time"))
    assert words(prepared) == AS_SEQUENCES


def test_columns_may_be_named_by_the_user(tmp_path):
    log = TEXT.replace("user,item,time", "who,what,when")
    options = EventOptions(user="who", item="what", time="when")
    assert words(prepare(write(tmp_path, log), options)) == AS_SEQUENCES


def test_ties_stay_in_the_order_of_the_file(tmp_path):
    log = "user,item,time\n" + "".join(f"a,{item},{item // 3}\n" for item in range(9))
    assert words(prepare(write(tmp_path, log))) == {"a": [str(item) for item in range(9)]}


def test_times_are_microseconds_whatever_they_were(tmp_path):
    seconds = prepare(FRAME.with_columns(pl.col("time") + 1_300_000_000))
    milliseconds = prepare(FRAME.with_columns((pl.col("time") + 1_300_000_000) * 1000))
    assert seconds.card["time"]["unit"] == "s"
    assert milliseconds.card["time"]["unit"] == "ms"
    assert seconds.times.tolist() == milliseconds.times.tolist()
    assert seconds.card["time"]["from"].startswith("2011-03-13T07:06:50")
    unknown = prepare(FRAME)
    assert unknown.card["time"] == {"unit": None, "from": 10.0, "to": 40.0}


def log_of(*sequences):
    """A frame of one user for each string, one event for each letter, at times 0, 1, ..."""
    rows = [(str(u), i, t) for u, items in enumerate(sequences) for t, i in enumerate(items)]
    return pl.DataFrame(rows, schema=["user", "item", "time"], orient="row")


def kept(log, **options):
    prepared = prepare(log, EventOptions(**options))
    return ["".join(tokens) for tokens in words(prepared).values()], prepared.card


def test_minima_hold_for_what_is_left():
    # Without d, which comes once, the second user has two events; without that user, c comes once.
    sequences, card = kept(log_of("aabb", "ccd", "aabbc"), min_user_events=3, min_item_events=2)
    assert sequences == ["aabb", "aabb"]
    assert card["dropped"] == [
        {"events": 4, "reason": "users under 3 or items under 2 events, until both hold"}
    ]


def test_minima_may_be_applied_once():
    sequences, _ = kept(
        log_of("aabb", "ccd", "aabbc"), min_user_events=3, min_item_events=2, once=True
    )
    assert sequences == ["aabb", "cc", "aabbc"]


def test_a_gap_begins_a_new_sequence():
    log = log_of("abcdef", "abc").with_columns(
        pl.when(pl.col("item") > "b").then(pl.col("time") + 10).otherwise("time").alias("time")
    )
    prepared = prepare(log, EventOptions(visit_gap=5.0))
    decoded = ["".join(prepared.sequences.vocabulary.decode(ids)) for ids in prepared.sequences]
    assert decoded == ["ab", "cdef", "ab", "c"]
    assert [name.as_py() for name in prepared.names] == ["0", "0", "1", "1"]


def test_repeats_in_a_row_may_be_collapsed():
    sequences, card = kept(log_of("aabbba", "abab"), collapse_repeats=True)
    assert sequences == ["aba", "abab"]
    assert card["dropped"] == [{"events": 3, "reason": "repeats of the event before"}]


def test_the_last_events_of_long_sequences_are_kept():
    sequences, card = kept(log_of("abcdef", "abc"), max_length=4)
    assert sequences == ["cdef", "abc"]
    assert card["dropped"] == [{"events": 2, "reason": "older than the last 4 of a sequence"}]


def test_types_and_ratings_are_filtered_and_counted():
    log = log_of("abcdef").with_columns(
        rating=pl.Series([1.0, 2, 3, 4, 5, 5]),
        event_type=pl.Series(["view", "buy", "buy", "view", "buy", "buy"]),
    )
    sequences, card = kept(log, types=("buy",), min_rating=3.0)
    assert sequences == ["cef"]
    assert card["dropped"] == [
        {"events": 2, "reason": "of other types than buy"},
        {"events": 1, "reason": "rated below 3.0"},
    ]


def test_incomplete_events_may_be_left_out(tmp_path):
    log = TEXT + "a,,50\n,tea,50\na,tea,\na,tea,never\na,tea,nan\n"
    prepared = prepare(write(tmp_path, log), EventOptions(drop_incomplete=True))
    assert words(prepared) == AS_SEQUENCES
    assert prepared.card["dropped"] == [{"events": 5, "reason": "incomplete"}]


def test_every_event_read_is_kept_or_accounted_for():
    rng = np.random.default_rng(0)
    log = pl.DataFrame(
        {
            "user": rng.integers(40, size=1000),
            "item": rng.integers(90, size=1000),
            "time": rng.integers(500, size=1000),
            "rating": rng.integers(1, 6, size=1000),
        }
    )
    options = EventOptions(
        min_user_events=12,
        min_item_events=6,
        min_rating=2.0,
        collapse_repeats=True,
        max_length=4,
        visit_gap=30.0,
    )
    card = prepare(log, options).card
    assert len(card["dropped"]) == 4
    assert sum(drop["events"] for drop in card["dropped"]) + card["events"] == 1000


def test_a_log_is_worked_through_user_by_user(monkeypatch):
    rng = np.random.default_rng(0)
    log = pl.DataFrame({name: rng.integers(30, size=500) for name in ("user", "item", "time")})
    whole = prepare(log, EventOptions(max_length=9))
    monkeypatch.setattr(events_module, "EVENTS_AT_ONCE", 60)
    parts = prepare(log, EventOptions(max_length=9))
    assert words(parts) == words(whole)
    assert parts.card == whole.card


NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Z")), min_size=1, max_size=5
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    rows=st.lists(
        st.tuples(NAMES, NAMES, st.integers(-(10**6), 10**6)), min_size=3, max_size=30
    ).filter(lambda rows: len({item for _, item, _ in rows}) > 1)
)
def test_any_table_comes_back(tmp_path, rows):
    """Sorted by hand and by `prepare`, from a file with whatever needs quotation marks."""
    expected = {}
    for user, item, _ in sorted(rows, key=lambda row: row[2]):
        expected.setdefault(user, []).append(item)
    if max(map(len, expected.values())) < 3:
        return
    log = pl.DataFrame(rows, schema=["user", "item", "time"], orient="row")
    log.write_csv(tmp_path / "log.csv", separator="\t", quote_style="always")
    assert words(prepare(tmp_path / "log.csv", separator="\t")) == expected


def write(tmp_path, text, name="log.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


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
        ("log.jsonl", b'{"user": 1, "item": 2}\n{"user": 1, "it', r"log\.jsonl cannot be read"),
        ("log.xlsx", b"PK", r"log\.xlsx is of no kind that can be read; those end with \.csv"),
    ],
)
def test_files_that_are_broken_or_of_another_kind(tmp_path, name, content, message):
    with pytest.raises(ValueError, match=message):
        prepare(write(tmp_path, content, name))


def test_truncated_parquet(tmp_path):
    whole = parquet(tmp_path).read_bytes()
    for length in (3, len(whole) // 2, len(whole) - 3):
        with pytest.raises(ValueError, match="cannot be read"):
            prepare(write(tmp_path, whole[:length], "cut.parquet"))


def test_what_is_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"no file or folder .*log\.csv; check the path"):
        prepare(tmp_path / "log.csv")
    with pytest.raises(ValueError, match="holds no file that can be read"):
        prepare(str(tmp_path / "*.csv"))
    with pytest.raises(ValueError, match="this builtins int is no table; give a path"):
        prepare(3)
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
    "options", [{"min_user_events": 0}, {"visit_gap": 0.0}, {"max_length": -1}]
)
def test_impossible_options(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} is .*; use a"):
        EventOptions(**options)


def test_impossible_splits():
    with pytest.raises(ValueError, match="leaves nothing to train on; lower them"):
        SplitOptions(validation_share=0.5, test_share=0.5)
    with pytest.raises(ValueError, match="shares above 0"):
        SplitOptions(test_share=0.0)
    with pytest.raises(ValueError, match="a split by time needs a column with times"):
        prepare(FRAME.drop("time"), split=SplitOptions("time"))
