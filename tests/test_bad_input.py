"""Bad input through the commands: which status, which message, and that nothing is left behind.

What each reader refuses in detail is in its own tests; here is what a user of the commands sees.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pytest

import data.download
import embedding.train
import evaluate
import train as training
from data import DownloadError, Ratings, load_dataset
from data.download import ARCHIVES, Archive

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden" / "0.1-best"
ADVICE = (
    r"restore|correct|remove|choose|give|[Pp]ass|lower|leave out|try again|save it|earlier file"
)
Bytes = Callable[[bytes], bytes | None]


class Ended(NamedTuple):
    """What a command did: its exit status, and what it printed."""

    status: int
    out: str
    err: str


def call(main: Callable[[list[str]], int], *flags: object) -> Ended:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main([str(flag) for flag in flags])
        except SystemExit as end:
            status = int(end.code or 0)
    return Ended(status, out.getvalue(), err.getvalue())


COMMANDS: dict[str, Callable[[Path, Path], Ended]] = {
    "train": lambda root, out: call(
        training.main, "--dataset", "ml-1m", "--data-root", root, "--output-root", out
    ),
    "evaluate": lambda root, out: call(
        evaluate.main,
        *("--dataset", "ml-1m", "--data-root", root, "--json", out.with_suffix(".json")),
        *("--policies", "popularity"),
    ),
    "embedding.train": lambda root, out: call(
        embedding.train.main,
        *("--dataset", "ml-1m", "--data-root", root, "--dim", 4, "--out", out / "a.weights.h5"),
    ),
}


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_refused(ended: Ended, says: str, status: int = 2) -> None:
    assert ended.status == status, ended
    assert ended.err.count("\n") == 1 and ended.out == "", ended
    assert "Traceback" not in ended.err
    assert re.search(says, ended.err), f"{says!r} not in {ended.err!r}"
    assert re.search(ADVICE, ended.err), f"no advice: {ended.err!r}"


# --- ratings, movies and users -------------------------------------------------------------------


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
    "missing": ("ratings", lambda _: None, rf"{R}: missing"),
    "empty": ("ratings", lambda _: b"", rf"{R}: empty"),
    "cut in a line": ("ratings", lambda c: c[: c.rindex(b"::")], rf"{R}:\d+: 3 field.*value '"),
    "cut in a number": ("ratings", lambda c: c[:-5], rf"{R}:\d+: looks cut off, value '"),
    "commas": ("ratings", lambda c: c.replace(b"::", b","), rf"{R}:1: 1 field.*value '1,"),
    "tabs": ("ratings", lambda c: c.replace(b"::", b"\t"), rf"{R}:1: 1 field"),
    "UTF-16": ("ratings", lambda c: c.decode().encode("utf-16"), rf"{R}:1: NUL byte"),
    "NUL": ("ratings", line(3, b"1::2\0::3::1"), rf"{R}:3: NUL byte, value"),
    "header": ("ratings", line(1, b"user::movie::rating::time"), rf"{R}:1: user .*value 'user'"),
    "negative user": ("ratings", line(2, b"-1::2::3::1"), rf"{R}:2: user .*value '-1'"),
    "huge user": ("ratings", line(2, b"9" * 30 + b"::2::3::1"), rf"{R}:2: user .*value '999"),
    "unknown user": ("ratings", line(2, b"999::2::3::1"), rf"{R}:2: unknown user, value 999"),
    "negative movie": ("ratings", line(2, b"1::-2::3::1"), rf"{R}:2: movie .*value '-2'"),
    "huge movie": ("ratings", line(2, b"1::%d::3::1" % 2**63), rf"{R}:2: movie .*'92233720"),
    "unknown movie": ("ratings", line(2, b"1::999::3::1"), rf"{R}:2: unknown movie, value 999"),
    "rating 0": ("ratings", line(2, b"1::2::0::1"), rf"{R}:2: rating out of range, value 0"),
    "rating 6": ("ratings", line(2, b"1::2::6::1"), rf"{R}:2: rating out of range, value 6"),
    "rating nan": ("ratings", line(2, b"1::2::nan::1"), rf"{R}:2: rating .*value 'nan'"),
    "rating 3.5": ("ratings", line(2, b"1::2::3.5::1"), rf"{R}:2: rating .*value '3.5'"),
    "no time": ("ratings", line(2, b"1::2::3::"), rf"{R}:2: timestamp .*value ''"),
    "duplicate": (
        "ratings", lambda c: c + c.splitlines(True)[0],
        rf"{R}:\d+: user 1 rated movie \d+ already in line 1, value '1::",
    ),
    "one user": ("ratings", of_user_1, rf"{R}: ratings of 1 user only"),
    "one rating each": ("ratings", first_of_each, rf"{R}: no user has two ratings or more"),
    "no movies": ("movies", lambda _: None, rf"{M}: missing"),
    "movies cut": ("movies", lambda c: c[:-7], rf"{M}:\d+: 2 field.*value '"),
    "movie id": ("movies", line(4, b"x::T::Drama"), rf"{M}:4: movie id .*value 'x'"),
    "movie twice": ("movies", line(4, b"1::T::Drama"), rf"{M}:4: movie listed twice, value 1"),
    "movies UTF-16": ("movies", lambda c: c.decode().encode("utf-16"), rf"{M}:1: NUL byte"),
    "no users": ("users", lambda _: None, rf"{U}: missing"),
    "user id": ("users", line(4, b"x::F::1::10::0"), rf"{U}:4: user id .*value 'x'"),
    "user twice": ("users", line(4, b"1::F::1::10::0"), rf"{U}:4: user listed twice, value 1"),
    "gender": ("users", line(4, b"4::X::1::10::0"), rf"{U}:4: unknown gender, value 'X'"),
    "age": ("users", line(4, b"4::F::2::10::0"), rf"{U}:4: unknown age, value '2'"),
}  # fmt: skip


@pytest.fixture
def root(tiny_root: Path, tmp_path: Path) -> Path:
    """A copy of the tiny data set, to be damaged."""
    return shutil.copytree(tiny_root, tmp_path / "root")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("case", FAULTS)
def test_bad_data_are_refused_by_every_command(root, tmp_path, command: str, case: str) -> None:
    name, change, says = FAULTS[case]
    path = root / "ml-1m" / f"{name}.dat"
    content = change(path.read_bytes())
    path.unlink() if content is None else path.write_bytes(content)
    before = snapshot(tmp_path)
    ended = COMMANDS[command](root, tmp_path / "out")
    assert_refused(ended, rf"^{command}: {root}/ml-1m/{says}")
    assert snapshot(tmp_path) == before and list(tmp_path.iterdir()) == [root]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_data_root_that_is_none_is_named(tmp_path, monkeypatch, command: str) -> None:
    (tmp_path / "file").write_text("no folder")
    for place in (tmp_path / "file", tmp_path / "absent"):
        ended = COMMANDS[command](place, tmp_path / "out")
        assert_refused(ended, f"^{command}: --data-root '{place}': no such folder; give the folder")
    monkeypatch.setenv("DRR_DATA_ROOT", str(tmp_path / "file"))
    mains = {"train": training.main, "evaluate": evaluate.main}
    main = mains.get(command, embedding.train.main)
    assert_refused(call(main, "--dataset", "ml-1m"), r"\$DRR_DATA_ROOT '.*/file': no such folder")


def shuffled(content: bytes) -> bytes:
    """Users in another order, each one's rows as they are: equal times keep their order."""
    rows = content.splitlines(True)
    users = sorted({row.split(b"::")[0] for row in rows}, reverse=True)
    return b"".join(row for user in users for row in rows if row.startswith(user + b"::"))


