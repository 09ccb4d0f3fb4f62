"""The page as a whole, and the file that it is written to."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from toy_report import Page, report_data, write

from farzi.report import write_report


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> str:
    return write(tmp_path_factory.mktemp("report"), report_data())


@pytest.fixture(scope="module")
def page(source) -> Page:
    return Page(source)


def test_a_page_is_whole_html_with_language_title_and_headings(source, page):
    assert source.startswith("<!DOCTYPE html>")
    assert page.stack == []
    assert page.named("html") == [{"lang": "en"}]
    assert len(page.named("h1")) == len(page.named("main")) == 1
    assert len(page.named("section")) == len(page.named("h2")) == 8
    assert {s["aria-labelledby"] for s in page.named("section")} == {
        h["id"] for h in page.named("h2")
    }


def test_nothing_is_fetched_and_nothing_runs(source, page):
    assert not {"script", "link", "iframe", "img", "object"} & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            assert attributes.get(name, "#").startswith("#"), (tag, attributes)
        assert not any(name.startswith("on") for name in attributes)
    assert "http://" not in source
    assert "https://" not in source
    assert "@import" not in source
    assert set(re.findall(r"url\((.)", source)) <= {"#"}
    assert len(source) < 1_500_000


def test_every_picture_says_in_words_what_it_shows(page):
    pictures = page.named("svg")
    assert len(pictures) == 8
    for picture in pictures:
        assert picture["role"] == "img"
        assert len(picture["aria-label"]) > 40
        assert {"width", "height"}.isdisjoint(picture)
    assert len(page.named("figcaption")) == 7


def test_ids_are_unique_and_references_lead_somewhere(source, page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = re.findall(r"url\(#([^)]+)\)", source) + re.findall(r'href="#([^"]+)"', source)
    assert wanted
    assert set(wanted) <= set(ids)
    for _, attributes in page.elements:
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids


def test_pictures_take_the_colours_of_the_page_in_light_and_dark(source):
    style = (resources.files("farzi.report") / "style.css").read_text("utf-8")
    svgs = "".join(re.findall(r"<svg.*?</svg>", source, re.DOTALL))
    light, dark = style.split("prefers-color-scheme: dark")
    variables = set(re.findall(r"var\((--[\w-]+)\)", svgs))
    assert {"--ink", "--line", "--full", "--distilled", "--random", "--heat"} <= variables
    for variable in variables:
        assert f"{variable}: #" in light
        assert f"{variable}: #" in dark
    assert not re.findall(r"(?:fill|stroke): #", svgs)


def test_text_stands_out_from_its_background_in_light_and_dark():
    style = (resources.files("farzi.report") / "style.css").read_text("utf-8")
    light, dark = (
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", part))
        for part in style.split("prefers-color-scheme: dark")
    )
    pairs = [(f"t{i}", f"c{i}") for i in range(5)] + [("ink", "page"), ("muted", "page")]
    for colours in (light, dark):
        for text, background in [*pairs, ("distilled", "page")]:
            assert contrast(colours[text], colours[background]) >= 4.5, (text, background)
        for line in ("full", "random", "fourth", "fifth", "heat"):
            assert contrast(colours[line], colours["page"]) >= 3, line


def contrast(first: str, second: str) -> float:
    """Contrast ratio by WCAG 2."""

    def luminance(colour: str) -> float:
        channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_the_same_data_give_the_same_bytes(tmp_path, source):
    code = """
import sys, warnings
warnings.simplefilter("error")
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from toy_report import report_data
from farzi.report import write_report
import matplotlib
matplotlib.rcParams["lines.linewidth"] = 9  # a user's own settings
write_report(Path(sys.argv[1]), report_data())
assert matplotlib.rcParams["lines.linewidth"] == 9
assert "matplotlib.pyplot" not in sys.modules
assert not any(name.split(".")[0] in ("jax", "equinox", "optax") for name in sys.modules)
"""
    path = tmp_path / "again.html"
    here = str(Path(__file__).parent)
    subprocess.run([sys.executable, "-c", code, str(path), here], check=True, timeout=300)
    assert path.read_text("utf-8") == source


def test_it_replaces_what_was_there_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "new" / "report.html"
    path.parent.mkdir()
    path.write_text("old")
    write_report(path, report_data())
    assert "condensed" in path.read_text("utf-8")
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_report(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")

    def fail(self: Path, content: bytes) -> int:
        self.open("wb").close()
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="disk full"):
        write_report(path, report_data())
    assert path.read_text("utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]
