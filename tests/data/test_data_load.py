"""Which data set `load_dataset` answers with, and when it refuses."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import data.download
from data import DataError, DownloadError, find_dataset, load_dataset
from data.datasets import REGISTRY

WriteFolder = Callable[..., Path]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str, timeout: float) -> None:
        raise OSError("no network")

    monkeypatch.setattr(data.download, "open_url", refuse)
    monkeypatch.delenv("DRR_DATA_ROOT", raising=False)


def test_auto_without_network_warns_loudly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load_dataset("auto", tmp_path).name == "synthetic"
    warning = capsys.readouterr().err
    assert "SYNTHETIC" in warning
    assert "no network" in warning
    assert list(tmp_path.iterdir()) == []


def test_without_network_there_may_be_no_titles(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert find_dataset("ml-1m", tmp_path) is None
    warning = capsys.readouterr().err
    assert all(place in warning for place in ("data/ml-1m/", "$DRR_DATA_ROOT", "data_root"))


@pytest.mark.parametrize("name", ["ml-1m", "ml-100k"])
def test_named_data_is_never_replaced(tmp_path: Path, name: str) -> None:
    with pytest.raises(DownloadError, match="no network"):
        load_dataset(name, tmp_path)


def test_auto_does_not_hide_bad_local_data(write_ml_1m: WriteFolder) -> None:
    with pytest.raises(DataError, match=r"rating is not one of .* value '6'"):
        load_dataset("auto", write_ml_1m(ratings=("1::3::6::1",)).parent)
    with pytest.raises(DataError, match=r"users\.dat: no such file"):
        load_dataset("auto", write_ml_1m(users=None).parent)


@pytest.mark.parametrize("name", ["ml-latest-small", "lastfm", "coat"])
def test_without_a_checksum_nothing_is_downloaded(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=rf"{name}: no such folder, or empty; give it .* https://"):
        load_dataset(name, tmp_path)


@pytest.mark.parametrize("name", ["auto", "ml-1m"])
def test_the_root_may_be_the_folder_of_the_data_set(
    write_ml_1m: WriteFolder, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = write_ml_1m()
    monkeypatch.setenv("DRR_DATA_ROOT", str(folder))
    assert load_dataset(name).fingerprint() == load_dataset("ml-1m", folder.parent).fingerprint()
    renamed = folder.rename(folder.with_name("films"))
    assert load_dataset(name, renamed).n_ratings == 6


def test_a_file_cut_between_lines_is_noticed(
    write_ml_1m: WriteFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(REGISTRY, "ml-1m", replace(REGISTRY["ml-1m"], size=(4, 7)))
    load_dataset("ml-1m", write_ml_1m().parent)
    assert "6 ratings, 7 were published" in capsys.readouterr().err
