"""Titles and genres of the items of one's own data, from a file beside the ratings."""

import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd

from data.errors import DataError, Faults, check_column, quote
from data.ratings import Ratings
from data.tables import MISSING, Table, as_id

MOST_GENRES = 1_000  # more are no categories, and would fill the memory


def with_titles(ratings: Ratings, table: Table, item: str, column: str | None) -> Ratings:
    """The ratings with a title for each item, its id where the file has none, and its genres.

    Ids are in the column `item`, else the first; genres, separated by |, in `genres` if there is
    such a column. Of repeated ids the first counts; words for "missing" are no titles.
    """
    known = _rows(table, item, column)
    ids = [str(item) for item in ratings.item_ids.tolist()]
    titles = [known.get(item, ("", ""))[0] for item in ids]
    n_missing, n = titles.count(""), len(ids)
    if n_missing == n:
        what = f"has a title for none of the {n} items, such as {quote(ids[0])}"
        advice = "give the ids in the first column, or one of their name"
        raise DataError(f"{table.path}: {what}; {advice}")
    if n_missing:
        print(f"{table.path}: no title for {n_missing:,} of {n:,} items", file=sys.stderr)
    flags = _flags(table.path, [known.get(item, ("", ""))[1] for item in ids])
    return replace(
        ratings,
        titles=tuple(title or item for title, item in zip(titles, ids, strict=True)),
        genres=flags.to_numpy(bool),
        genre_names=tuple(flags.columns),
    )


def _rows(table: Table, item: str, column: str | None) -> dict[str, tuple[str, str]]:
    """{id: (title, genres)}, "" where there is none."""
    names, faults = table.columns, Faults(table.where)
    if len(names) < 2:
        raise DataError(f"{table.path}: one column; --csv.titles needs ids and titles")
    key = item if item in names else names[0]
    called = {name.lower(): name for name in names}
    second = next(name for name in names if name != key)
    column = column or called.get("title") or called.get("name") or second
    check_column(table.path, names, column, "--csv.title-column")
    genres = called.get("genres", column)
    known: dict[str, tuple[str, str]] = {}
    for block in table.blocks(list(dict.fromkeys([key, column, genres])), faults):
        for row in zip(block[key], block[column], block[genres], strict=True):
            title = "" if row[1].strip().lower() in MISSING else row[1].strip()
            known.setdefault(as_id(row[0]), (title, row[2] if genres != column else ""))
    faults.refuse("correct or remove the rows")
    if table.note:
        print(f"WARNING: {table.note}", file=sys.stderr)
    return known


def _flags(path: Path, texts: list[str]) -> pd.DataFrame:
    """ "Drama|Comedy", ... -> one column per genre, of 0 and 1: [I, G]."""
    texts = ["|".join(part.strip() for part in text.split("|")) for text in texts]
    names = {name for text in texts for name in text.split("|")}
    if len(names) > MOST_GENRES:
        raise DataError(
            f"{path}: {len(names):,} different genres, {MOST_GENRES:,} at most; separate those of an "
            "item by |, or rename the column `genres`"
        )
    none = [name for name in names if name.lower() in MISSING or name == "(no genres listed)"]
    return pd.Series(texts).str.get_dummies("|").drop(columns=none, errors="ignore")
