"use strict";
// Everything that a model or a suite wrote is put in by textContent, never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const form = document.querySelector(".filters");
const cards = document.querySelector(".cards");
const more = document.querySelector(".more");
const count = document.querySelector(".count");
const PAGE = 24;
const names = ["run", "model", "outcome", "modality", "style", "difficulty", "cause", "change"];
let found = [];
let shown = 0;

const element = (tag, className, text) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
};

// The value of a result that each filter compares.
const value = {
  run: (r) => data.runs[r.run],
  model: (r) => data.models[r.model],
  outcome: (r) => data.outcomes[r.outcome],
  modality: (r) => data.modalities[r.modality],
  style: (r) => (r.style === null ? "" : data.styles[r.style]),
  difficulty: (r) => (data.problems[r.problem].difficulty || ""),
  cause: (r) => r.cause || "",
  change: (r) => r.change || "",
};

for (const name of names) {
  const values = [...new Set(data.results.map(value[name]))].filter(Boolean);
  const label = form.querySelector(`[data-filter=${name}]`);
  // A single value does not need a filter, except for change and cause: most results have none.
  if (values.length < (name === "change" || name === "cause" ? 1 : 2)) label.hidden = true;
  const select = form.elements[name];
  select.append(new Option("all", ""));
  for (const one of values) select.append(new Option(one, one));
}

const fromAddress = () => {
  const asked = new URLSearchParams(location.hash.slice(1));
  for (const name of [...names, "find"]) {
    if (asked.has(name)) form.elements[name].value = asked.get(name);
  }
};

const filter = () => {
  const asked = names.filter((name) => form.elements[name].value)
    .map((name) => [value[name], form.elements[name].value]);
  const text = form.elements.find.value.trim().toLowerCase();
  found = data.results.filter((r) => asked.every(([of, wanted]) => of(r) === wanted)
    && (!text || data.problems[r.problem].id.toLowerCase().includes(text)
      || r.response.toLowerCase().includes(text)));
  shown = 0;
  cards.replaceChildren();
  showMore();
};

const showMore = () => {
  const next = found.slice(shown, shown + PAGE);
  cards.append(...next.map(card));
  shown += next.length;
  more.hidden = shown >= found.length;
  count.textContent = `${found.length.toLocaleString("en")} of ${data.results.length.toLocaleString("en")} responses`
    + (shown < found.length ? `, the first ${shown} shown` : "");
};

// The form of a result, written like the keys of what a problem shows.
const formOf = (r) => value.modality(r) + (value.style(r) ? `/${value.style(r)}` : "");

const card = (r) => {
  const problem = data.problems[r.problem];
  const made = element("article", "card");
  const title = element("h3");
  title.append(element("span", "", problem.id), element("span", `outcome ${value.outcome(r)}`, label(r)));
  const about = [value.modality(r), value.style(r), value.difficulty(r)];
  if (data.models.length > 1) about.unshift(value.model(r));
  if (data.runs.length > 1) about.unshift(value.run(r));
  if (r.sample) about.push(`sample ${r.sample}`);
  if (r.tokens) about.push(`${r.tokens} tokens`);
  made.append(title, element("p", "dim", about.filter(Boolean).join(" · ")));
  const views = element("div", "views");
  const picture = data.pictures[(problem.pictures || {})[formOf(r)]];
  if (picture) {
    const image = element("img");
    image.src = picture;
    image.alt = `${problem.id} as the model saw it`;
    image.loading = "lazy";
    views.append(image);
  }
  if (problem.shown) views.append(question(problem, r));
  else if (problem.grid) views.append(grid(problem, r));
  else if (r.answer) views.append(element("p", "mono", `answer: ${r.answer.join(", ")}; key: ${r.key.join(", ")}`));
  made.append(views);
  if (r.note) made.append(element("p", "dim", `picture: ${r.note}`));
  const details = element("details");
  details.append(element("summary", "", value.outcome(r) === "error" ? "what went wrong" : "raw response"));
  const raw = element("pre", "", r.response || "(empty)");
  raw.tabIndex = 0;
  details.append(raw);
  made.append(details);
  if (r.cause) {
    const saw = element("details");
    const wrote = element("pre", "", r.saw || "(empty)");
    wrote.tabIndex = 0;
    saw.append(element("summary", "", `what it saw: ${r.cause}`), wrote);
    made.append(saw);
  }
  return made;
};

// A task as it was shown, and below it what was answered and what is right.
const question = (problem, r) => {
  const box = element("div", "question");
  for (const part of problem.shown[formOf(r)] || []) {
    if (typeof part === "string") {
      box.append(element("p", "", part));
    } else if (part.picture) {
      const image = element("img");
      image.src = data.pictures[part.picture];
      image.alt = `a picture of ${problem.id}`;
      image.loading = "lazy";
      box.append(image);
    } else {
      box.append(element("p", "dim", `picture left out: ${part.file}`));
    }
  }
  const right = r.right.every((one) => one);
  const listed = (values) => values.map((one) => named(problem, one)).join(", ");
  box.append(element("p", "mono", `answered: ${r.answer ? listed(r.answer) : "nothing"} ${right ? "✓" : "✗"}`));
  if (!right) box.append(element("p", "mono", `right: ${listed(r.key)}`));
  return box;
};

const named = (problem, answer) => {
  const place = /^[A-Z]$/.test(answer) ? answer.charCodeAt(0) - 65 : -1;
  const choice = (problem.choices || [])[place];
  return choice === undefined ? answer : `${answer} (${choice})`;
};

const label = (r) => {
  const wrong = r.right.filter((one) => !one).length;
  const outcome = value.outcome(r);
  const hasParts = data.problems[r.problem].grid || r.right.length > 1;
  const text = outcome === "missed" && wrong && hasParts ? `${wrong} of ${r.right.length} wrong` : outcome;
  return r.change ? `${text}, ${r.change}` : text;
};

const grid = (problem, r) => {
  const box = element("div", "gridbox");
  const table = element("table", "grid");
  let blank = 0;
  for (const row of problem.grid) {
    const line = element("tr");
    for (const text of row) {
      if (text === "?") line.append(answered(r, blank++));
      else line.append(element("td", text ? "" : "none", text));
    }
    table.append(line);
  }
  const body = element("tbody");
  body.append(...table.children);
  table.append(body);
  box.append(table);
  return box;
};

const answered = (r, blank) => {
  const key = r.key[blank];
  if (!r.answer) {
    const cell = element("td", "wrong", key);
    cell.prepend(element("s", "", "–"));
    cell.title = `no answer; the right value is ${key}`;
    return cell;
  }
  if (r.right[blank]) return element("td", "right", `${key} ✓`);
  const cell = element("td", "wrong", `${key} ✗`);
  const given = r.answer[blank] === undefined ? "nothing" : r.answer[blank];
  cell.prepend(element("s", "", given));
  cell.title = `answered ${given}; the right value is ${key}`;
  return cell;
};

form.addEventListener("input", () => {
  const asked = new URLSearchParams();
  for (const name of [...names, "find"]) {
    if (form.elements[name].value) asked.set(name, form.elements[name].value);
  }
  history.replaceState(null, "", `#${asked}`);
  filter();
});
form.addEventListener("submit", (event) => event.preventDefault());
more.addEventListener("click", showMore);
window.addEventListener("hashchange", () => { fromAddress(); filter(); });
fromAddress();
filter();