DRESS: dict[str, Bytes] = {
    "unsorted": shuffled,
    "CRLF": lambda content: content.replace(b"\n", b"\r\n"),
    "a BOM": lambda content: b"\xef\xbb\xbf" + content,
    "no last newline": lambda content: content.rstrip(b"\n"),
    "blank lines at the end": lambda content: content + b"\n\n",
}


@pytest.mark.parametrize("dress", DRESS)
def test_another_dress_gives_the_same_result(tiny_root, root, tmp_path, dress: str) -> None:
    path = root / "ml-1m" / "ratings.dat"
    path.write_bytes(DRESS[dress](path.read_bytes()))
    tables = []
    for place, out in ((tiny_root, tmp_path / "a"), (root, tmp_path / "b")):
        assert COMMANDS["evaluate"](place, out).status == 0
        tables.append(out.with_suffix(".json").read_bytes())
    assert tables[0] == tables[1]


def test_short_histories_are_accepted(root, tmp_path) -> None:
    path = root / "ml-1m" / "ratings.dat"
    rows = path.read_bytes().splitlines(True)
    few = [row for row in rows if not row.startswith((b"2::", b"3::"))]
    short = [row for row in rows if row.startswith(b"2::")][:1]  # user 3 has none at all
    path.write_bytes(b"".join(few + short))
    assert COMMANDS["evaluate"](root, tmp_path / "out").status == 0


