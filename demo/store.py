"""Sessions and answers in an SQLite file: written before they are acknowledged."""

import json
import secrets
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from config import ConfigError

SCHEMA = Path(__file__).with_name("schema.sql")
RATINGS = """
SELECT 'visitor-' || sessions.rowid, item_id, rating, CAST(time AS INTEGER), dataset
FROM answers JOIN sessions ON id = session WHERE rating IS NOT NULL ORDER BY number
"""
ItemId = int | str


class Answer(NamedTuple):
    """One rating, or None for refused; time in seconds since 1970."""

    item_id: ItemId
    rating: float | None
    time: float


class Store:
    """One SQLite file, for any thread. ConfigError where it cannot be opened."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._database.executescript(SCHEMA.read_text("utf-8"))
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"--database {path}: {error}; name another file") from error
        self._lock = threading.Lock()

    def begin(self, dataset: str, person: dict[str, Any]) -> str:
        """The id, which nobody can guess, of a new session."""
        name = secrets.token_urlsafe(24)
        values = (name, dataset, json.dumps(person), time.time())
        self._run("INSERT INTO sessions VALUES (?, ?, ?, ?)", *values)
        return name

    def find(self, name: str, dataset: str) -> Any:
        """Whose session it is; None where there is none on this data set."""
        query = "SELECT person FROM sessions WHERE id = ? AND dataset = ?"
        rows = self._run(query, name, dataset)
        return json.loads(rows[0][0]) if rows else None

    def answers(self, name: str) -> list[Answer]:
        """A session's answers, oldest first."""
        query = "SELECT item_id, rating, time FROM answers WHERE session = ? ORDER BY number"
        return [Answer(json.loads(item), *rest) for item, *rest in self._run(query, name)]

    def add(self, name: str, item_id: ItemId, rating: float | None) -> None:
        """Keep an answer; on return it is in the file. A second one for the item is an error."""
        query = "INSERT INTO answers (session, item_id, rating, time) VALUES (?, ?, ?, ?)"
        self._run(query, name, json.dumps(item_id), rating, time.time())

    def forget(self, name: str) -> None:
        """Remove a session and its answers, from the file as well."""
        self._run("DELETE FROM sessions WHERE id = ?", name)
        self._run("PRAGMA wal_checkpoint(TRUNCATE)")

    def ratings(self) -> list[tuple[str, ItemId, float, int, str]]:
        """Visitor, item, rating, second and data set of all ratings, without the sessions' ids."""
        return [(visitor, json.loads(item), *rest) for visitor, item, *rest in self._run(RATINGS)]

    def _run(self, query: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._database.execute(query, values).fetchall()
