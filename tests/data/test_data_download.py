"""Downloads through a local opener: verified, unpacked safely, nothing half-written left."""

import hashlib
import io
import re
import stat
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

import data.download as module
from data import DownloadError, load_dataset
from data.datasets import REGISTRY
from data.download import Archive, download_archive
from data.movielens import ML_1M

WriteFolder = Callable[..., Path]
Members = dict[str | zipfile.ZipInfo, bytes]
URL = "https://files.example.org/ml-1m.zip"


class Served:
    """An HTTP response from memory."""

    def __init__(self, content: bytes, url: str = URL, fails: Exception | None = None) -> None:
        self.stream, self.url, self.fails, self.closed = io.BytesIO(content), url, fails, False

    def read(self, size: int, /) -> bytes:
        block = self.stream.read(size)
        if not block and self.fails:
            raise self.fails
        return block

    def geturl(self) -> str:
        return self.url

    def close(self) -> None:
        self.closed = True


def zip_of(members: Members) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return file.getvalue()


def archive_of(content: bytes, **changed) -> Archive:
    md5, sha256 = hashlib.md5(content).hexdigest(), hashlib.sha256(content).hexdigest()
    sizes = {"most_bytes": 1 << 20, "most_unpacked_bytes": 1 << 22}
    pins = {"url": URL, "md5": md5, "sha256": sha256, "files": ML_1M.files}
    return Archive(**{"name": "ml-1m", "folder": "ml-1m", **sizes, **pins, **changed})


@pytest.fixture
def members(write_ml_1m: WriteFolder) -> Members:
    files = sorted(write_ml_1m().iterdir())
    return {"ml-1m/": b"", **{f"ml-1m/{file.name}": file.read_bytes() for file in files}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "downloads").mkdir()
    return tmp_path / "downloads"


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Served]:
    def answer(content: bytes, **how) -> Served:
        response = Served(content, **how)
        monkeypatch.setattr(module, "open_url", lambda url, timeout: response)
        return response

    return answer


def assert_refused(archive: Archive, root: Path, message: str) -> None:
    with pytest.raises(DownloadError, match=message):
        download_archive(archive, root)
    assert list(root.iterdir()) == []  # nothing half-written stays behind
    assert [
        path.name for path in root.parent.iterdir() if path.name not in ("root", root.name)
    ] == []


def test_download_then_load(root: Path, members: Members, serve, monkeypatch, write_ml_1m) -> None:
    content = zip_of(members)
    response = serve(content)
    pinned = replace(REGISTRY["ml-1m"], archive=archive_of(content))
    monkeypatch.setitem(REGISTRY, "ml-1m", pinned)
    ratings = load_dataset("ml-1m", root)
    assert ratings.fingerprint() == load_dataset("ml-1m", write_ml_1m().parent).fingerprint()
    assert [path.name for path in root.iterdir()] == ["ml-1m"]
    assert response.closed
    monkeypatch.setattr(module, "open_url", None)  # the second time nothing is fetched
    assert load_dataset("auto", root).fingerprint() == ratings.fingerprint()


def test_every_archive_is_pinned_and_has_its_own_limits() -> None:
    archives = {name: found.archive for name, found in REGISTRY.items() if found.archive}
    assert set(archives) == {"ml-1m", "ml-100k", "ml-10m", "ml-20m", "ml-25m", "ml-32m"}
    for name, archive in archives.items():
        assert archive.url == f"https://files.grouplens.org/datasets/movielens/{name}.zip"
        assert re.fullmatch("[0-9a-f]{32}", archive.md5)
        assert archive.sha256 is None or re.fullmatch("[0-9a-f]{64}", archive.sha256)
        ratings = 20 * REGISTRY[name].size[1]  # bytes, as text
        assert ratings < archive.most_unpacked_bytes < 64 << 26
        assert archive.most_bytes < archive.most_unpacked_bytes


def test_the_folder_in_an_archive_may_have_another_name(root: Path, members, serve) -> None:
    content = zip_of({f"ml-10M100K/{name[6:]}": found for name, found in members.items()})
    serve(content)
    archive = archive_of(content, name="ml-10m", folder="ml-10M100K", sha256=None)
    assert download_archive(archive, root) == root / "ml-10m"
    assert sorted(path.name for path in (root / "ml-10m").iterdir()) == sorted(ML_1M.files)


def test_only_https(root: Path, serve) -> None:
    assert_refused(archive_of(b"", url="http://files.example.org/ml-1m.zip"), root, "only https")
    assert_refused(archive_of(b"", url="file:///etc/passwd"), root, "only https")
    serve(b"", url="http://elsewhere.example.org/x")
    assert_refused(archive_of(b""), root, "redirected to 'http://elsewhere")


class Redirecting(BaseHTTPRequestHandler):
    """Sends everybody on, without TLS."""

    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", "http://elsewhere.example.org/ml-1m.zip")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_redirect_that_leaves_https_is_not_followed() -> None:
    with HTTPServer(("127.0.0.1", 0), Redirecting) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        with pytest.raises(DownloadError, match=r"redirected to 'http://elsewhere.*no https"):
            module.open_url(f"http://127.0.0.1:{server.server_port}/ml-1m.zip", 5.0)


def test_connecting_is_given_up_in_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT_SECONDS", 0.05)
    monkeypatch.setattr(module, "open_url", lambda url, timeout: time.sleep(1))
    started = time.monotonic()
    assert_refused(archive_of(b""), root, "no connection within 0.05 s")
    assert time.monotonic() - started < 0.9


def test_endless_download(root: Path, serve) -> None:
    serve(b"x" * 300_000)
    assert_refused(archive_of(b"", most_bytes=100_000), root, "larger than 100000 bytes")


def linked(name: str, kind: int = stat.S_IFLNK) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.create_system = 3
    member.external_attr = (kind | 0o777) << 16
    return member


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("../evil.txt", "lies outside"),
        ("ml-1m/../../evil.txt", "lies outside"),
        ("/tmp/evil.txt", "lies outside"),
        ("ml-1m\\..\\evil.txt", "lies outside"),
        ("C:/evil.txt", "lies outside"),
        ("ml-1m/C:evil.txt", "lies outside"),
        ("ml-100k/u.data", "lies outside"),
        ("ml-1m", "damaged archive|File exists|Is a directory|Not a directory"),
        (linked("ml-1m/link"), "is a link or device"),
        (linked("ml-1m/pipe", stat.S_IFIFO), "is a link or device"),
        (linked("ml-1m/disk", stat.S_IFBLK), "is a link or device"),
    ],
)
def test_hostile_member(root: Path, members: Members, serve, member, message: str) -> None:
    content = zip_of({**members, member: b"/etc"})
    serve(content)
    assert_refused(archive_of(content), root, message)


def test_a_finished_folder_of_another_process_is_used(root: Path, members: Members, serve) -> None:
    content = zip_of(members)
    serve(content)
    download_archive(archive_of(content), root)
    serve(content)
    assert download_archive(archive_of(content), root) == root / "ml-1m"
    (root / "ml-1m" / "users.dat").unlink()
    serve(content)
    with pytest.raises(DownloadError, match="is in the way"):
        download_archive(archive_of(content), root)


def test_zip_bomb_that_lies_about_its_size(root: Path, members: Members, serve) -> None:
    content = zip_of({**members, "ml-1m/bomb": b"\0" * 5_000_000})
    content = content.replace((5_000_000).to_bytes(4, "little"), (5).to_bytes(4, "little"))
    serve(content)
    archive = archive_of(content, most_unpacked_bytes=1_000_000)
    assert_refused(archive, root, "damaged archive|allowed")
