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
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path, PurePosixPath
from typing import IO

from data.errors import DownloadError, quote

CONNECT_SECONDS = 10.0
_BLOCK = 1 << 16
MEBIBYTE = 1 << 20
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


@dataclass(frozen=True)
class Archive:
    """A pinned zip file that unpacks into one folder, which becomes that of the data set."""

    name: str  # of the data set
    url: str
    md5: str
    sha256: str | None  # None: only the MD5 was published
    files: tuple[str, ...]  # what the folder must hold
    most_bytes: int  # of the archive itself
    most_unpacked_bytes: int
    folder: str  # in the archive

    @property
    def by_hand(self) -> str:
        """What to do where it does not come."""
        return (
            f"try again later, or unpack the archive yourself: as data/{self.folder}/, or below "
            "another folder, given as $DRR_DATA_ROOT or --data-root"
        )


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


def open_url(url: str, timeout: float) -> HTTPResponse:
    opener = urllib.request.build_opener(OnlyHttps)
    response: HTTPResponse = opener.open(url, timeout=timeout)  # only https comes here
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
        _move_into_place(archive, folder, target)
    except (OSError, HTTPException) as error:
        raise DownloadError(f"{archive.url}: {error}; {archive.by_hand}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _fetch(archive: Archive, path: Path) -> None:
    with closing(_connect(archive)) as response:
        if not response.geturl().startswith("https://"):
            place = quote(response.geturl())
            raise DownloadError(f"{archive.url}: redirected to {place}, no https")
        length = getattr(response, "length", None)
        size = f", {length / MEBIBYTE:.1f} MiB" if length else ""
        print(f"downloading {archive.url}{size} ...", file=sys.stderr, flush=True)
        with path.open("wb") as file:
            while block := response.read(_BLOCK):
                file.write(block)
                if file.tell() > archive.most_bytes:
                    raise DownloadError(
                        f"{archive.url}: larger than {archive.most_bytes} bytes; not the archive"
                    )


def _connect(archive: Archive) -> HTTPResponse:
    """Open the URL within CONNECT_SECONDS, name look-up and every address tried included."""
    if not archive.url.startswith("https://"):
        raise DownloadError(f"{archive.url}: only https is allowed")
    answers: queue.SimpleQueue[HTTPResponse | Exception] = queue.SimpleQueue()

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
        raise DownloadError(f"{archive.url}: {answer}; {archive.by_hand}") from answer
    return answer


def _verify(archive: Archive, path: Path) -> None:
    for kind, expected in (("md5", archive.md5), ("sha256", archive.sha256)):
        with path.open("rb") as file:
            found = hashlib.file_digest(file, kind).hexdigest()
        if expected is not None and found != expected:
            raise DownloadError(
                f"{archive.url}: {kind} {found} of {path.stat().st_size} bytes, "
                f"expected {expected}; truncated or altered: {archive.by_hand}"
            )


def unpack(archive: Archive, path: Path, into: Path) -> Path:
    """Unpack regular files below `into/<folder>`; refuse everything else before writing anything."""
    try:
        with zipfile.ZipFile(path) as zipped:
            members = zipped.infolist()
            for member in members:
                _check_member(archive, member)
            size = sum(member.file_size for member in members)  # more is never unpacked
            if size > archive.most_unpacked_bytes:
                raise DownloadError(
                    f"{archive.name}.zip: unpacks to {size} bytes, more than the "
                    f"{archive.most_unpacked_bytes} allowed"
                )
            for member in members:
                if not member.is_dir():
                    place = into / member.filename
                    place.parent.mkdir(parents=True, exist_ok=True)
                    with zipped.open(member) as source, place.open("xb") as file:
                        shutil.copyfileobj(source, file)
    except DownloadError:
        raise
    except (*_DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # EINVAL: a place before 0
            raise
        raise DownloadError(f"{path.name}: damaged archive ({error}); {archive.by_hand}") from error
    folder = into / archive.folder
    if missing := [name for name in archive.files if not (folder / name).is_file()]:
        raise DownloadError(f"{path.name}: holds no {archive.folder}/{missing[0]}")
    return folder


def _check_member(archive: Archive, member: zipfile.ZipInfo) -> None:
    parts = PurePosixPath(member.filename).parts
    strange = "\\" in member.filename or ":" in member.filename or ".." in parts
    if strange or parts[:1] != (archive.folder,):
        raise DownloadError(f"{archive.name}.zip: {quote(member.filename)} lies outside its folder")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DownloadError(f"{archive.name}.zip: {quote(member.filename)} is a link or device")


def _move_into_place(archive: Archive, folder: Path, target: Path) -> None:
    try:
        os.replace(folder, target)
    except OSError:
        # Another process may have finished first: its folder is as good as ours.
        if all((target / file).is_file() for file in archive.files):
            return
        raise DownloadError(
            f"{target}: is in the way and lacks files of the data set; remove it"
        ) from None
