import { Away, get, session } from "./api.js";
import { $, bar, card, curve, make, parted } from "./parts.js";

const SHOWN = 10;
const VIEWS = ["session", "trending", "people", "about"];
let health, stars, films = [], counted = 0;

// ---- what every view needs ----

const say = (text) => { $("said").textContent = text; };

// Run an action; where the server is away, say so and offer to run it again.
async function reach(action) {
  try {
    await action();
    $("away").hidden = true;
  } catch (error) {
    if (!(error instanceof Away)) {
      say(error.message);
      $("hint").textContent = error.message;
      return;
    }
    const waiting = session.pending.length;
    const kept = waiting ? ` ${waiting} of your answers kept here will be sent.` : "";
    $("away").querySelector("p").textContent = `The server is away.${kept}`;
    $("away").querySelector("button").onclick = () => reach(health ? action : start);
    $("away").hidden = false;
  }
}

// The newest request wins: an earlier one that arrives late shows nothing.
function newest(action) {
  let latest = 0;
  return async (...values) => {
    const mine = ++latest;
    await action(() => mine === latest, ...values);
  };
}

function moving(change) {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (calm || !document.startViewTransition) change();
  else document.startViewTransition(change);
}

// ---- session ----

const answer = (film, rating) => {
  session.keep(film.item_id, rating);
  document.querySelectorAll(".card").forEach((each) => {
    if (each.dataset.item === String(film.item_id)) each.classList.add("answered");
  });
  const words = rating === null ? "is not for you" : `has ${rating} stars from you`;
  say(`${parted(film.title)[0]} ${words}.`);
  return reach(refresh);
};

const refresh = newest(async (isNewest) => {
  const refused = await session.flush();
  const { items } = await session.ask("POST", "/recommend", { k: SHOWN });
  const profile = await session.ask("GET", "");
  const others = $("compare").checked ? await session.ask("GET", `/compare?k=${SHOWN}`) : null;
  if (!isNewest()) return;
  moving(() => {
    showFilms(items, profile);
    showHistory(profile);
    showOthers(items, others);
  });
  if (refused) say(refused);
});

function showFilms(items, profile) {
  const list = $("films");
  const cards = new Map([...list.children].map((each) => [each.dataset.item, each]));
  const first = !films.length;
  const answered = profile.history.length !== counted;
  const before = new Map(films.map((film, place) => [film.item_id, place]));
  const within = [...list.children].indexOf(document.activeElement?.closest(".card"));
  let fresh = 0;
  items.forEach((film, place) => {
    const key = String(film.item_id);
    const item = cards.get(key) ?? card(film, stars, answer, why);
    cards.delete(key);
    item.style.viewTransitionName = `film-${CSS.escape(key)}`.replace(/[^\w-]/g, "_");
    item.querySelector(".rank").textContent = place + 1;
    const risen = (before.get(film.item_id) ?? place) - place;
    const isNew = !first && !before.has(film.item_id);
    fresh += isNew;
    const badge = isNew ? "new" : risen > 0 ? `▲ ${risen}` : "";
    if (answered) item.querySelector(".badge").textContent = badge;
    if (list.children[place] !== item) list.insertBefore(item, list.children[place] ?? null);
  });
  cards.forEach((gone) => gone.remove());
  films = items;
  counted = profile.history.length;
  if (within >= 0 && !list.contains(document.activeElement)) {
    (list.children[within] ?? list.lastElementChild)?.querySelector(".stars button").focus();
  }
  if (!answered && !first) return;
  $("hint").textContent = !items.length ? "You have seen the whole catalogue." :
    !counted ? "Rate one you know, or say that it is not for you: the next ten follow you." :
    first ? `These follow your ${counted} answers.` :
    `${fresh} of ${items.length} are new after your last answer.`;
  if (fresh) $("said").textContent += ` ${fresh} of the ${items.length} films are new.`;
}

function showHistory({ history, user_id, demographics }) {
  $("count").textContent = history.length ? `(${history.length})` : "";
  $("history").replaceChildren(...history.map((past) => {
    const [title, year] = parted(past.title);
    const stars = past.rating === null ? "not for me" : `★ ${past.rating}`;
    return make("li", {}, make("span", {}, `${title} ${year}`), make("b", {}, stars));
  }));
  $("playing").hidden = user_id === null;
  $("self").hidden = user_id !== null || !health.demographics.length;
  const known = Object.entries(demographics).map(([name, value]) =>
    health.demographics.find((each) => each[0] === name && String(each[1]) === String(value))[2]);
  $("playing").firstElementChild.textContent = `You play user ${user_id}: ${known.join(", ")}.`;
  for (const field of $("person").querySelectorAll("select")) {
    field.value = demographics[field.name] ?? "";
  }
}

