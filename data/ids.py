"""Ids as people's own files write them."""

import re

LONGEST_ID = 256  # characters: NumPy gives every id the room of the longest
# Words for "nothing there", as programs write them, in lower case.
MISSING = frozenset(
    ("", "nan", "-nan", "null", "(null)", "none", "nil", "na", "n/a", "#n/a", "<na>", "nat")
    + ("undefined", "\\n", "-")
)
WHOLE = re.compile(r"(0|-?[1-9][0-9]{0,17})(\.0*)?")  # so that "007" stays what it is


def as_id(value: object) -> str:
    """An id as text without surrounding blanks; a whole number without its fraction of zeros."""
    text = str(value).strip()
    whole = WHOLE.fullmatch(text)
    return whole[1] if whole else text
