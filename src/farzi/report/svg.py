"""Matplotlib figures as SVG that belongs to the page: its fonts, its colours, its light or dark."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from html import escape
from importlib import resources

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# A colour of a figure and the CSS variable that it becomes, so that a picture changes with the
# page from light to dark. Apart from ink and heat these are Okabe and Ito's, told apart by colour-
# blind readers; style.css gives each its shade for either mode.
THEME = {
    "#1f2328": "--ink",
    "#59636e": "--muted",
    "#d1d9e0": "--line",
    "#08519c": "--heat",
    "#57606a": "--full",
    "#0072b2": "--distilled",
    "#d55e00": "--random",
    "#009e73": "--fourth",
    "#cc79a7": "--fifth",
}
INK, MUTED, LINE, HEAT, *SERIES = THEME
ARM_COLOURS = dict(zip(("full", "distilled", "random"), SERIES, strict=False))

_STYLE = {
    "svg.hashsalt": "farzi",
    "svg.fonttype": "none",
    # Tokens and names are data: a `$` in them is a dollar.
    "text.parse_math": False,
    "font.size": 13,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 13,
    "axes.titlecolor": INK,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "legend.handlelength": 1.6,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}

_HEADER = re.compile(r"<svg\b[^>]*?\bviewBox=\"([^\"]*)\"[^>]*>")
_LEFT_OUT = re.compile(r"<metadata>.*?</metadata>|<style\b.*?</style>|<!--.*?-->", re.DOTALL)
_FONT = re.compile(r"\bfont: ((?:(?!\d)[\w-]+ )*)([\d.]+)px [^;\"]*")
_REFERENCES = re.compile(r"(\bid=\"|href=\"#|url\(#)")
_COLOURS = re.compile("|".join(THEME), re.IGNORECASE)


def picture(
    name: str, alt: str, draw: Callable[[Axes], None], *, width: int = 480, height: int = 320
) -> str:
    """Draw on the axes of a new figure; return it as an inline SVG element.

    Text stays text and is set in the page's font by the reader's browser, which also has the
    scripts and emoji that matplotlib's font lacks. The same drawing gives the same characters.

    Args:
        name: precedes every id, so that several pictures may share a page.
        alt: what the picture shows, for whoever cannot see it.
        draw: the drawing.
        width: of the figure in CSS pixels; it scales with the page.
        height: likewise.
    """
    buffer = io.StringIO()
    with style.context(["default", _STYLE]), warnings.catch_warnings():
        # It only measures text here. A glyph its font lacks is measured as a box of usual width.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from")
        figure = Figure(figsize=(width / 72, height / 72), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _inline(buffer.getvalue(), name, alt)


def standalone(picture: str) -> str:
    """An inline picture as a file of its own, for light and dark pages.

    Args:
        picture: what `picture` returned.
    """
    colours = re.findall(
        r":root \{.*?\}|@media screen and \(prefers-color-scheme: dark\) \{\s*:root \{.*?\}\s*\}",
        (resources.files("farzi.report") / "style.css").read_text(),
        re.DOTALL,
    )
    style = f"<style>{' '.join(colours)} text {{ font-family: sans-serif; }}</style>"
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    box = re.search(r"viewBox=\"[\d.]+ [\d.]+ ([\d.]+) ([\d.]+)\"", picture)
    assert box is not None
    size = f'{spaces} width="{box[1]}" height="{box[2]}"'
    return re.sub(r"<svg ([^>]*)>", rf"<svg {size} \1>{style}", picture, count=1) + "\n"


def _inline(document: str, name: str, alt: str) -> str:
    """A standalone SVG document as an element for an HTML page."""
    header = _HEADER.search(document)
    assert header is not None, "matplotlib wrote SVG without a viewBox"
    body = _LEFT_OUT.sub("", document[header.end() :])
    parts = re.split(r"(<[^>]*>)", body)
    # Only tags are rewritten: what stands between them is text, and may be a token.
    parts[1::2] = [_rewrite_tag(tag, name) for tag in parts[1::2]]
    opening = f'<svg viewBox="{header[1]}" role="img" aria-label="{escape(alt)}">'
    return opening + re.sub(r"\s*\n\s*", "\n", "".join(parts)).strip()


def _rewrite_tag(tag: str, name: str) -> str:
    tag = _REFERENCES.sub(rf"\g<1>{name}-", tag)
    tag = _FONT.sub(_font_size, tag)
    return _COLOURS.sub(lambda match: f"var({THEME[match[0].lower()]})", tag)


def _font_size(match: re.Match[str]) -> str:
    weight = "; font-weight: bold" if "bold" in match[1] or "700" in match[1] else ""
    return f"font-size: {match[2]}px{weight}"