function showOthers(items, others) {
  $("others").hidden = others === null;
  if (others === null) return;
  const lists = { "DRR, this run": items, Popularity: others.popularity,
    UserKNN: others["user-knn"] };
  const counts = new Map();
  Object.values(lists).flat().forEach(({ item_id }) =>
    counts.set(item_id, (counts.get(item_id) ?? 0) + 1));
  $("others").replaceChildren(...Object.entries(lists).map(([name, list]) => {
    const rows = list.map((film) => {
      const only = counts.get(film.item_id) === 1;
      const mark = only ? make("b", {}, "only here") : "";
      return make("li", {}, make("span", {}, parted(film.title).join(" ")), mark);
    });
    return make("div", {}, make("h2", {}, name), make("ol", { className: "rows" }, ...rows));
  }));
}

const why = (film) => reach(async () => {
  $("why-title").textContent = `Why ${parted(film.title)[0]}?`;
  $("why-says").textContent = "Asking what each film of yours adds ...";
  $("bars").replaceChildren();
  if (!$("why").open) $("why").showModal();
  let found;
  try {
    found = await session.ask("GET", `/explain/${encodeURIComponent(film.item_id)}`);
  } catch (error) {
    $("why").close();
    throw error;
  }
  const shares = found.contributions;
  const size = (share) => Math.abs(share.contribution);
  const largest = Math.max(...shares.map(size), 0);
  $("why-says").textContent = shares.length ?
    `Its score is ${found.score.toFixed(1)}: ${found.base.toFixed(1)} without your films, ` +
    "and what each of them adds." :
    `Its score is ${found.score.toFixed(1)}. The recommender knows no film that you like, yet.`;
  shares.sort((one, other) => size(other) - size(one));
  $("bars").replaceChildren(...shares.map((share) => {
    const added = share.contribution;
    const title = parted(share.title ?? String(share.item_id))[0];
    const text = `${added < 0 ? "−" : "+"}${Math.abs(added).toFixed(2)}`;
    return bar(`${title} ★ ${share.rating}`, added, largest, text);
  }));
});

const search = newest(async (isNewest) => {
  const query = $("add").value.trim();
  const { items } = query ? await get(`items?query=${encodeURIComponent(query)}`) : { items: [] };
  if (!isNewest()) return;
  const rows = items.slice(0, 4).map((film) =>
    card(film, stars, (...given) => {
      $("add").value = "";
      $("found").replaceChildren();
      return answer(...given);
    }));
  if (query && !rows.length) rows.push(make("li", {}, "No film has these words in its title."));
  $("found").replaceChildren(...rows);
});

function begin(person) {
  return reach(async () => {
    await session.begin(person);
    films = [];
    await refresh();
    location.hash = "session";
  });
}

// [name, code, label] of every demographic value, by name
const choices = () => Object.groupBy(health.demographics, ([name]) => name);

// The ratings that one to five stars stand for: fifths of the scale, if it has no minus.
function starred([low, high]) {
  const below = Math.min(low, 0);
  return [1, 2, 3, 4, 5].map((star) => Math.max(low, below + ((high - below) * star) / 5));
}

function askWho() {
  const fields = Object.entries(choices()).map(([name, known]) => make("label", {},
    name, make("select", { name }, make("option", { value: "" }, "not said"),
      ...known.map(([, code, label]) => make("option", { value: code }, label)))));
  $("person").replaceChildren(...fields, make("button", {}, "Begin anew as this person"));
  $("person").addEventListener("submit", (event) => {
    event.preventDefault();
    const given = [...new FormData($("person"))].filter(([, value]) => value !== "");
    begin({ demographics: Object.fromEntries(given) });
  });
}

// ---- the other views ----

const trending = newest(async (isNewest) => {
  const genre = $("genre").value;
  const asked = genre ? `&genre=${encodeURIComponent(genre)}` : "";
  const found = await get(`trending?days=${$("days").value}${asked}`);
  if (!isNewest()) return;
  const day = (second) => new Date(second * 1000).toLocaleDateString("en", { dateStyle: "long" });
  $("period").textContent = `What was rated most from ${day(found.since)} to ` +
    `${day(found.until)}, when the data end.`;
  $("trends").replaceChildren(...found.items.map((film) => card(film, stars, answer)));
  const counts = Object.entries(found.genres);
  const largest = Math.max(...counts.map(([, count]) => count), 0);
  $("genres").replaceChildren(...counts.map(([name, count]) =>
    bar(name, count, largest, count.toLocaleString("en"), () => {
      $("genre").value = name;
      reach(trending);
    })));
});

