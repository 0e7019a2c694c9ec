"""Bad ratings, movies and users through the commands: which status, which message, nothing left.

What each reader refuses in detail is in its own tests; here is what a user of the commands sees.
"""

import re
import shutil
from collections.abc import Callable

import pytest

import embedding.train
import evaluate
import train as training

Bytes = Callable[[bytes], bytes | None]


def line(number: int, new: bytes) -> Bytes:
    """Another line in place of one of the file's."""

    def change(content: bytes) -> bytes:
        lines = content.split(b"\n")
        lines[number - 1] = new
        return b"\n".join(lines)

    return change


def of_user_1(content: bytes) -> bytes:
    return b"".join(row for row in content.splitlines(True) if row.startswith(b"1::"))


def first_of_each(content: bytes) -> bytes:
    rows = content.splitlines(True)
    return b"".join({row.split(b"::")[0]: row for row in rows[::-1]}.values())


R, M, U = (rf"{name}\.dat" for name in ("ratings", "movies", "users"))
FAULTS: dict[str, tuple[str, Bytes, str]] = {
    "missing": ("ratings", lambda _: None, rf"{R}: no such file"),
    "empty": ("ratings", lambda _: b"", rf"{R}: empty"),
    "cut in a line": ("ratings", lambda c: c[: c.rindex(b"::")], rf"{R}:\d+: not 4 fields.*value '"),
    "cut in a number": ("ratings", lambda c: c[:-5], rf"{R}:\d+: looks cut off.*value \d"),
    "commas": ("ratings", lambda c: c.replace(b"::", b","), rf"{R}:1: not 4 fields.*value '1,"),
    "NUL": ("ratings", line(3, b"1::2\0::3::1"), rf"{R}:3: control character, value"),
    "unknown user": ("ratings", line(2, b"999::2::3::1"), rf"{R}:2: unknown user, value '?999"),
    "unknown movie": ("ratings", line(2, b"1::999::3::1"), rf"{R}:2: unknown movie, value '?999"),
    "rating 6": ("ratings", line(2, b"1::2::6::1"), rf"{R}:2: rating is not one of .*value '6'"),
    "rating between": ("ratings", line(2, b"1::2::3.25::1"), rf"{R}:2: rating is not one of"),
    "nobody": ("ratings", line(2, b"-1::2::3::1"), rf"{R}:2: user id is missing, .*value '?-1"),
    "time": ("ratings", line(2, b"1::2::3::-1"), rf"{R}:2: timestamp is negative or no whole"),
    "rating nan": ("ratings", line(2, b"1::2::nan::1"), rf"{R}:2: rating must .*value 'nan'"),
    "duplicate": (
        "ratings", lambda c: c + c.splitlines(True)[0],
        rf"{R}:\d+: movie that the user rated before, value \d+",
    ),
    "one user": ("ratings", of_user_1, rf"{R}: ratings of 1 user only"),
    "one rating each": ("ratings", first_of_each, rf"{R}: no user has two ratings or more"),
    "no movies": ("movies", lambda _: None, rf"{M}: no such file"),
    "movies cut": ("movies", lambda c: c[:-7], rf"{M}:\d+: not 3 fields.*value '"),
    "movie twice": ("movies", line(4, b"1::T::Drama"), rf"{M}:4: movie listed twice, value '1'"),
    "no users": ("users", lambda _: None, rf"{U}: no such file"),
    "gender": ("users", line(4, b"4::X::1::10::0"), rf"{U}:4: unknown gender, value 'X'"),
    "age": ("users", line(4, b"4::F::2::10::0"), rf"{U}:4: unknown age, value '2'"),
}  # fmt: skip


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "train": lambda flags: training.main([*flags[:-1], "--output-root", flags[-1]]),
    "evaluate": lambda flags: evaluate.main([*flags[:-1], "--policies", "popularity"]),
    "embedding.train": lambda flags: embedding.train.main([*flags[:-1], "--out", flags[-1]]),
}
ONE_EACH = [("evaluate", case) for case in FAULTS]
EVERY_COMMAND = [(command, "rating 6") for command in COMMANDS if command != "evaluate"]


@pytest.mark.parametrize(("command", "case"), ONE_EACH + EVERY_COMMAND)
def test_bad_data_are_refused(tiny_root, tmp_path, capsys, command: str, case: str) -> None:
    root, (name, change, says) = shutil.copytree(tiny_root, tmp_path / "root"), FAULTS[case]
    path = root / "ml-1m" / f"{name}.dat"
    content = change(path.read_bytes())
    path.unlink() if content is None else path.write_bytes(content)
    flags = ["--dataset", "ml-1m", "--data-root", str(root), str(tmp_path / "out")]
    assert COMMANDS[command](flags) == 2
    out, err = capsys.readouterr()
    announced = [line.endswith(" ...") for line in out.splitlines()]  # "reading the data ..."
    assert err.count("\n") == 1 and all(announced) and "Traceback" not in err
    assert re.search(rf"^{command}: {root}/ml-1m/{says}", err), err
    assert re.search(r"restore|correct|remove|choose|give|need", err), f"no advice: {err!r}"
    assert list(tmp_path.iterdir()) == [root]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_data_root_that_is_none_is_named(tmp_path, capsys, command: str) -> None:
    place, out = str(tmp_path / "absent"), str(tmp_path / "out")
    assert COMMANDS[command](["--dataset", "ml-1m", "--data-root", place, out]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"{command}: --data-root '{place}': no such folder; give the folder")
