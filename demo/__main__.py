"""Serve the demo, or export its answers.

python -m demo                         opens on http://127.0.0.1:8000
python -m demo --export answers.csv    for train.py --dataset csv --csv.path answers.csv
"""

import csv
import io
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from config import ConfigError, Dataset, DRRError, in_flags
from config.command_line import read_arguments
from data.files import write_text
from demo.store import Store

COLUMNS = ("user", "item", "rating", "timestamp", "dataset")  # what train.py expects, and more
DATA = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
DATABASE = Path(DATA, "drr", "demo.sqlite").expanduser()
LOCAL = ("127.0.0.1", "localhost", "[::1]")  # names that a server of this machine only goes by


@dataclass(frozen=True)
class DemoArguments:
    """Serve a page that recommends films and learns from every answer; /docs describes its API."""

    weights: Path | None = None
    """Folder of a run. Default: the released run of the data set, or a small synthetic one."""
    dataset: Dataset = "auto"
    """auto: that of --weights, else ml-1m from the data root or downloaded, else synthetic."""
    data_root: str | None = None
    """Folder that holds ml-1m/ratings.dat ...; default $DRR_DATA_ROOT, else data/."""
    host: str = "127.0.0.1"
    """Address to listen on. 0.0.0.0 opens the demo to your network."""
    port: int = 8000
    """Port to listen on; 0 takes a free one."""
    database: Annotated[Path, tyro.conf.arg(metavar="FILE")] = DATABASE
    """Where sessions and answers are kept."""
    allow_origin: tuple[str, ...] = ()
    """Other web pages that may use the API, such as https://example.org."""
    export: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Write all ratings to this CSV file and end; of --dataset, if there are several."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status. An error is one message on stderr."""
    arguments = read_arguments(DemoArguments, argv)
    try:
        if arguments.export is not None:
            export(arguments.database, arguments.export, arguments.dataset)
        else:
            serve(arguments)
    except (DRRError, OSError) as error:
        print(f"demo: {in_flags(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def export(database: Path, target: Path, dataset: str) -> None:
    """Write the ratings of one data set: train.py --dataset csv trains on them."""
    if not database.is_file():
        raise ConfigError(f"--database {database}: no such file; nothing was rated yet")
    rows = [row for row in Store(database).ratings() if dataset in ("auto", row[-1])]
    names = sorted({row[-1] for row in rows})
    if len(names) > 1:
        raise ConfigError(f"there are answers on {', '.join(names)}; choose one with --dataset")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    write_text(target, text.getvalue())
    print(f"{len(rows)} ratings; python train.py --dataset csv --csv.path {target} trains on them")


def serve(arguments: DemoArguments) -> None:
    """Open the port, load the run, serve until stopped."""
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    family = socket.AF_INET6 if ":" in arguments.host else socket.AF_INET
    try:
        listener = socket.create_server((arguments.host, arguments.port), family=family)
    except (OSError, OverflowError) as error:
        raise ConfigError(f"--port {arguments.port}: {error}; choose another port") from error

    import uvicorn

    from demo.app import create_app
    from demo.runs import open_run

    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else replies wait 40 ms
    with listener:
        store = Store(arguments.database)
        opened = open_run(arguments.weights, arguments.dataset, arguments.data_root)
        app = create_app(opened, store, LOCAL if host in LOCAL else (), arguments.allow_origin)
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
        print(f"run {opened.folder.name}, data {opened.ratings.name}, {arguments.database}")
        print(f"http://{host}:{listener.getsockname()[1]}", flush=True)
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    sys.exit(main())
