"""A broken line of JSON Lines, or of a compressed file, is named."""

import gzip

import pytest
from small_log import AS_SEQUENCES, FRAME, TEXT, words, write

from farzi.preparing.prepare import prepare

GOOD = '{"user": "a", "item": "tea"}\n'
BROKEN = {
    "cut off": (
        '{"user": "a", "it',
        r"""'{"user": "a", "it' is no JSON object \(unterminated st""",
    ),
    "array": ('["a", "tea"]\n', r"""'\["a", "tea"\]' is no JSON object; write one object a line"""),
    "number": ("3\n", "'3' is no JSON object; write"),
    "no quotes": ("{user: 1}\n", r"double quotes, at character 2\); write one object"),
    "two objects": (GOOD.strip() + GOOD, r"\(extra data, at character 29\)"),
    "not a number": ('{"user": NaN}\n', r"\(NaN is no number of JSON\)"),
    "latin": (b'{"user": "caf\xe9"}\n', "byte 14 is no text in UTF-8; convert the file"),
}


@pytest.mark.parametrize("name", ["log.jsonl", "log.jsonl.gz", "log.json"])
@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_line_is_named(tmp_path, name, case):
    line, message = BROKEN[case]
    content = f"{GOOD}\n{GOOD}".encode() + (line if isinstance(line, bytes) else line.encode())
    if name.endswith(".gz"):
        content = gzip.compress(content)
    with pytest.raises(ValueError, match=rf"log\.json.*, line 4: .*{message}"):
        prepare(write(tmp_path, content, name))


def test_a_list_over_several_lines_is_no_json_lines(tmp_path):
    with pytest.raises(ValueError, match=r"line 1: '\[' is no JSON object .* write one object a"):
        prepare(write(tmp_path, f"[\n{GOOD}]\n", "log.json"))


def test_compressed_lines_are_read(tmp_path):
    FRAME.write_ndjson(tmp_path / "log.jsonl")
    content = gzip.compress((tmp_path / "log.jsonl").read_bytes())
    assert words(prepare(write(tmp_path, content, "log.jsonl.gz"))) == AS_SEQUENCES


@pytest.mark.parametrize("name", ["log.csv.gz", "log.jsonl.gz"])
def test_what_cannot_be_decompressed(tmp_path, name):
    whole = gzip.compress((TEXT if "csv" in name else GOOD * 9).encode())
    damaged = whole[:-6] + bytes([whole[-6] ^ 255]) + whole[-5:]
    for content in (whole[:-12], damaged, b"user,item\na,b\n"):
        with pytest.raises(ValueError, match=r"gz cannot be decompressed after line \d+ \(.*fetch"):
            prepare(write(tmp_path, content, name))
