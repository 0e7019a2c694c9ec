"""`python -m experiments.strategies`: which runs it reads, and what it refuses."""

import shutil

import pytest

from experiments import strategies


def test_runs_are_named_by_the_user_or_their_folder(tiny_run):
    name, curve = strategies.read(str(tiny_run.folder))
    assert name == tiny_run.folder.name
    assert [row["step"] for row in curve] == [80, 160, 240, 320, 400]
    assert {"reward", "critic_loss", "action", "q"} <= set(curve[-1])
    assert "precision@5" in curve[-1]
    assert strategies.read(f"mine={tiny_run.folder}") == ("mine", curve)


def test_several_runs_are_drawn_into_one_picture(tiny_run, tmp_path, capsys):
    other = shutil.copytree(tiny_run.folder, tmp_path / "other")
    picture = tmp_path / "strategies.png"
    runs = [str(tiny_run.folder), f"seeds={other}", f"seeds={tiny_run.folder}"]
    assert strategies.main([*runs, "--out", str(picture)]) == 0
    assert capsys.readouterr().out.strip() == str(picture)
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file; give the folder of a finished run"),
        ("{", "no learning curve in it"),
        ('{"results": {}}', "no learning curve in it"),
        ('{"curve": [1]}', "no learning curve in it"),
        ('{"curve": [{"step": "x"}]}', "no learning curve in it"),
    ],
)
def test_a_run_without_a_curve_is_one_line(content, message, tmp_path, capsys):
    if content is not None:
        (tmp_path / "metrics.json").write_text(content)
    assert strategies.main([str(tmp_path), "--out", str(tmp_path / "x.png")]) == 2
    error = capsys.readouterr().err
    assert message in error and str(tmp_path) in error and error.count("\n") == 1
    assert not (tmp_path / "x.png").exists()


def test_no_run_and_no_place_are_one_line(tiny_run, tmp_path, capsys):
    assert strategies.main(["--out", str(tmp_path / "x.png")]) == 2
    assert "no run given" in capsys.readouterr().err
    assert strategies.main([str(tiny_run.folder), "--out", str(tmp_path / "no" / "x.png")]) == 2
    assert strategies.main([str(tiny_run.folder), "--out", str(tmp_path / "x.what")]) == 2
    assert capsys.readouterr().err.count("strategies: ") == 2
