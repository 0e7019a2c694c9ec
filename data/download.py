"""Fetch a MovieLens archive from GroupLens: verified, unpacked safely, put in place at once.

Everything happens in a temporary folder inside the data root, which is removed whatever happens;
the finished folder is moved into place by one rename, so no half-written data set is ever seen.
"""

import errno
import hashlib
import os
import queue
import shutil
import stat
import sys
import tempfile
import threading
import urllib.request
import zipfile
import zlib
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from data.errors import DownloadError, quote
from data.movielens import FILES

CONNECT_SECONDS = 10.0
_BLOCK = 1 << 16
_MEBIBYTE = 1 << 20
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
_BY_HAND = "try again later, or unpack the archive yourself and pass its parent as --data-root"


@dataclass(frozen=True)
class Archive:
    """A pinned zip file that unpacks into one folder named like the data set."""

    name: str
    url: str
    md5: str
    sha256: str
    most_bytes: int = 64 * _MEBIBYTE  # of the archive itself
    most_unpacked_bytes: int = 256 * _MEBIBYTE


ARCHIVES = {
    "ml-1m": Archive(
        "ml-1m",
        "https://files.grouplens.org/datasets/movielens/ml-1m.zip",
        md5="c4d9eecfca2ab87c1945afe126590906",
        sha256="a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
    ),
    "ml-100k": Archive(
        "ml-100k",
        "https://files.grouplens.org/datasets/movielens/ml-100k.zip",
        md5="0e33842e24a9c977be4e0107933c0723",
        sha256="50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
    ),
}


class Response(Protocol):
    """What is used of an open HTTP response."""

    def read(self, size: int, /) -> bytes: ...
    def geturl(self) -> str: ...
    def close(self) -> None: ...


class OnlyHttps(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but none that leaves https: not even on the way to https."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not newurl.startswith("https://"):
            raise DownloadError(f"{req.full_url}: redirected to {quote(newurl)}, no https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def open_url(url: str, timeout: float) -> Response:
    opener = urllib.request.build_opener(OnlyHttps)
    response: Response = opener.open(url, timeout=timeout)  # only https comes here
    return response


def download_archive(archive: Archive, data_root: Path) -> Path:
    """The folder `data_root/<name>`, freshly fetched; DownloadError if anything is not right."""
    target = data_root / archive.name
    try:
        work = Path(tempfile.mkdtemp(prefix=".download-", dir=data_root))
    except OSError as error:
        raise DownloadError(f"{data_root}: cannot be written ({error.strerror})") from None
    try:
        zipped = work / f"{archive.name}.zip"
        _fetch(archive, zipped)
        _verify(archive, zipped)
        folder = unpack(archive, zipped, work / "unpacked")
        _move_into_place(folder, target)
    except (OSError, HTTPException) as error:
        raise DownloadError(f"{archive.url}: {error}; {_BY_HAND}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _fetch(archive: Archive, path: Path) -> None:
    response = _connect(archive)
    try:
        if not response.geturl().startswith("https://"):
            raise DownloadError(
                f"{archive.url}: redirected to {quote(response.geturl())}, no https"
            )
        length = getattr(response, "length", None)
        size = f", {length / _MEBIBYTE:.1f} MiB" if length else ""
        print(f"downloading {archive.url}{size} ...", file=sys.stderr, flush=True)
        with path.open("wb") as file:
            while block := response.read(_BLOCK):
                file.write(block)
                if file.tell() > archive.most_bytes:
                    raise DownloadError(
                        f"{archive.url}: larger than {archive.most_bytes} bytes; not the archive"
                    )
    finally:
        response.close()


def _connect(archive: Archive) -> Response:
    """Open the URL within CONNECT_SECONDS, name look-up and every address tried included."""
    if not archive.url.startswith("https://"):
        raise DownloadError(f"{archive.url}: only https is allowed")
    answers: queue.SimpleQueue[Response | Exception] = queue.SimpleQueue()

    def attempt() -> None:
        try:
            answers.put(open_url(archive.url, CONNECT_SECONDS))
        except (OSError, ValueError, HTTPException) as error:  # raised by the waiting thread
            answers.put(error)

    threading.Thread(target=attempt, daemon=True).start()
    try:
        answer = answers.get(timeout=CONNECT_SECONDS)
    except queue.Empty:
        answer = TimeoutError(f"no connection within {CONNECT_SECONDS:g} s")
    if isinstance(answer, DownloadError):
        raise answer
    if isinstance(answer, Exception):
        raise DownloadError(f"{archive.url}: {answer}; {_BY_HAND}") from answer
    return answer


def _verify(archive: Archive, path: Path) -> None:
    content = path.read_bytes()  # bounded by most_bytes
    found = {
        "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    for kind, expected in (("md5", archive.md5), ("sha256", archive.sha256)):
        if found[kind] != expected:
            raise DownloadError(
                f"{archive.url}: {kind} {found[kind]} of {len(content)} bytes, "
                f"expected {expected}; truncated or altered: {_BY_HAND}"
            )


def unpack(archive: Archive, path: Path, into: Path) -> Path:
    """Unpack regular files below `into/<name>`; refuse everything else before writing anything."""
    try:
        with zipfile.ZipFile(path) as zipped:
            members = zipped.infolist()
            for member in members:
                _check_member(archive, member)
            _check_size(archive, sum(member.file_size for member in members))
            room = archive.most_unpacked_bytes
            for member in members:
                if not member.is_dir():
                    place = into / member.filename
                    place.parent.mkdir(parents=True, exist_ok=True)
                    with zipped.open(member) as source, place.open("xb") as file:
                        room -= _copy(archive, source, file, room)
    except DownloadError:
        raise
    except (*_DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # EINVAL: a place before 0
            raise
        raise DownloadError(f"{path.name}: damaged archive ({error}); {_BY_HAND}") from error
    folder = into / archive.name
    if missing := [name for name in FILES[archive.name] if not (folder / name).is_file()]:
        raise DownloadError(f"{path.name}: holds no {archive.name}/{missing[0]}")
    return folder


def _check_member(archive: Archive, member: zipfile.ZipInfo) -> None:
    parts = PurePosixPath(member.filename).parts
    outside = (
        member.filename.startswith("/")
        or "\\" in member.filename
        or ":" in member.filename
        or ".." in parts
        or parts[:1] != (archive.name,)
    )
    if outside:
        raise DownloadError(f"{archive.name}.zip: {quote(member.filename)} lies outside its folder")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DownloadError(f"{archive.name}.zip: {quote(member.filename)} is a link or device")


def _check_size(archive: Archive, size: int) -> None:
    if size > archive.most_unpacked_bytes:
        raise DownloadError(
            f"{archive.name}.zip: unpacks to {size} bytes, more than the "
            f"{archive.most_unpacked_bytes} allowed"
        )


def _copy(archive: Archive, source: IO[bytes], file: IO[bytes], room: int) -> int:
    """Copy at most `room` bytes, whatever the archive's directory claims; the number copied."""
    copied = 0
    while block := source.read(_BLOCK):
        copied += len(block)
        if copied > room:
            _check_size(archive, archive.most_unpacked_bytes + 1)
        file.write(block)
    return copied


def _move_into_place(folder: Path, target: Path) -> None:
    try:
        os.replace(folder, target)
    except OSError:
        # Another process may have finished first: its folder is as good as ours.
        if all((target / file).is_file() for file in FILES[target.name]):
            return
        raise DownloadError(
            f"{target}: is in the way and lacks files of the data set; remove it"
        ) from None
