"""The report as one HTML page that needs no other file, as plain text, and as PNG files."""

import base64
import io
import re
import textwrap
from collections.abc import Mapping
from html import escape
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from data.errors import printable
from data.explore.section import Missing, Section

Sections = Mapping[str, Section | Missing]
DPI = 130
_CSS = """
body { font: 17px/1.55 system-ui, sans-serif; color: #30343b; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; background: #fff }
h1 { font-size: 1.9rem } h2 { font-size: 1.25rem; margin-top: 3rem; border-top: 1px solid #dde1e6;
  padding-top: 1.2rem } .finding { font-weight: 600 } img { width: 100%; height: auto }
nav a { margin-right: 1.1em; white-space: nowrap } .note { color: #667 }
"""


def as_text(dataset: str, sections: Sections) -> str:
    """The report for a terminal, 80 columns wide."""
    title = f"What is in {dataset}"
    lines = [title, "=" * len(title)]
    for name, section in _there(sections).items():
        lines += ["", f"{name}: {section.title}"]
        lines += [
            textwrap.fill(sentence, 80, initial_indent="  ", subsequent_indent="  ")
            for sentence in section.text
        ]
    lines += [
        "",
        *(
            textwrap.fill(f"Left out: {note}", 80, subsequent_indent="  ")
            for note in _notes(sections)
        ),
    ]
    return printable("\n".join(lines).rstrip() + "\n")


def as_html(dataset: str, sections: Sections, pictures: Mapping[str, bytes]) -> str:
    """The page; pictures: PNG files by the names of their sections."""
    there = _there(sections)
    links = " ".join(f'<a href="#{slug(name)}">{escape(name)}</a>' for name in there)
    body = [f"<h1>What is in {escape(dataset)}</h1>", f"<nav>{links}</nav>"]
    for name, section in there.items():
        body.append(f'<h2 id="{slug(name)}">{escape(name)}</h2>')
        if name in pictures:
            data = base64.b64encode(pictures[name]).decode()
            alt = escape(section.title, quote=True)
            body.append(f'<img alt="{alt}" src="data:image/png;base64,{data}">')
        else:
            body.append(f'<p class="finding">{escape(section.title)}</p>')
        body += [f"<p>{escape(sentence)}</p>" for sentence in section.text]
    body += [f'<p class="note">Left out: {escape(note)}</p>' for note in _notes(sections)]
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(dataset)}</title><style>{_CSS}</style>"
    )
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n'
        + "\n".join(body)
        + ("\n</body></html>\n")
    )


def write(dataset: str, sections: Sections, folder: Path) -> list[Path]:
    """explore.html, explore.txt and one PNG for each figure; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        name: png(section.figure)
        for name, section in _there(sections).items()
        if section.figure is not None
    }
    contents = {"explore.html": as_html(dataset, sections, pictures).encode()}
    contents["explore.txt"] = as_text(dataset, sections).encode()
    contents |= {f"{slug(name)}.png": picture for name, picture in pictures.items()}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def slug(name: str) -> str:
    """A section's name as a file name and anchor."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def _there(sections: Sections) -> dict[str, Section]:
    return {name: found for name, found in sections.items() if isinstance(found, Section)}


def _notes(sections: Sections) -> list[str]:
    return [
        f"{name}. The data set has no {found}."
        for name, found in sections.items()
        if isinstance(found, Missing)
    ]
