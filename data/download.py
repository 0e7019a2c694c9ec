"""Fetch a MovieLens archive from GroupLens: verified, unpacked, put in place at once.

Everything happens in a temporary folder inside the data root, which is removed whatever happens;
the finished folder is moved into place by one rename, so no half-written data set is ever seen.
"""

import hashlib
import os
import queue
import shutil
import sys
import tempfile
import threading
import urllib.request
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any

from data.errors import DownloadError, quote
from data.ratings import Ratings

CONNECT_SECONDS = 10.0
_BLOCK = 1 << 16
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Published:
    """A published data set: its files, its size, where it comes from, and how it is read."""

    name: str
    files: tuple[str, ...]
    size: tuple[int, int]  # items and ratings
    address: str  # of the archive, if its checksum is known; else where to find it
    read: Callable[[Path], Ratings]
    md5: str | None = None  # of the archive; None: read from a local folder only
    sha256: str | None = None  # None: only the MD5 was published
    folder: str = ""  # in the archive

    @property
    def most_bytes(self) -> int:
        """The archive is smaller than this."""
        return (64 << 20) + 20 * self.size[1]

    @property
    def by_hand(self) -> str:
        """What to do where it does not come."""
        return (
            f"try again later, or unpack the archive yourself: as data/{self.folder}/, or below "
            "another folder, given as $DRR_DATA_ROOT or --data-root"
        )


class OnlyHttps(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but none that leaves https: not even on the way to https."""

    def redirect_request(self, *request: Any, **_: Any) -> urllib.request.Request | None:
        """The next request; `request` ends with its URL."""
        old, new = request[0].full_url, request[-1]
        if not new.startswith("https://"):
            raise DownloadError(f"{old}: redirected to {quote(new)}, no https")
        return super().redirect_request(*request)


def open_url(url: str, timeout: float) -> HTTPResponse:
    opener = urllib.request.build_opener(OnlyHttps)
    response: HTTPResponse = opener.open(url, timeout=timeout)  # only https comes here
    return response


def download(archive: Published, data_root: Path) -> Path:
    """The folder `data_root/<name>`, freshly fetched; DownloadError if anything is not right."""
    target = data_root / archive.name
    try:
        with tempfile.TemporaryDirectory(prefix=".download-", dir=data_root) as work:
            zipped, unpacked = Path(work) / f"{archive.name}.zip", Path(work) / archive.name
            _fetch(archive, zipped)
            _verify(archive, zipped)
            _unpack(archive, zipped, unpacked)
            _move_into_place(archive, unpacked, target)
    except (OSError, HTTPException) as error:
        raise DownloadError(f"{archive.address}: {error}; {archive.by_hand}") from error
    return target


def _fetch(archive: Published, path: Path) -> None:
    with closing(_connect(archive.address)) as response:
        length = getattr(response, "length", None)
        size = f", {length / MEBIBYTE:.1f} MiB" if length else ""
        print(f"downloading {archive.address}{size} ...", file=sys.stderr, flush=True)
        with path.open("wb") as file:
            while block := response.read(_BLOCK):
                file.write(block)
                if file.tell() > archive.most_bytes:
                    raise DownloadError(
                        f"{archive.address}: larger than {archive.most_bytes} bytes; not the archive"
                    )


def _connect(url: str) -> HTTPResponse:
    """Open the URL within CONNECT_SECONDS, name look-up and every address tried included."""
    answers: queue.SimpleQueue[HTTPResponse | Exception] = queue.SimpleQueue()

    def attempt() -> None:
        try:
            answers.put(open_url(url, CONNECT_SECONDS))
        except (OSError, DownloadError, HTTPException) as error:  # raised by the waiting thread
            answers.put(error)

    threading.Thread(target=attempt, daemon=True).start()
    try:
        answer = answers.get(timeout=CONNECT_SECONDS)
    except queue.Empty:
        answer = TimeoutError(f"no connection within {CONNECT_SECONDS:g} s")
    if isinstance(answer, Exception):
        raise answer
    return answer


def _verify(archive: Published, path: Path) -> None:
    for kind, expected in (("md5", archive.md5), ("sha256", archive.sha256)):
        with path.open("rb") as file:
            found = hashlib.file_digest(file, kind).hexdigest()
        if expected is not None and found != expected:
            raise DownloadError(
                f"{archive.address}: {kind} {found} of {path.stat().st_size} bytes, "
                f"expected {expected}; truncated or altered: {archive.by_hand}"
            )


def _unpack(archive: Published, path: Path, into: Path) -> None:
    """Write the files of the data set; whatever else an archive holds, and its paths, stay in it."""
    into.mkdir()
    with zipfile.ZipFile(path) as zipped:
        for name in archive.files:
            with (
                zipped.open(f"{archive.folder}/{name}") as source,
                (into / name).open("xb") as file,
            ):
                shutil.copyfileobj(source, file)


def _move_into_place(archive: Published, folder: Path, target: Path) -> None:
    try:
        os.replace(folder, target)
    except OSError:
        # Another process may have finished first: its folder is as good as ours.
        if not all((target / file).is_file() for file in archive.files):
            raise DownloadError(
                f"{target}: is in the way and lacks files of the data set; remove it"
            ) from None
