"""The processes that TF_CONFIG names: read and checked, and waited for until all of them are there.

    TF_CONFIG='{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]},
                "task": {"type": "worker", "index": 0}}'

The cluster is the same for all processes, the task says which of them this one is. A "chief" is a
worker with another name.
"""

import json
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from config import ConfigError

JOBS = ("chief", "worker")  # in TensorFlow's order


class ClusterError(RuntimeError):
    """The processes cannot work together; the message says which, why and what to do."""


class Member(NamedTuple):
    """One process: its TensorFlow name, /job:JOB/task:TASK, and where it listens."""

    job: str
    task: int
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.job} {self.task} ({self.host}:{self.port})"


@dataclass(frozen=True)
class Cluster:
    """All processes, the chief first, and the place of this one among them."""

    members: tuple[Member, ...]
    index: int


def read_cluster(environment: Mapping[str, str]) -> Cluster | None:
    """The cluster in `environment`'s TF_CONFIG; None where it names no other process.

    Raises:
        ConfigError: naming what is wrong in it.
    """
    text = environment.get("TF_CONFIG", "")
    if not text.strip():
        return None
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise _bad(text, f"is not valid JSON ({error.msg} at character {error.pos})") from error
    if not isinstance(values, dict):
        raise _bad(text, 'is not an object with "cluster" and "task"')
    if not values.get("cluster"):
        return None
    members = _members(values["cluster"])
    index = _index(values.get("task"), members)
    return Cluster(members, index) if len(members) > 1 else None


def _members(cluster: Any) -> tuple[Member, ...]:
    if not isinstance(cluster, dict):
        raise _bad(cluster, 'cluster is not an object like {"worker": ["host:port", ...]}')
    unknown = sorted(set(cluster) - set(JOBS))
    if unknown:
        raise _bad(unknown[0], "a job of the cluster, is neither chief nor worker; leave it out")
    members = []
    for job in JOBS:
        addresses = cluster.get(job, [])
        if not isinstance(addresses, list):
            raise _bad(addresses, f"cluster.{job} is not a list of addresses")
        members += [Member(job, task, *_address(text)) for task, text in enumerate(addresses)]
    places = [(member.host, member.port) for member in members]
    for member in members:
        if places.count((member.host, member.port)) > 1:
            raise _bad(f"{member.host}:{member.port}", "an address of the cluster, is there twice")
    return tuple(members)


def _address(text: Any) -> tuple[str, int]:
    found = re.fullmatch(r"(.+):(\d{1,5})", text) if isinstance(text, str) else None
    if not found or not 0 < int(found[2]) < 2**16:
        raise _bad(text, "an address of the cluster, is not host:port")
    return found[1].strip("[]"), int(found[2])


def _index(task: Any, members: tuple[Member, ...]) -> int:
    if not isinstance(task, dict):
        raise _bad(task, 'task is not an object like {"type": "worker", "index": 0}')
    job, number = task.get("type"), task.get("index")
    places = [place for place, member in enumerate(members) if member.job == job]
    if not places:
        raise _bad(job, f"task.type is not a job of the cluster ({' or '.join(JOBS)})")
    if type(number) is not int or not 0 <= number < len(places):
        raise _bad(number, f"task.index is not a number from 0 to {len(places) - 1}")
    return places[number]


def _bad(value: Any, problem: str) -> ConfigError:
    shown = repr(value)
    shown = shown if len(shown) <= 100 else f"{shown[:97]}..."
    return ConfigError(f"TF_CONFIG: {problem}: {shown}")


def await_members(cluster: Cluster, seconds: float) -> None:
    """Return when every process listens at its port; TensorFlow alone would wait for an hour.

    Raises:
        ClusterError: where one does not within `seconds`, or this process' own port is taken.
    """
    end = time.monotonic() + seconds
    own = cluster.members[cluster.index]
    try:
        listener = socket.create_server(("", own.port), backlog=len(cluster.members))
    except OSError as error:
        raise ClusterError(
            f"port {own.port}, this process' in TF_CONFIG, cannot be opened ({error.strerror}); "
            "end what uses it, or choose another port in the TF_CONFIG of all workers"
        ) from error
    with listener:
        for member in cluster.members:
            while member != own and not _listens(member):
                if time.monotonic() > end:
                    raise ClusterError(
                        f"{member} did not come up within {seconds:.0f} s; its output says why, "
                        "or it was not started, or the network keeps it apart"
                    )
                time.sleep(0.1)


def _listens(member: Member) -> bool:
    try:
        socket.create_connection((member.host, member.port), timeout=2).close()
    except OSError:
        return False
    return True
