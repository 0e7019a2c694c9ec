"""Hostile and damaged archives of data through the commands."""

import hashlib
import io
import re
import stat
import zipfile

import pytest
from refusals import COMMANDS

import data.download
from data import DownloadError
from data.download import ARCHIVES, Archive


def archive(members: dict[str, bytes], mode: int = stat.S_IFREG) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in members.items():
            member = zipfile.ZipInfo(name)
            member.create_system, member.external_attr = 3, (mode | 0o644) << 16
            zipped.writestr(member, content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


HOSTILE = {
    "traversal": (archive({"ml-1m/../../evil": b"x"}), "'ml-1m/../../evil' lies outside"),
    "absolute": (archive({"/tmp/evil": b"x"}), "'/tmp/evil' lies outside its folder"),
    "symlink": (archive({"ml-1m/a": b"/etc"}, stat.S_IFLNK), "'ml-1m/a' is a link or device"),
    "bomb": (archive({"ml-1m/a": bytes(9 << 20)}), "unpacks to 9437184 bytes, more than the"),
    "no zip": (b"<html>", "damaged archive"),
    "incomplete": (archive({"ml-1m/ratings.dat": b""}), "holds no ml-1m/movies.dat"),
}


@pytest.mark.parametrize("case", [*HOSTILE, "checksum", "plain http", "no network"])
def test_bad_archives_leave_nothing_behind(tmp_path, monkeypatch, case: str) -> None:
    content, says = HOSTILE.get(case, (archive({"ml-1m/a": b"x"}), case))
    digests = {kind: hashlib.new(kind, content).hexdigest() for kind in ("md5", "sha256")}
    if case == "checksum":
        digests["sha256"] = "0" * 64
        says = (
            "sha256 [0-9a-f]+ of .* bytes, expected 0000.*; truncated or altered: try again later"
        )
    pinned = Archive("ml-1m", ARCHIVES["ml-1m"].url, **digests, most_unpacked_bytes=1 << 20)
    monkeypatch.setitem(ARCHIVES, "ml-1m", pinned)

    def serve(url: str, timeout: float) -> io.BytesIO:
        if case == "no network":
            raise OSError("no network")
        if case == "plain http":
            raise DownloadError(f"{url}: redirected to 'http://x', plain http")
        response = io.BytesIO(content)
        response.geturl = lambda: url  # type: ignore[attr-defined]
        return response

    monkeypatch.setattr(data.download, "open_url", serve)
    (tmp_path / "root").mkdir()
    ended = COMMANDS["train"](tmp_path / "root", tmp_path / "out")
    assert ended.status == 2 and "Traceback" not in ended.err
    assert re.search(f"^train: .*{says}", ended.err.splitlines()[-1])
    assert list(tmp_path.rglob("*")) == [tmp_path / "root"]
