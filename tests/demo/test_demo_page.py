"""The page, driven as a person would: mouse, keyboard, phone, dark, a server that goes away."""

import itertools
import re
import shutil

import numpy as np
import pytest
from serving import HOSTILE, in_thread

from demo.app import PAGE, create_app

sync_api = pytest.importorskip("playwright.sync_api", reason="needs pip install playwright")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
QUIET = "--no-first-run --disable-background-networking --disable-component-update --disable-sync"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", *QUIET.split()]
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=flags)


@pytest.fixture
def page(browser, caller):
    page, errors = browser.new_context(reduced_motion="reduce").new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(caller.url)
    sync_api.expect(page.locator("#films .card")).to_have_count(10)
    yield page
    page.context.close()
    assert not errors


def titles(page):
    return page.locator("#films h3").all_text_contents()


def rate(page, stars, answers):
    page.locator("#films .card").first.locator(".stars button").nth(stars - 1).click()
    sync_api.expect(page.locator("#history li")).to_have_count(answers)


def test_rate_explain_reload_compare_and_be_forgotten(page, caller):
    before = titles(page)
    for answers in (1, 2, 3):
        rate(page, 5, answers)
    after = titles(page)
    assert len(after) == 10 and not set(before[:1]) & set(after) and after != before
    page.locator("#films .why").first.click()
    sync_api.expect(page.locator("#bars li")).to_have_count(3)
    assert "Its score is" in page.locator("#why-says").text_content()
    page.keyboard.press("Escape")
    page.reload()
    sync_api.expect(page.locator("#history li")).to_have_count(3)
    assert titles(page) == after
    page.check("#compare")
    sync_api.expect(page.locator("#others li")).to_have_count(30)
    session = page.evaluate("JSON.parse(localStorage['drr-session'])")
    page.on("dialog", lambda dialog: dialog.accept())
    page.click("#forget")
    sync_api.expect(page.locator("#history li")).to_have_count(0)
    assert caller.ask("GET", f"/sessions/{session}").status_code == 404


def test_no_answer_is_lost_or_doubled_when_the_server_goes(browser, opened, store):
    page = browser.new_context().new_page()
    with in_thread(create_app(opened, store)) as caller:
        page.goto(caller.url)
        page.route("**/feedback", lambda route: (route.fetch(), route.abort()))  # unacknowledged
        page.locator("#films .no").first.click()
        sync_api.expect(page.locator("#away")).to_contain_text("1 of your answers")
        page.unroute("**/feedback")
    page.locator("#films .card:not(.answered) .no").first.click()
    sync_api.expect(page.locator("#away")).to_contain_text("2 of your answers")
    with in_thread(create_app(opened, store), int(caller.url.rsplit(":")[-1])):
        page.click("#away button")
        sync_api.expect(page.locator("#away")).to_be_hidden()
        sync_api.expect(page.locator("#history li")).to_have_count(2)
    page.context.close()


def test_by_keyboard_on_a_phone_in_the_dark(page):
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#films .stars button").first.focus()
    page.keyboard.press("Enter")
    sync_api.expect(page.locator("#history li")).to_have_count(1)
    assert page.evaluate("document.querySelector('#films').contains(document.activeElement)")
    sync_api.expect(page.locator("#said")).to_contain_text("stars from you")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(20, 18, 26)"
    page.locator("#theme").click()
    assert page.evaluate(ground) == "rgb(247, 243, 236)"


def test_text_has_contrast_in_light_and_dark():
    found = re.findall(
        r"--(\w+): light-dark\(#(\w{6}), #(\w{6})\)", (PAGE / "style.css").read_text()
    )
    for column in (1, 2):
        parts = {row[0]: np.frombuffer(bytes.fromhex(row[column]), np.uint8) / 255 for row in found}
        light = {
            name: ((v + 0.055) / 1.055) ** 2.4 @ [0.2126, 0.7152, 0.0722]
            for name, v in parts.items()
        }
        for text, ground in itertools.product(("ink", "soft", "accent", "star"), ("paper", "card")):
            low, high = sorted([light[text], light[ground]])
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground, column)


def test_views_and_a_title_that_is_code(page, opened):
    page.fill("#add", "script")
    sync_api.expect(page.locator("#found h3")).to_have_text("The " + HOSTILE.split(", The")[0])
    assert "hacked" not in page.title()
    page.click("nav a[href='#trending']")
    page.locator("#genres button", has_text="Western").click()
    sync_api.expect(page.locator("#trends .facts").first).to_contain_text("Western")
    page.click("nav a[href='#people']")
    page.locator("#users button").first.click()
    sync_api.expect(page.locator("#playing")).to_be_visible()
    assert page.locator("#history li").count() >= 12
    page.locator("#playing button").click()
    sync_api.expect(page.locator("#history li")).to_have_count(0)
    page.click("nav a[href='#about']")
    measured = [found["policies"] for found in opened.metrics["results"].values()]
    sync_api.expect(page.locator("#facts tbody tr")).to_have_count(len(set().union(*measured)))
    assert page.locator("#facts svg").count() == 1
    page.goto(page.url.split("#")[0] + "docs/")
    sync_api.expect(page.locator("h2", has_text="POST /sessions/{name}/feedback")).to_be_visible()
