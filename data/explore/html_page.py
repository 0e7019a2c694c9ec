"""The report as one HTML page that needs no other file."""

import base64
import io
import re
from collections.abc import Mapping
from html import escape
from string import Template
from typing import NamedTuple

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>$name</title><style>
body { font: 17px/1.55 system-ui, sans-serif; color: #30343b; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; background: #fff }
h2 { font-size: 1.25rem; margin-top: 3rem; border-top: 1px solid #dde1e6; padding-top: 1.2rem }
.finding { font-weight: 600 } img { width: 100%; height: auto } .note { color: #667 }
nav a { margin-right: 1.1em; white-space: nowrap }
</style></head><body>
<h1>What is in $name</h1>
<nav>$links</nav>
$sections
</body></html>
""")


class Section(NamedTuple):
    """One subject: its finding in one line, sentences, and a figure where it has one."""

    title: str
    text: tuple[str, ...]
    figure: Figure | None = None


class Missing(Exception):
    """What a section needs and the data set does not have."""


Sections = Mapping[str, Section | Missing]


def as_html(dataset: str, sections: Sections) -> str:
    """The page: the sections in order, then what the data set lacks."""
    links, body, notes = [], [], []
    for name, section in sections.items():
        if isinstance(section, Missing):
            notes.append(f'<p class="note">{escape(left_out(name, section))}</p>')
            continue
        anchor = re.sub(r"[^a-z0-9]+", "-", name.lower())
        links.append(f'<a href="#{anchor}">{escape(name)}</a>')
        body.append(f'<h2 id="{anchor}">{escape(name)}</h2>')
        title = escape(section.title)
        body.append(f'<p class="finding">{title}</p>')
        if section.figure is not None:
            FigureCanvasAgg(section.figure)
            section.figure.savefig(picture := io.BytesIO(), format="png")
            data = base64.b64encode(picture.getvalue()).decode()
            body.append(f'<img alt="{title}" src="data:image/png;base64,{data}">')
        body += [f"<p>{escape(sentence)}</p>" for sentence in section.text]
    content = {"links": " ".join(links), "sections": "\n".join([*body, *notes])}
    return PAGE.substitute(name=escape(dataset), **content)


def left_out(name: str, missing: Missing) -> str:
    """Why there is no section of this name."""
    return f"Left out: {name}. The data set has no {missing}."
