from importlib import resources

import polars as pl

from farzi.data import flights

LOG = flights()


def test_size_is_what_the_page_says():
    assert (len(LOG), LOG.events, len(LOG.vocabulary)) == (4_037, 328_521, 104)
    assert LOG.lengths.min() >= 1


def test_first_aircraft_by_name():
    assert LOG.vocabulary.decode(LOG[0]) == ["ATL", "MCO", "MCO", "ATL"]
    with resources.as_file(resources.files("farzi.data") / "flights.parquet") as path:
        assert pl.read_parquet(path)["aircraft"][0] == "D942DN"


def test_sequences_are_those_of_the_file():
    with resources.as_file(resources.files("farzi.data") / "flights.parquet") as path:
        frame = pl.read_parquet(path).cast({"aircraft": pl.String, "destination": pl.String})
    by_aircraft = frame.group_by("aircraft", maintain_order=True).agg("destination")
    assert by_aircraft["aircraft"].is_sorted()
    for ids, destinations in zip(LOG, by_aircraft["destination"].to_list(), strict=True):
        assert LOG.vocabulary.decode(ids) == destinations


def test_vocabulary_is_sorted():
    assert list(LOG.vocabulary.tokens) == sorted(LOG.vocabulary.tokens)
