"""The tables of the data report against a few obvious lines on small data."""

import datetime
from collections import Counter, defaultdict

import numpy as np
import pytest
from scipy.stats import spearmanr

from data.explore import items, people, times
from data.ratings import Ratings
from data.synthetic import SyntheticConfig, make_synthetic


@pytest.fixture(scope="module")
def small() -> Ratings:
    """200 users and 60 films with everything; some films have few ratings."""
    return make_synthetic(SyntheticConfig(n_users=200, n_items=60, longest=50, tail=1.5), seed=3)


def events(ratings):
    """(user, item, rating, timestamp) of every rating."""
    columns = (ratings.users, ratings.items, ratings.values, ratings.timestamps)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def made(rows, **more) -> Ratings:
    """Ratings from (user, item, rating, timestamp) rows."""
    return Ratings.from_events("made", *np.array(rows).T, **more)


def at(text: str) -> int:
    return int(datetime.datetime.fromisoformat(f"{text}+00:00").timestamp())


def by_item(ratings):
    found = defaultdict(list)
    for _, item, value, _ in events(ratings):
        found[item].append(value)
    return found


def test_counts_and_means_of_items_with_an_unrated_one():
    ratings = made([(1, 1, 5, 0), (2, 1, 2, 0), (1, 3, 4, 0)], item_ids=[1, 2, 3])
    counts, means = items.item_table(ratings)
    assert counts.tolist() == [2, 0, 1]
    np.testing.assert_array_equal(means, [3.5, np.nan, 4.0])
    assert items.user_table(ratings)[1].tolist() == [4.5, 2.0]


def test_rating_levels_are_the_values_that_occur(small):
    levels = items.rating_levels(small)
    found = Counter(value for _, _, value, _ in events(small))
    assert dict(zip(levels.centres, levels.shares * small.n_ratings, strict=True)) == pytest.approx(
        found
    )
    assert levels.width == 1


def test_many_rating_values_are_drawn_in_bins():
    values = np.linspace(-10, 10, 41)
    ratings = Ratings.from_events(
        "jester", range(41), range(41), values, range(41), scale=(-10, 10)
    )
    levels = items.rating_levels(ratings)
    assert len(levels.centres) == items.BINS
    assert levels.centres[0] == -9.5 and levels.width == 1
    assert levels.shares.sum() == pytest.approx(1)
    assert levels.shares[0] == pytest.approx(2 / 41)  # -10 and -9.5


def test_popularity_groups_are_equal_slices_of_the_rated_items(small):
    counts, means = items.item_table(small)
    counts = np.append(counts, 0)  # never rated: in no group
    found = items.popularity_groups(counts, np.append(means, np.nan), groups=4)
    ranked = sorted(by_item(small).values(), key=len)
    assert len(ranked) % 4 == 0, "the expectation below needs equal groups"
    size = len(ranked) // 4
    for group in range(4):
        mine = ranked[group * size : (group + 1) * size]
        assert found.counts[group] == np.median([len(values) for values in mine])
    best = [np.mean(values) for values in ranked[-size:]]
    assert found.middle[-1] == pytest.approx(np.median(best), abs=1e-6)
    assert found.high[-1] == pytest.approx(np.percentile(best, 75), abs=1e-6)


def test_rank_correlation_with_ties():
    first, second = np.array([1, 2, 2, 3, 9, 9]), np.array([5.0, 1, 1, 2, 8, 3])
    expected = spearmanr(first, second).statistic
    assert items.rank_correlation(first, second) == pytest.approx(expected)


def test_concentration_and_gini():
    counts = np.array([0, 5, 1, 4])
    np.testing.assert_allclose(items.concentration(counts), [0.5, 0.9, 1.0, 1.0])
    assert [items.items_for(share, counts) for share in (0.5, 0.51, 0.9, 1.0)] == [1, 2, 2, 3]
    pairs = np.abs(counts[:, None] - counts).mean()
    assert items.gini(counts) == pytest.approx(pairs / (2 * counts.mean()))
    assert items.gini(np.full(7, 3)) == 0


def test_notable_items_are_named_by_their_rule():
    counts, means = np.full(60, 100), np.full(60, 3.0)
    counts[:6] = 1000  # well known
    counts[54:] = items.FEW - 1  # too few to judge
    means[2], means[40], means[59] = 1.5, 4.8, 5.0
    found = items.notable(counts, means, number=1)
    assert found == {"most rated": [0], "little known": [40], "well known, rated low": [2]}
    assert items.notable(counts[:9], means[:9], number=1) == {}


