"""Downloads through a local opener: verified, unpacked safely, nothing half-written left."""

import hashlib
import io
import re
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
from data.download import Published, download
from data.movielens import ML_1M

WriteFolder = Callable[..., Path]
Members = dict[str, bytes]
URL = "https://files.example.org/ml-1m.zip"


class Served:
    """An HTTP response from memory."""

    def __init__(self, content: bytes, fails: Exception | None = None) -> None:
        self.stream, self.fails, self.closed = io.BytesIO(content), fails, False

    def read(self, size: int, /) -> bytes:
        block = self.stream.read(size)
        if not block and self.fails:
            raise self.fails
        return block

    def close(self) -> None:
        self.closed = True


def zip_of(members: Members) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return file.getvalue()


def archive_of(content: bytes, **changed) -> Published:
    md5, sha256 = hashlib.md5(content).hexdigest(), hashlib.sha256(content).hexdigest()
    pins = {"address": URL, "md5": md5, "sha256": sha256, **changed}
    return replace(REGISTRY["ml-1m"], **pins)


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


def assert_refused(archive: Published, root: Path, message: str) -> None:
    with pytest.raises(DownloadError, match=message):
        download(archive, root)
    assert list(root.iterdir()) == []  # nothing half-written stays behind
    assert [
        path.name for path in root.parent.iterdir() if path.name not in ("root", root.name)
    ] == []


def test_download_then_load(root: Path, members: Members, serve, monkeypatch, write_ml_1m) -> None:
    content = zip_of(members)
    response = serve(content)
    monkeypatch.setitem(REGISTRY, "ml-1m", archive_of(content))
    ratings = load_dataset("ml-1m", root)
    assert ratings.fingerprint() == load_dataset("ml-1m", write_ml_1m().parent).fingerprint()
    assert [path.name for path in root.iterdir()] == ["ml-1m"]
    assert response.closed
    monkeypatch.setattr(module, "open_url", None)  # the second time nothing is fetched
    assert load_dataset("auto", root).fingerprint() == ratings.fingerprint()


def test_every_archive_is_pinned_and_has_its_own_limits() -> None:
    archives = {name: found for name, found in REGISTRY.items() if found.md5}
    assert set(archives) == {"ml-1m", "ml-100k", "ml-10m", "ml-20m", "ml-25m", "ml-32m"}
    for name, archive in archives.items():
        assert archive.address == f"https://files.grouplens.org/datasets/movielens/{name}.zip"
        assert re.fullmatch("[0-9a-f]{32}", archive.md5)
        assert archive.sha256 is None or re.fullmatch("[0-9a-f]{64}", archive.sha256)
        assert 5 * archive.size[1] < archive.most_bytes < 1 << 30


def test_the_folder_in_an_archive_may_have_another_name(root: Path, members, serve) -> None:
    content = zip_of({f"ml-10M100K/{name[6:]}": found for name, found in members.items()})
    serve(content)
    archive = archive_of(content, name="ml-10m", folder="ml-10M100K", sha256=None)
    assert download(archive, root) == root / "ml-10m"
    assert sorted(path.name for path in (root / "ml-10m").iterdir()) == sorted(ML_1M.files)


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


def test_endless_download(root: Path, serve, monkeypatch) -> None:
    monkeypatch.setattr(Published, "most_bytes", 100_000)
    serve(b"x" * 300_000)
    assert_refused(archive_of(b""), root, "larger than 100000 bytes")


def test_a_server_that_breaks_off_or_sends_something_else(root: Path, serve) -> None:
    serve(b"PK", fails=ConnectionResetError("reset by peer"))
    assert_refused(archive_of(b""), root, "reset by peer; try again later, or unpack")
    serve(b"another archive")
    assert_refused(archive_of(b""), root, "md5 .* of 15 bytes, expected .*; truncated or altered")
    serve(b"another archive")
    md5 = hashlib.md5(b"another archive").hexdigest()
    assert_refused(archive_of(b"", md5=md5), root, "sha256 .* of 15 bytes, expected")


def test_nothing_but_the_files_of_the_data_set_leaves_the_archive(
    root: Path, members: Members, serve
) -> None:
    content = zip_of({**members, "../evil": b"", "/tmp/evil": b"", "ml-1m/run.sh": b""})
    serve(content)
    folder = download(archive_of(content), root)
    assert sorted(path.name for path in folder.iterdir()) == sorted(ML_1M.files)
    assert [path.name for path in root.iterdir()] == ["ml-1m"]


def test_a_finished_folder_of_another_process_is_used(root: Path, members: Members, serve) -> None:
    content = zip_of(members)
    serve(content)
    download(archive_of(content), root)
    serve(content)
    assert download(archive_of(content), root) == root / "ml-1m"
    (root / "ml-1m" / "users.dat").unlink()
    serve(content)
    with pytest.raises(DownloadError, match="is in the way"):
        download(archive_of(content), root)
