"""The demo under load: many people at once, each answering once a second.

    python -m benchmarks.demo_load                 about four minutes

Each person asks for ten items, rates the first, and waits for the rest of the second. Prints the
latencies as the client sees them, and the server's memory after a tenth of the answers and in the end.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from config.command_line import read_arguments

ROOT = Path(__file__).resolve().parents[1]
READY = re.compile(r"http://.*:(\d+)")


@dataclass(frozen=True)
class LoadArguments:
    """Fifty people who answer the demo at once."""

    sessions: int = 50
    """People at once."""
    answers: int = 10_000
    """Of all of them together."""
    demo: tuple[str, ...] = ()
    """Flags of python -m demo, such as --demo=--dataset --demo=ml-100k."""


class RunningDemo(NamedTuple):
    port: int
    process: "subprocess.Popen[str]"


@contextlib.contextmanager
def running_demo(*flags: str) -> Iterator[RunningDemo]:
    """`python -m demo` with these flags, once it is ready; killed in the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "demo", *flags],
        cwd=ROOT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        found = next(filter(None, map(READY.search, process.stdout or ())), None)
        if found is None:
            raise SystemExit(f"the demo ended with status {process.wait()}")
        yield RunningDemo(int(found[1]), process)
    finally:
        process.kill()
        process.wait()


def answer(port: int, times: int, seed: int) -> list[tuple[float, float]]:
    """One person, who rates the first of ten items once a second: seconds (recommend, feedback)."""
    connection, rng = HTTPConnection("127.0.0.1", port, timeout=60), np.random.default_rng(seed)

    def ask(path: str, **body: Any) -> Any:
        headers = {"content-type": "application/json"}
        connection.request("POST", f"/sessions{path}", json.dumps(body), headers)
        reply = connection.getresponse()
        content = reply.read()
        if reply.status >= 400:
            raise RuntimeError(f"{path}: {reply.status} {content!r}")
        return json.loads(content or "null")

    session, seconds = ask("")["id"], []
    began = time.perf_counter() + rng.random()
    for turn in range(times):
        time.sleep(max(0.0, began + turn - time.perf_counter()))
        asked = time.perf_counter()
        items = ask(f"/{session}/recommend", k=10)["items"]
        shown, rating = time.perf_counter(), int(rng.integers(1, 6))
        ask(f"/{session}/feedback", item_id=items[0]["item_id"], rating=rating)
        seconds.append((shown - asked, time.perf_counter() - shown))
    return seconds


def main(arguments: LoadArguments) -> None:
    """Serve, load, print; a request that fails ends it."""
    each, people = arguments.answers // arguments.sessions, range(arguments.sessions)
    seconds: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        database = ("--database", str(Path(folder) / "demo.sqlite"))
        with (
            running_demo("--port", "0", *database, *arguments.demo) as demo,
            ThreadPoolExecutor(arguments.sessions) as pool,
        ):
            for times in (each // 10, each - each // 10):
                for found in pool.map(partial(answer, demo.port, times), people):
                    seconds += found
                status = Path(f"/proc/{demo.process.pid}/status").read_text()
                print(*re.findall(r"VmRSS:.*", status))
    for name, column in zip(("recommend", "feedback"), 1000 * np.array(seconds).T, strict=True):
        half, most, largest = np.quantile(column, (0.5, 0.99, 1))
        print(f"{name}: p50 {half:.1f} ms, p99 {most:.1f} ms, largest {largest:.1f} ms")
    print(f"{len(seconds):,} answers, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main(read_arguments(LoadArguments, description=__doc__))