def test_a_single_high_rating_does_not_make_an_item_good():
    shrunk = items.shrunk_means(np.array([1, 100, 0]), np.array([5.0, 4.0, np.nan]))
    overall = (5 + 400) / 101
    assert shrunk[0] == pytest.approx((5 + items.SHRINK * overall) / (1 + items.SHRINK))
    assert shrunk[2] == pytest.approx(overall)


def test_genres_count_for_each_item_that_has_them(small):
    shares, means = items.genre_table(small)
    for genre in range(len(small.genre_names)):
        values = [value for _, item, value, _ in events(small) if small.genres[item, genre]]
        assert shares[genre] == pytest.approx(len(values) / small.n_ratings)
        assert means[genre] == pytest.approx(np.mean(values) if values else np.nan, nan_ok=True)


def test_weekdays_and_hours_are_those_of_the_calendar(small):
    expected = np.zeros((7, 24), int)
    for *_, seconds in events(small):
        when = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
        expected[when.weekday(), when.hour] += 1
    np.testing.assert_array_equal(times.weekday_hours(small.timestamps), expected)
    assert times.WEEKDAYS[datetime.date(2026, 3, 2).weekday()] == "Monday"


def test_months_have_no_holes_and_users_arrive_once():
    rows = [
        (1, 1, 4, at("2000-01-31 23:59:59")),
        (1, 2, 4, at("2000-02-01 00:00:00")),
        (2, 1, 4, at("2000-04-15 12:00:00")),
        (2, 2, 4, at("2000-04-16 12:00:00")),
    ]
    table = times.months(made(rows, user_ids=[1, 2, 3]))
    assert [str(month) for month in table.starts] == ["2000-01", "2000-02", "2000-03", "2000-04"]
    assert table.ratings.tolist() == [1, 1, 0, 2]
    assert table.new_users.tolist() == [1, 0, 0, 1]


def test_small_timestamps_are_no_dates(small):
    assert times.has_dates(small)
    assert not times.has_dates(made([(1, 1, 4, 0), (1, 2, 4, 1)]))


def test_gaps_lie_between_ratings_of_one_user():
    start = at("2000-01-01 00:00:00")
    stamps = {1: [0, 0, 9, 70], 2: [50], 3: [0, 3601, 7300 + 40 * times.DAY]}
    rows = [
        (user, item, 3, start + second)
        for user, seconds in stamps.items()
        for item, second in enumerate(seconds)
    ]
    ratings = made(rows, user_ids=[1, 2, 3, 4])  # user 4 rated nothing
    seconds = times.gaps(ratings)
    assert seconds.tolist() == [0, 9, 61, 3601, 40 * times.DAY + 3699]
    names = [name.replace("\n", " ") for name in times.GAPS]
    shares = dict(zip(names, times.gap_shares(seconds).tolist(), strict=True))
    kinds = ("none (same second)", "1 to 9 s", "1 to 59 min", "1 to 23 h", "30 days or more")
    assert shares == {name: 0.2 if name in kinds else 0.0 for name in names}
    visits, days = times.visits_and_days(ratings)
    assert visits.tolist() == [1, 1, 3]
    np.testing.assert_allclose(days, [70 / times.DAY, 0, 40 + 7300 / times.DAY])


def test_a_trend_is_a_burst_beyond_what_the_month_explains():
    """400 ratings a month, then a month of 4,000; one item gets its ratings in months 1 and 2."""
    rows, user = [], 0
    for month, size in enumerate((400, 400, 400, 4000, 400)):
        for place in range(size):
            item = 99 if month in (1, 2) and place < 60 else place % 20
            rows.append((user := user + 1, item, 3, at(f"2000-0{month + 1}-02 00:00:00")))
    found = times.trends(made(rows))
    assert found.items.tolist() == [20]  # item 99, the 21st id
    assert found.in_fashion.tolist() == [[False, True, True, False, False]]
    assert found.life_spans.tolist() == [2]
    usual = 120 / 5600  # of all ratings
    np.testing.assert_allclose(found.lift[0], [0, 60 / 400 / usual, 60 / 400 / usual, 0, 0])


def test_life_spans_are_unbroken_stretches():
    pattern = np.array([[1, 1, 0, 1, 0], [0, 0, 1, 1, 1]], bool)
    assert times.Trends(np.arange(2), np.ones((2, 5)), pattern).life_spans.tolist() == [2, 1, 3]


def test_groups_read_the_one_hot_blocks(small):
    ages = people.groups(small, "age")
    assert ages is not None
    assert ages.names[:2] == ("under 18", "18 to 24") and ages.names[-1] == "56 and over"
    lower = people.ages(small)
    assert lower is not None
    for user in range(20):
        (name,) = [
            name
            for name, has in zip(small.demographic_names, small.demographics[user], strict=True)
            if has and name.startswith("age=")
        ]
        assert name == f"age={lower[user]}"
    jobs = people.groups(small, "occupation")
    assert jobs is not None and jobs.names[12] == "programmer"
    assert people.groups(made([(1, 1, 3, 0)]), "age") is None


