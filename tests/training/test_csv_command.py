"""From somebody's own file to a policy, a table and recommendations, in their ids: two commands."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import evaluate
import train as program
from recommender import DRRAgent
from training.run_folder import contradictions

Flags = tuple[str, ...]


@pytest.fixture(scope="module")
def shop(tiny, tmp_path_factory) -> Path:
    """`tiny` as a bookshop's log, ids in text, and its titles beside it."""
    path = tmp_path_factory.mktemp("shop") / "books.csv"
    columns = (tiny.users, tiny.items, tiny.values, tiny.timestamps)
    lines = [
        f"customer-{user},book-{item},{stars:g},{time}\n"
        for user, item, stars, time in zip(*(c.tolist() for c in columns), strict=True)
    ]
    path.write_text("customer,isbn,stars,bought\n" + "".join(lines), "utf-8")
    titles = (f"book-{item},{title}\n" for item, title in enumerate(tiny.titles))
    path.with_name("titles.csv").write_text("isbn,title\n" + "".join(titles), "utf-8")
    return path


def flags(path: Path) -> Flags:
    columns = ("--csv.user", "customer", "--csv.item", "isbn", "--csv.rating", "stars")
    return ("--dataset", "csv", "--csv.path", str(path), *columns, "--csv.timestamp", "bought")


@pytest.fixture(scope="module")
def run(train, shop, tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    titles = ("--csv.titles", str(shop.with_name("titles.csv")))
    short = ("--steps", "160", "--loop.evaluations", "1", "--protocol", "catalog", "--known", "4")
    run = train(root, *flags(shop), *titles, *short, eager=True)
    assert run.status == 0, run.err
    return run


@pytest.mark.slow
def test_a_run_is_called_by_the_file_and_remembers_how_to_read_it(run, shop):
    folder = run.folder.parent / "books-best-seed0"
    saved = json.loads((folder / "config.json").read_text())
    assert (saved["dataset"], saved["csv"]["path"]) == ("csv", str(shop))
    assert "books, catalog (inductive), 12 users" in run.out
    assert json.loads((folder / "metrics.json").read_text())["data"]["name"] == "books"


def test_evaluate_finds_the_data_of_the_run(run, tiny, capsys):
    folder = run.folder.parent / "books-best-seed0"
    asked = ("--weights", str(folder), "--policies", "popularity", "--show-users", "3")
    assert evaluate.main(asked) == 0
    shown = capsys.readouterr().out
    assert "books, catalog (inductive), 12 users" in shown
    assert shown.count("User customer-") == 3
    history = shown.split("history\n")[1].split("  recommended")[0]
    assert history.count("\n") == 4  # known: 4, as the run was trained for
    liked = [line[8:] for line in shown.splitlines() if line.startswith("    5   ")]
    assert liked and set(liked) <= set(tiny.titles)


def test_recommendations_speak_in_the_ids_of_the_file(run):
    agent = DRRAgent.load(run.folder.parent / "books-best-seed0")
    best = agent.recommend([("book-7", 5), ("book-12", 4)], k=78)
    assert {item.item_id for item in best} == {f"book-{n}" for n in range(80)} - {
        "book-7",
        "book-12",
    }
    for wrong in ("book-80", "7", 7):
        with pytest.raises(ValueError, match=f"item {wrong!r} is not among the 80 items"):
            agent.recommend([(wrong, 5)])


def test_a_run_is_resumed_with_its_columns_but_the_file_may_have_moved(run, shop):
    root = run.folder.parent
    named = ("--resume", "--run-name", "books-best-seed0", "--output-root", str(root))
    found = program.with_saved_data(program.parse(named))
    assert (found.dataset, found.csv.path, found.csv.user) == ("csv", str(shop), "customer")
    moved = replace(found, csv=replace(found.csv, path="elsewhere.csv"))
    assert contradictions(moved, found) == []
    other = replace(found, csv=replace(found.csv, rating="price"))
    assert contradictions(other, found) == ["--csv.rating price (the run has stars)"]