# --- archives ------------------------------------------------------------------------------------


def archive(members: dict[str, bytes], mode: int = stat.S_IFREG) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in members.items():
            member = zipfile.ZipInfo(name)
            member.create_system, member.external_attr = 3, (mode | 0o644) << 16
            zipped.writestr(member, content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


HOSTILE = {
    "traversal": (archive({"ml-1m/../../evil": b"x"}), "'ml-1m/../../evil' lies outside"),
    "absolute": (archive({"/tmp/evil": b"x"}), "'/tmp/evil' lies outside its folder"),
    "symlink": (archive({"ml-1m/a": b"/etc"}, stat.S_IFLNK), "'ml-1m/a' is a link or device"),
    "bomb": (archive({"ml-1m/a": bytes(9 << 20)}), "unpacks to 9437184 bytes, more than the"),
    "no zip": (b"<html>", "damaged archive"),
    "incomplete": (archive({"ml-1m/ratings.dat": b""}), "holds no ml-1m/movies.dat"),
}


@pytest.mark.parametrize("case", [*HOSTILE, "checksum", "plain http", "no network"])
def test_bad_archives_leave_nothing_behind(tmp_path, monkeypatch, case: str) -> None:
    content, says = HOSTILE.get(case, (archive({"ml-1m/a": b"x"}), case))
    digests = {kind: hashlib.new(kind, content).hexdigest() for kind in ("md5", "sha256")}
    if case == "checksum":
        digests["sha256"] = "0" * 64
        says = (
            "sha256 [0-9a-f]+ of .* bytes, expected 0000.*; truncated or altered: try again later"
        )
    pinned = Archive("ml-1m", ARCHIVES["ml-1m"].url, **digests, most_unpacked_bytes=1 << 20)
    monkeypatch.setitem(ARCHIVES, "ml-1m", pinned)

    def serve(url: str, timeout: float) -> io.BytesIO:
        if case == "no network":
            raise OSError("no network")
        if case == "plain http":
            raise DownloadError(f"{url}: redirected to 'http://x', plain http")
        response = io.BytesIO(content)
        response.geturl = lambda: url  # type: ignore[attr-defined]
        return response

    monkeypatch.setattr(data.download, "open_url", serve)
    (tmp_path / "root").mkdir()
    ended = COMMANDS["train"](tmp_path / "root", tmp_path / "out")
    assert ended.status == 2 and "Traceback" not in ended.err
    assert re.search(f"^train: .*{says}", ended.err.splitlines()[-1])
    assert list(tmp_path.rglob("*")) == [tmp_path / "root"]


# --- runs ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def synthetic() -> Ratings:
    return load_dataset("synthetic")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A copy of a run on the synthetic set, to be damaged."""
    return shutil.copytree(GOLDEN, tmp_path / "run")


def in_file(name: str, change: Callable[[h5py.File], object]) -> Callable[[Path], object]:
    def act(folder: Path) -> None:
        with h5py.File(folder / f"{name}.weights.h5", "r+") as file:
            change(file)

    return act


def without(name: str) -> Callable[[h5py.File], object]:
    def change(file: h5py.File) -> None:
        del file[name]

    return change


def with_array(name: str, values: np.ndarray) -> Callable[[h5py.File], object]:
    def change(file: h5py.File) -> None:
        del file[name]
        file[name] = values

    return change


def write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def swapped(folder: Path) -> None:
    actor, critic = folder / "actor.weights.h5", folder / "critic.weights.h5"
    kept = actor.read_bytes()
    shutil.move(critic, actor)
    critic.write_bytes(kept)


def half(name: str) -> Callable[[Path], object]:
    def act(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return act


def other_k(file: h5py.File) -> None:
    items = file["items"][()]
    del file["items"]
    file["items"] = np.ascontiguousarray(np.hstack([items, items]))


def set_field(name: str, field: str, value: object) -> Callable[[Path], object]:
    def act(folder: Path) -> None:
        values = json.loads((folder / name).read_text())
        values[field] = value
        (folder / name).write_text(json.dumps(values))

    return act


def removed(*names: str) -> Callable[[Path], object]:
    return lambda folder: [(folder / name).unlink() for name in names]


NARROW = np.zeros((9, 8), np.float32)
LOST = ("actor.weights.h5", "critic.weights.h5", "state.weights.h5", "catalogue.json")
DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "wrong shape": (in_file("actor", with_array("hidden_1/vars/0", NARROW)),
                    r"actor\.weights\.h5: layer .*hidden_1/kernel: expected .* found \[9, 8\]"),
    "missing layer": (in_file("actor", without("hidden_2")), "hidden_2/kernel: .* found nothing"),
    "NaN": (in_file("actor", with_array("action/vars/1", np.full(4, np.nan, np.float32))), "NaN"),
    "other k": (in_file("embedding", other_k), r"layer .*: expected \[\d+, \d+\], found"),
    "truncated": (half("critic.weights.h5"), r"critic\.weights\.h5: .*truncated"),
    "text": (write("state.weights.h5", b"epoch,loss\n"), r"state\.weights\.h5: expected an HDF5"),
    "swapped": (swapped, r"actor\.weights\.h5: .* look like a critic's weights"),
    "a link": (in_file("actor", lambda file: file.__setitem__("x", h5py.ExternalLink("b", "/"))),
               "holds a link, perhaps to another file"),
    "unfinished": (removed(*LOST), r"catalogue\.json: .*; give the folder of a finished run"),
    "no embedding": (removed("embedding.weights.h5"), r"embedding\.weights\.h5: no such file"),
    "embedding text": (write("embedding.weights.h5", b"x"), r"embedding\.weights\.h5: not a read"),
    "config garbage": (write("config.json", b"{"), r"config\.json:1: not valid JSON"),
    "config binary": (write("config.json", b"\xff\xfe"), r"config\.json:1: not UTF-8 text"),
    "config nested": (write("config.json", b"[" * 10**5), r"config\.json: .*nested too deeply"),
    "config unknown key": (set_field("config.json", "stepz", 1), "unknown field 'stepz' in Config"),
    "config wrong type": (set_field("config.json", "steps", "9"), "'steps' is '9', expected int"),
    "config later": (set_field("config.json", "format", 9), "'format' .* of a later version"),
    "catalogue garbage": (write("catalogue.json", b"{"), r"catalogue\.json:1: not valid JSON"),
    "catalogue ids": (set_field("catalogue.json", "item_ids", [1, 1]), "'item_ids' is .1, 1."),
    "catalogue features": (set_field("catalogue.json", "n_demographics", 10**18), "expected 0 to"),
    "another run's list": (set_field("catalogue.json", "item_ids", [1, 2]), "on 2 items, the data"),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_runs_are_refused_before_anything_is_played(
    run: Path, tmp_path, monkeypatch, synthetic: Ratings, case: str
) -> None:
    change, says = DAMAGE[case]
    change(run)
    before = snapshot(tmp_path)
    monkeypatch.setattr(evaluate, "load_dataset", lambda *_, **__: synthetic)
    monkeypatch.setattr(evaluate, "_play", lambda *_: pytest.fail("played"))
    flags = ("--dataset", "synthetic", "--weights", run, "--json", tmp_path / "out.json")
    assert_refused(call(evaluate.main, *flags), f"^evaluate: --weights {run}: .*{says}")
    assert snapshot(tmp_path) == before


def test_a_run_on_other_data_is_refused(run: Path, tiny_root: Path, tmp_path) -> None:
    flags = ("--dataset", "ml-1m", "--data-root", tiny_root, "--weights", run)
    message = "trained on 1000 items, the data set has 80 or other ids; pass the run's own data"
    assert_refused(call(evaluate.main, *flags), message)


CONFIGS = {
    "garbage": (b"{", r"config\.json:1: not valid JSON"),
    "binary": (b"\xff", r"config\.json:1: not UTF-8 text"),
    "nested": (b"[" * 10**5, "nested too deeply"),
    "unknown key": (b'{"stepz": 3}', "unknown field 'stepz' in Config; did you mean 'steps'"),
    "later version": (b'{"format": 9}', "unknown field 'format' in Config; is it of a later"),
    "wrong type": (b'{"steps": "many"}', "'steps' is 'many', expected int"),
    "out of range": (b'{"agent": {"discount": 2.0}}', "agent.discount is 2.0, expected 0 up to"),
    "contradictory": (b'{"steps": 9}', "loop.warmup is 2000, expected below --steps 9"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_a_run_with_damaged_settings_is_not_resumed(tmp_path, case: str) -> None:
    content, says = CONFIGS[case]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_bytes(content)
    before = snapshot(tmp_path)
    flags = ("--resume", "--run-name", "run", "--output-root", tmp_path, "--dataset", "synthetic")
    ended = call(training.main, *flags)
    assert ended.status == 2 and ended.err.count("\n") == 1 and re.search(says, ended.err), ended
    assert snapshot(tmp_path) == before


# --- as a user starts them -----------------------------------------------------------------------

STARTED = {
    "train": ("train.py", "--dataset", "ml-1m", "--data-root", "{root}", "--output-root", "{out}"),
    "evaluate": ("evaluate.py", "--dataset", "ml-1m", "--data-root", "{root}"),
    "embedding.train": ("-m", "embedding.train", "--dataset", "ml-1m", "--data-root", "{root}"),
}


@pytest.fixture(scope="module")
def started(tiny_root, tmp_path_factory) -> Iterator[dict[str, subprocess.Popen]]:
    """All at once, each in its own process."""
    place = tmp_path_factory.mktemp("started")
    root = shutil.copytree(tiny_root, place / "root")
    path = root / "ml-1m" / "ratings.dat"
    path.write_bytes(line(2, b"1::2::6::1")(path.read_bytes()))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    yield {
        name: subprocess.Popen(
            [sys.executable, *(word.format(root=root, out=place / "out") for word in words)],
            cwd=ROOT, env=os.environ, **pipes,
        )
        for name, words in STARTED.items()
    }  # fmt: skip
    assert list(place.iterdir()) == [root]


@pytest.mark.parametrize("command", STARTED)
def test_the_status_of_the_process_is_that_of_the_command(started, command: str) -> None:
    out, err = started[command].communicate(timeout=120)
    ended = Ended(started[command].returncode, out, err)
    assert_refused(ended, rf"^{command}: .*ratings\.dat:2: rating out of range, value 6")