const people = newest(async (isNewest) => {
  const { users } = await get(`users?query=${encodeURIComponent($("who").value.trim())}`);
  if (!isNewest()) return;
  const rows = users.map((user) => {
    const play = make("button", { type: "button" }, "Play");
    play.setAttribute("aria-label", `Play as user ${user.user_id}`);
    play.addEventListener("click", () => begin({ user_id: user.user_id }));
    return make("li", {}, make("b", {}, `User ${user.user_id}`),
      make("span", {}, [user.description, `${user.ratings} ratings`].filter(Boolean).join(" · ")),
      play);
  });
  if (!rows.length) rows.push(make("li", {}, "Nobody is like that."));
  $("users").replaceChildren(...rows);
});

const MEASURES = { catalog: ["precision@5", "precision@10", "ndcg@10"],
  session: ["reward@10", "reward@20"] };

async function about() {
  const { results = {}, curve: steps = [], command } = await get("about");
  const facts = { Run: health.run, "Data set": health.dataset,
    Users: health.users.toLocaleString("en"), Films: health.items.toLocaleString("en"),
    "Served since": new Date(health.since * 1000).toLocaleString("en"), "Made by": command };
  const list = make("dl");
  for (const [name, value] of Object.entries(facts)) {
    if (value) list.append(make("dt", {}, name), make("dd", {}, value));
  }
  const columns = Object.entries(MEASURES).flatMap(([protocol, names]) =>
    names.filter((name) => results[protocol]?.policies.drr?.[name])
      .map((name) => [protocol, name]));
  const named = columns.flatMap(([protocol]) => Object.keys(results[protocol].policies));
  const policies = [...new Set(named)];
  const number = (measured) => {
    if (!measured) return make("td", {}, "–"); // not among the policies of that protocol
    const { mean, ci95 } = measured;
    const ends = ci95.map((end) => end.toFixed(2)).join(" to ");
    return make("td", {}, mean.toFixed(3), make("small", {}, ends));
  };
  const rows = policies.map((policy) => make("tr", {}, make("th", { scope: "row" }, policy),
    ...columns.map(([protocol, name]) => number(results[protocol].policies[policy]?.[name]))));
  const head = make("tr", {}, make("th", {}, "policy"),
    ...columns.map(([, name]) => make("th", { scope: "col" }, name)));
  const caption = make("caption", {}, "On test users: mean, and 95% interval");
  const parts = [list];
  if (rows.length) {
    const table = make("table", {}, caption, make("thead", {}, head), make("tbody", {}, ...rows));
    parts.push(make("div", { className: "scroll", tabIndex: 0 }, table));
  }
  const name = ["session_reward@10", "reward"].find((each) => steps.some((step) => each in step));
  const points = steps.filter((step) => name in step)
    .map((step) => ({ step: step.step, value: step[name] }));
  if (points.length > 1) parts.push(curve(points, name.replace("session_", "")));
  $("facts").replaceChildren(...parts);
}

// ---- start ----

function show() {
  const view = VIEWS.find((name) => location.hash === `#${name}`) ?? "session";
  for (const name of VIEWS) $(name).hidden = name !== view;
  document.querySelectorAll("nav a").forEach((link) => {
    if (link.hash === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  });
  const load = { session: refresh, trending, people, about }[view];
  return reach(load);
}

function theme(next) {
  const known = ["auto", "light", "dark"];
  const now = known.includes(localStorage["drr-theme"]) ? localStorage["drr-theme"] : "auto";
  const chosen = next ? known[(known.indexOf(now) + 1) % known.length] : now;
  localStorage["drr-theme"] = chosen;
  document.documentElement.dataset.theme = chosen;
  $("theme").textContent = `Theme: ${chosen}`;
}

function later(action) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(() => reach(action), 200);
  };
}

async function start() {
  health = await get("health");
  stars = starred(health.scale);
  $("made-up").hidden = health.dataset !== "synthetic";
  $("genre").append(...health.genres.map((name) => make("option", {}, name)));
  askWho();
  window.addEventListener("hashchange", () => {
    const view = show();
    document.querySelector("main > section:not([hidden]) h1").focus();
    return view;
  });
  await show();
}

theme(false);
$("theme").addEventListener("click", () => theme(true));
$("compare").addEventListener("change", () => reach(refresh));
$("add").addEventListener("input", later(search));
$("who").addEventListener("input", later(people));
$("days").addEventListener("change", () => reach(trending));
$("genre").addEventListener("change", () => reach(trending));
$("playing").querySelector("button").addEventListener("click", () => {
  session.back();
  films = [];
  reach(refresh);
});
$("forget").addEventListener("click", () => {
  if (!confirm("Remove this session and all its answers?")) return;
  reach(async () => {
    await session.forget();
    films = [];
    await refresh();
    say("You are forgotten. This is a new session.");
  });
});
reach(start);
