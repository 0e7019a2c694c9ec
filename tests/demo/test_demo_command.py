"""`python -m demo`: it survives a kill, its answers train, it needs no data."""

import contextlib
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from serving import Caller

from demo import runs
from demo.__main__ import main
from demo.app import PAGE


@contextlib.contextmanager
def running_demo(*flags):
    """`python -m demo` with these flags, once it is ready; killed in the end."""
    command = [sys.executable, "-m", "demo", "--port", "0", *flags]
    with subprocess.Popen(command, cwd=runs.ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Caller(next(line.strip() for line in process.stdout if line.startswith("http")))
        finally:
            process.kill()


@pytest.mark.slow
def test_a_kill_loses_no_answer_and_the_answers_train(flags, train, tmp_path, capsys):
    database, file = ("--database", str(tmp_path / "demo.sqlite")), tmp_path / "answers.csv"
    with running_demo(*database, *flags) as caller:
        sessions = [caller.begin() for _ in range(12)]
        for session in sessions:
            for place, item in enumerate(caller.best(session, 25)):
                caller.rate(session, item, 1 + place % 5)
        caller.rate(session, caller.best(session, 1)[0], None)
    with running_demo(*database, *flags) as again:
        assert [len(again.get(each)["history"]) for each in sessions] == [25] * 11 + [26]
    assert main([*database, "--export", str(file)]) == 0
    assert "300 ratings" in capsys.readouterr().out
    assert not any(session[10:] in file.read_text() for session in sessions)
    trained = train(tmp_path, "--dataset", "csv", "--csv.path", str(file))
    assert trained.status == 0, trained.err


def test_what_cannot_be_served_is_one_line(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["--port", str(taken.getsockname()[1])]) == 2
    assert main(["--database", str(tmp_path / "none"), "--export", str(tmp_path / "x.csv")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and "use" in lines[0] and "nothing was rated" in lines[1]


@pytest.mark.slow
def test_without_data_a_small_run_is_trained_once(tmp_path, tiny_flags, monkeypatch):
    small = ("--dataset", "synthetic", *tiny_flags[2:])
    monkeypatch.setattr(runs, "RUNS", tmp_path)
    monkeypatch.setattr(runs, "SMALL", small)
    opened = runs.open_run(None, "synthetic", None)
    assert [path.name for path in tmp_path.iterdir()] == ["demo-synthetic"]
    monkeypatch.setattr(runs, "SMALL", ("--no-such-flag",))
    assert runs.open_run(None, "synthetic", None).agent.fingerprint == opened.agent.fingerprint


def test_the_page_needs_nobody():
    for path in Path(PAGE).rglob("*.*"):
        foreign = re.findall(r"https?://[^\"' ]+", path.read_text())
        assert set(foreign) <= {"http://www.w3.org/2000/svg"}, path
