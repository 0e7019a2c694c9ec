"""The demo under load: many people at once, each answering once a second.

    python -m benchmarks.demo_load                 50 sessions, 10,000 answers, about four minutes

Each person asks for ten items, rates the first, and waits for the rest of the second. Prints the
latencies of `recommend` and `feedback` as the client sees them, and the server's memory.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tyro

from benchmarks.common import ROOT, as_markdown, machine


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
    """A process that serves."""

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
    lines = process.stdout or ()
    try:
        found = next(filter(None, (re.search(r"http://.*:(\d+)", line) for line in lines)), None)
        if found is None:
            raise SystemExit(f"the demo ended with status {process.wait()}")
        yield RunningDemo(int(found[1]), process)
    finally:
        process.kill()
        process.wait()


@dataclass
class Person:
    """One session, and the seconds that each request took."""

    port: int
    seed: int
    recommend: list[float] = field(default_factory=list)
    feedback: list[float] = field(default_factory=list)

    def answer(self, times: int) -> None:
        """Rate the first of ten items, once a second; an error ends it."""
        self._connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        rng, session = np.random.default_rng(self.seed), self._ask("sessions", {})["id"]
        began = time.perf_counter() + float(rng.random())
        for turn in range(times):
            time.sleep(max(0.0, began + turn - time.perf_counter()))
            asked = time.perf_counter()
            items = self._ask(f"sessions/{session}/recommend", {"k": 10})["items"]
            shown = time.perf_counter()
            rated = {"item_id": items[0]["item_id"], "rating": int(rng.integers(1, 6))}
            self._ask(f"sessions/{session}/feedback", rated)
            self.recommend.append(shown - asked)
            self.feedback.append(time.perf_counter() - shown)

    def _ask(self, path: str, body: Any) -> Any:
        headers = {"content-type": "application/json"}
        self._connection.request("POST", f"/{path}", json.dumps(body), headers)
        reply = self._connection.getresponse()
        content = reply.read()
        if reply.status >= 400:
            raise RuntimeError(f"{path}: {reply.status} {content!r}")
        return json.loads(content) if content else None


def main(arguments: LoadArguments) -> int:
    """Serve, load, print; 1 where a request failed."""
    with tempfile.TemporaryDirectory() as folder:
        database = ("--database", str(Path(folder) / "demo.sqlite"))
        with running_demo("--port", "0", *database, *arguments.demo) as demo:
            people = [Person(demo.port, seed) for seed in range(arguments.sessions)]
            memory = _play(people, arguments.answers // arguments.sessions, demo.process.pid)
    done = sum(len(person.feedback) for person in people)
    rows = {name: _latencies(people, name) for name in ("recommend", "feedback")}
    print(as_markdown(f"{done:,} of {arguments.answers:,} answers", rows))
    print(f"memory at a tenth, half and end: {', '.join(f'{each:.0f}' for each in memory)} MiB")
    print(machine())
    return int(done < arguments.answers)


def _play(people: Sequence[Person], times: int, pid: int) -> list[float]:
    """All at once; the server's memory, MiB, after a tenth, a half and all of the answers."""
    threads = [threading.Thread(target=person.answer, args=[times]) for person in people]
    for thread in threads:
        thread.start()
    memory = []
    for share in (0.1, 0.5, 1.0):
        while any(thread.is_alive() for thread in threads):
            if min(len(person.feedback) for person in people) >= share * times:
                break
            time.sleep(0.2)
        status = Path(f"/proc/{pid}/status").read_text()
        memory.append(int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024)
    for thread in threads:
        thread.join()
    return memory


def _latencies(people: Sequence[Person], name: str) -> dict[str, float]:
    seconds = [each for person in people for each in getattr(person, name)]
    shares = {"p50 ms": 0.5, "p99 ms": 0.99, "largest ms": 1.0}
    return {key: 1000 * float(np.quantile(seconds, share)) for key, share in shares.items()}


if __name__ == "__main__":
    sys.exit(main(tyro.cli(LoadArguments, description=__doc__)))
