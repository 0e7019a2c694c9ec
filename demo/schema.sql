-- What the demo keeps: sessions and their answers.
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;  -- a killed process loses nothing
PRAGMA secure_delete = ON;
PRAGMA foreign_keys = ON;
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY,
    dataset TEXT NOT NULL,
    person TEXT NOT NULL,  -- JSON: demographics, and who of the data set is played
    began REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS answers (
    number INTEGER PRIMARY KEY,
    session TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
    item_id TEXT NOT NULL,  -- JSON: a number or a text
    rating REAL,  -- NULL: refused
    time REAL NOT NULL,
    UNIQUE (session, item_id)
);
