"""What the fuzz tests share: how long they search, and files with a few bytes changed."""

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = os.environ.get("DRR_FUZZ_EXAMPLES")
# Always the same hundred inputs, in seconds; with the variable, as many new ones as it says.
SEARCH = settings(
    max_examples=int(EXAMPLES or 100),
    derandomize=EXAMPLES is None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
WIDTHS = (1, 2, 4, 8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@st.composite
def edited(draw: st.DrawFn, content: bytes) -> bytes:
    """The content with one to six changes: bytes set, numbers written, parts cut or repeated."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, max(len(data) - 1, 0)))
        change = draw(st.sampled_from(["byte", "byte", "number", "number", "drop", "copy", "end"]))
        if change == "byte":
            data[place : place + 1] = draw(st.binary(max_size=2))
        elif change == "number":
            width = draw(st.sampled_from(WIDTHS))
            largest = 256**width - 1
            near = st.sampled_from([0, 1, 255, largest, largest // 2, largest // 2 + 1])
            value = draw(near | st.integers(0, min(2 * len(content), largest)))
            place -= place % width
            data[place : place + width] = value.to_bytes(width, "little")
        elif change == "drop":
            del data[place : place + draw(st.integers(1, 40))]
        elif change == "copy":
            source = draw(st.integers(0, max(len(data) - 1, 0)))
            part = data[source : source + draw(st.integers(1, 64))]
            data[place : place + len(part)] = part
        elif draw(st.integers(0, 3)) == 0:
            del data[place:]
    return bytes(data)


def from_files(contents: dict[str, bytes]) -> st.SearchStrategy[tuple[str, bytes]]:
    """(name, changed content) of one of several valid files."""
    names = st.sampled_from(sorted(contents))
    return names.flatmap(lambda name: st.tuples(st.just(name), edited(contents[name])))
