// The pieces that the views are made of. Text from the server only ever becomes text.

export const $ = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// "Silence of the Lambs, The (1991)" -> ["The Silence of the Lambs", "1991"]
export function parted(title) {
  const [, name, year] = title.match(/^(.*?)(?: \((\d{4})\))?$/s);
  const [, rest, article] = name.match(/^(.*), (The|A|An)$/s) ?? [];
  return [article ? `${article} ${rest}` : name, year ?? ""];
}

const HUES = {
  Action: 30, Adventure: 60, Animation: 95, "Children's": 110, Comedy: 75, Crime: 15,
  Documentary: 200, Drama: 285, Fantasy: 310, "Film-Noir": 255, Horror: 5, Musical: 335,
  Mystery: 270, Romance: 355, "Sci-Fi": 230, Thriller: 175, War: 130, Western: 50,
};

function dress(poster, film) {
  const text = String(film.item_id) + film.title;
  let hash = 7;
  for (const letter of text) hash = (hash * 31 + letter.codePointAt(0)) >>> 0;
  const hues = film.genres.map((genre) => HUES[genre]).filter((hue) => hue !== undefined);
  const first = hues[0] ?? hash % 360;
  poster.style.setProperty("--hue", first);
  poster.style.setProperty("--hue2", hues[1] ?? (first + 30 + hash % 40) % 360);
  poster.style.setProperty("--x", `${hash % 90}%`);
  poster.style.setProperty("--y", `${(hash >> 5) % 60}%`);
  poster.classList.add(`pattern${hash % 5}`);
}

function rate(film, stars, onAnswer) {
  const title = parted(film.title)[0];
  const buttons = stars.map((rating, place) => {
    const words = `${place + 1} of ${stars.length} stars for ${title}`;
    const button = make("button", { type: "button", "aria-label": words, title: words }, "★");
    button.addEventListener("click", () => onAnswer(film, rating));
    return button;
  });
  return make("div", { className: "stars", role: "group", "aria-label": `Rate ${title}` },
    ...buttons);
}

// A film to rate: poster, stars, "not for me" and, where it is asked for, "why".
export function card(film, stars, onAnswer, onWhy) {
  const [title, year] = parted(film.title);
  const poster = make("div", { className: "poster" },
    make("span", { className: "badge" }), make("span", { className: "rank", ariaHidden: "true" }),
    make("h3", {}, title), make("p", { className: "year" }, year));
  dress(poster, film);
  const facts = [film.genres.join(", ")];
  if (film.ratings) facts.push(`${film.ratings} ratings, ${film.mean.toFixed(1)} on average`);
  const no = make("button", { type: "button", className: "no" }, "Not for me");
  no.setAttribute("aria-label", `Not for me: ${title}`);
  no.addEventListener("click", () => onAnswer(film, null));
  const row = make("div", { className: "row" }, no);
  if (onWhy) {
    const why = make("button", { type: "button", className: "why" }, "Why?");
    why.setAttribute("aria-label", `Why ${title}?`);
    why.addEventListener("click", () => onWhy(film));
    row.append(why);
  }
  const words = make("p", { className: "facts" }, facts.filter(Boolean).join(" · "));
  const item = make("li", { className: "card" }, poster, words, rate(film, stars, onAnswer), row);
  item.dataset.item = film.item_id;
  return item;
}

// A label, a bar that goes left where the value is negative, and the value.
export function bar(label, value, largest, text, onClick) {
  const fill = make("span", { className: value < 0 ? "fill minus" : "fill" });
  fill.style.setProperty("--size", `${(100 * Math.abs(value)) / (largest || 1)}%`);
  const name = onClick ? make("button", { type: "button" }, label) : make("span", {}, label);
  if (onClick) name.addEventListener("click", onClick);
  const track = make("span", { className: "track", ariaHidden: "true" }, fill);
  return make("li", {}, name, track, make("span", { className: "value" }, text));
}

const SVG = "http://www.w3.org/2000/svg";

export function curve(points, label) {
  const [width, height, edge] = [640, 220, 44];
  const steps = points.map((point) => point.step);
  const values = points.map((point) => point.value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (step) => edge + ((width - edge - 10) * step) / Math.max(...steps);
  const y = (value) => 10 + ((height - 40) * (high - value)) / (high - low || 1);
  const draw = (tag, attributes, text = "") => {
    const node = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.textContent = text;
    return node;
  };
  const words = `${label} during training: from ${values[0].toFixed(2)} to ` +
    `${values.at(-1).toFixed(2)} after ${steps.at(-1).toLocaleString("en")} steps`;
  const picture = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  picture.setAttribute("aria-label", words);
  for (const value of [low, (low + high) / 2, high]) {
    const ends = { x1: edge, x2: width - 10, y1: y(value), y2: y(value), class: "rule" };
    const place = { x: edge - 6, y: y(value) + 4, "text-anchor": "end" };
    picture.append(draw("line", ends), draw("text", place, value.toFixed(2)));
  }
  const path = points.map((point) => `${x(point.step)},${y(point.value)}`).join(" ");
  picture.append(draw("polyline", { points: path, class: "line" }));
  const end = { x: width - 10, y: height - 6, "text-anchor": "end" };
  picture.append(draw("text", end, `${steps.at(-1).toLocaleString("en")} steps`));
  return make("figure", {}, picture, make("figcaption", {}, words));
}
