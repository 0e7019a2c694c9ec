"""Data sets of other domains, in the layouts in which they are published (docs/domains.md)."""

from dataclasses import replace
from pathlib import Path

from data.interactions import read_interactions
from data.ratings import Ratings


def read_yahoo_r3(folder: Path) -> Ratings:
    """Yahoo! Music R3: songs rated 1 to 5 by users who chose them; no header, no times."""
    path = folder / "ydata-ymusic-rating-study-v1_0-train.txt"
    ratings = read_interactions(
        path,
        user="1",
        item="2",
        rating="3",
        header=False,
        delimiter="tab",
        scale=(1.0, 5.0),
    )
    return replace(ratings, name="yahoo-r3")


def read_lastfm(folder: Path) -> Ratings:
    """Last.fm 2K (HetRec 2011): how often users played artists; no times."""
    ratings = read_interactions(
        folder / "user_artists.dat",
        user="userID",
        item="artistID",
        rating="weight",
        feedback="counts",
        titles=folder / "artists.dat",
        delimiter="tab",
    )
    return replace(ratings, name="lastfm")
