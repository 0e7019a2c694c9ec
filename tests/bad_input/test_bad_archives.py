"""Hostile and damaged archives of data through the commands."""

import hashlib
import io
import re
import zipfile
from dataclasses import replace

import pytest
from refusals import COMMANDS

import data.download
from data.datasets import REGISTRY


def archive(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return file.getvalue()


HOSTILE = {
    "traversal": (archive({"ml-1m/../../evil": b"x"}), "'ml-1m/../../evil' lies outside"),
    "bomb": (archive({"ml-1m/a": bytes(9 << 20)}), "unpacks to 9437184 bytes, more than the"),
}


@pytest.mark.parametrize("case", [*HOSTILE, "md5", "sha256", "no network"])
def test_bad_archives_leave_nothing_behind(tmp_path, monkeypatch, case: str) -> None:
    content, says = HOSTILE.get(case, (archive({"ml-1m/a": b"x"}), case))
    digests = {kind: hashlib.new(kind, content).hexdigest() for kind in ("md5", "sha256")}
    if case in digests:
        digests[case] = "0" * 32
        says = f"{case} [0-9a-f]+ of .* bytes, expected 0000.*; truncated or altered: try again"
    pinned = replace(REGISTRY["ml-1m"].archive, **digests, most_unpacked_bytes=1 << 20)
    monkeypatch.setitem(REGISTRY, "ml-1m", replace(REGISTRY["ml-1m"], archive=pinned))

    def serve(url: str, timeout: float) -> io.BytesIO:
        if case == "no network":
            raise OSError("no network")
        response = io.BytesIO(content)
        response.geturl = lambda: url  # type: ignore[attr-defined]
        return response

    monkeypatch.setattr(data.download, "open_url", serve)
    (tmp_path / "root").mkdir()
    ended = COMMANDS["train"](tmp_path / "root", tmp_path / "out")
    assert ended.status == 2 and "Traceback" not in ended.err
    assert re.search(f"^train: .*{says}", ended.err.splitlines()[-1])
    assert list(tmp_path.rglob("*")) == [tmp_path / "root"]
