"""One small log of five events in two sequences, and others made of letters."""

import polars as pl

ROWS = [("b", "tea", 30), ("a", "milk", 20), ("a", "tea", 10), ("b", "ale", 40), ("a", "ale", 30)]
TEXT = "user,item,time\n" + "".join(f"{u},{i},{t}\n" for u, i, t in ROWS)
FRAME = pl.DataFrame(ROWS, schema=["user", "item", "time"], orient="row")
AS_SEQUENCES = {"b": ["tea", "ale"], "a": ["tea", "milk", "ale"]}


def words(prepared):
    """Tokens of each sequence of what was prepared, by the sequence's name."""
    decode = prepared.sequences.vocabulary.decode
    return {
        name.as_py(): decode(ids)
        for name, ids in zip(prepared.names, prepared.sequences, strict=True)
    }


def write(tmp_path, text, name="log.csv"):
    """A file of that text or of those bytes."""
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def log_of(*sequences):
    """A frame of one user for each string, one event for each letter, at times 0, 1, ..."""
    rows = [(str(u), i, t) for u, items in enumerate(sequences) for t, i in enumerate(items)]
    return pl.DataFrame(rows, schema=["user", "item", "time"], orient="row")
