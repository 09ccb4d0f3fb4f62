"""From a user's file or object to sequences: every form in which a log may come."""

import datetime
import gzip

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_log import AS_SEQUENCES, FRAME, ROWS, TEXT, words, write

from farzi.preparing.options import EventOptions
from farzi.preparing.prepare import prepare


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
    prepared = prepare(write(tmp_path, "7 3\n7 1\n7 3\n2 1\n", "log.txt"))
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
