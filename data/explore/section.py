"""What a report is made of: sections, each a finding, sentences and mostly a figure."""

from typing import NamedTuple

from matplotlib.figure import Figure

from data.ratings import Ratings


class Section(NamedTuple):
    """One subject: its finding in one line, sentences, and a figure where it has one."""

    title: str
    text: tuple[str, ...]
    figure: Figure | None = None


class Missing(Exception):
    """What a section needs and the data set does not have."""


def name_of(ratings: Ratings, item: int) -> str:
    """An item's title, or its original id where the data set has no titles."""
    return ratings.titles[item] if ratings.titles else f"item {ratings.item_ids[item]}"


def shorten(text: str, length: int) -> str:
    """At most `length` characters, the last of them an ellipsis where something was cut."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"