def test_a_user_without_a_group_is_in_none():
    people_known = np.array([[0, 1], [0, 0]], np.float32)
    ratings = made(
        [(1, 1, 5, 0), (2, 1, 1, 0)],
        demographics=people_known,
        demographic_names=("age=1", "age=18"),
    )
    found = people.groups(ratings, "age")
    assert found is not None and found.of_user.tolist() == [1, -1]
    assert people.ages(ratings).tolist() == [18, -1]
    table = people.group_table(ratings, found)
    assert table.users.tolist() == [0, 1]
    assert table.mean[1] == 5 and np.isnan(table.mean[0]) and np.isnan(table.margin).all()


def test_group_means_weigh_users_equally(small):
    found = people.groups(small, "gender")
    table = people.group_table(small, found)
    for group in range(2):
        means = [
            small.values[small.row(user)].mean()
            for user in range(small.n_users)
            if found.of_user[user] == group
        ]
        assert table.users[group] == len(means)
        assert table.mean[group] == pytest.approx(np.mean(means), abs=1e-5)
        expected = 1.96 * np.std(means, ddof=1) / np.sqrt(len(means))
        assert table.margin[group] == pytest.approx(expected, rel=1e-4)


def test_genre_shares_of_a_group_are_of_its_own_ratings(small):
    found = people.groups(small, "age")
    shares, means = people.genre_shares(small, found)
    mine = [row for row in events(small) if found.of_user[row[0]] == 2]
    blanks = 0
    for genre in range(len(small.genre_names)):
        values = [value for _, item, value, _ in mine if small.genres[item, genre]]
        if len(values) < people.ENOUGH:
            blanks += 1
            assert np.isnan(shares[2, genre]) and np.isnan(means[2, genre])
        else:
            assert shares[2, genre] == pytest.approx(len(values) / len(mine))
            assert means[2, genre] == pytest.approx(np.mean(values))
    assert 0 < blanks < len(small.genre_names)


def test_release_years_come_from_the_end_of_the_title():
    titles = ("Toy Story (1995)", "2001: A Space Odyssey (1968) ", "1984", "Brazil (1985) again")
    assert people.release_years(titles).tolist() == [1995, 1968, -1, -1]


def test_generations_split_at_their_ages():
    found = people.generations(np.array([1, 18, 25, 45, 50, 56, -1]))
    assert found.of_user.tolist() == [0, 0, 1, 1, 2, 2, -1]


def test_means_by_decade(small):
    found = people.generations(people.ages(small))
    years = people.release_years(small.titles)
    decades, table = people.means_by_decade(small, found, years, at_least=300)
    values = defaultdict(list)
    for user, item, value, _ in events(small):
        values[int(found.of_user[user]), int(years[item]) // 10 * 10].append(value)
    for side in range(3):
        for place, decade in enumerate(decades.tolist()):
            mine = values[side, decade]
            expected = np.mean(mine) if len(mine) >= 300 else np.nan
            assert table[side, place] == pytest.approx(expected, nan_ok=True)
    assert np.isnan(table).any() and not np.isnan(table).all(axis=0).any()


def test_generation_gaps_are_ordered_and_sure():
    """Item 0: the young like it; 1: the old do; 2: no difference; 3: a difference of few ratings."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(200):
        old = user % 2
        stars = [5 - 2 * old, 1 + 3 * old, 3, 5 - 4 * old]
        for item in range(4 if user < 20 else 3):
            rows.append((user, item, np.clip(stars[item] + rng.integers(-1, 2), 1, 5), 0))
    found = people.Groups(("young", "middle", "old"), np.arange(200) % 2 * 2)
    ratings = made(rows)
    gaps = people.generation_gaps(ratings, found, number=3)
    assert [gap.item for gap in gaps] == [0, 1]
    young, old = (
        [value for user, item, value, _ in events(ratings) if item == 0 and user % 2 == side]
        for side in (0, 1)
    )
    assert gaps[0].difference == pytest.approx(np.mean(young) - np.mean(old))
    error = np.sqrt(np.var(young, ddof=1) / len(young) + np.var(old, ddof=1) / len(old))
    assert gaps[0].margin == pytest.approx(1.96 * error)
    assert (gaps[1].young, gaps[1].old) == pytest.approx(
        (gaps[1].old + gaps[1].difference, gaps[1].old)
    )
