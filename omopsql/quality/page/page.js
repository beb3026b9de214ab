"use strict";

// Whatever comes from the data is shown with textContent: it cannot become HTML.

const data = JSON.parse(document.getElementById("data").textContent);
const checks = data.rows.map((row, position) => {
  const check = Object.fromEntries(data.columns.map((name, i) => [name, row[i]]));
  return { position, ...data.kinds[check.name], ...check };
});

const filters = document.getElementById("filters");
const statuses = ["failed", "error", "passed", "not applicable", "all"];
const statusWords = {
  failed: "Failed", error: "In error", passed: "Passed", "not applicable": "Not applicable", all: "All",
};
const selects = ["severity", "level", "category", "table"];
const worstFirst = { key: "status", descending: false };
const most = 300; // rows drawn at once: a browser lays out thousands of them slowly
let sorting = { ...worstFirst };
let limit = most;

// --- what is shown

const number = new Intl.NumberFormat("en").format;

function percent(share) {
  if (share === null) return "";
  if (share > 0 && share < 0.0001) return "<0.01 %";
  if (share < 1 && share > 0.9999) return ">99.99 %";
  return `${(share * 100).toFixed(2)} %`;
}

function count(value) {
  return value === null ? "" : number(value);
}

function threshold(value) {
  return value ? `${number(value)} %` : "0 %";
}

function hasThreshold(check) {
  return check.name !== "cdmTable" && check.name !== "cdmField";
}

function wanted() {
  const chosen = Object.fromEntries(new FormData(filters));
  return { ...chosen, words: (chosen.text || "").toLowerCase().split(/\s+/).filter(Boolean) };
}

function searchText(check) {
  const texts = [check.id, check.name, check.description, check.table, check.field, check.concept, check.reason];
  return texts.join(" ").toLowerCase();
}

function fits(check, choice) {
  return selects.every((name) => !choice[name] || check[name] === choice[name])
    && choice.words.every((word) => searchText(check).includes(word));
}

function compare(a, b) {
  const [first, second] = [sortValue(a), sortValue(b)];
  if (first === null || second === null) return (first === null) - (second === null); // what is not there comes last
  const order = first < second ? -1 : first > second ? 1 : 0;
  return (sorting.descending ? -order : order) || a.position - b.position;
}

function sortValue(check) {
  const rank = (names, name) => (names.includes(name) ? names.indexOf(name) : names.length);
  if (sorting.key === "status") return rank(statuses, check.status);
  if (sorting.key === "severity") return rank(data.severities, check.severity);
  if (sorting.key === "table") return `${check.table}.${check.field}.${check.concept}`;
  if (sorting.key === "threshold") return hasThreshold(check) ? check.threshold || 0 : null;
  return check[sorting.key];
}

// --- rows

function cell(row, name, text) {
  row.querySelector(`.${name}`).textContent = text;
}

function drawRow(check) {
  const row = document.getElementById("row-template").content.firstElementChild.cloneNode(true);
  row.classList.add(check.status.replace(" ", "-"));
  row.dataset.position = check.position;
  const badge = row.querySelector(".badge");
  badge.textContent = statusWords[check.status];
  badge.classList.add(check.status.replace(" ", "-"));
  cell(row, "severity", check.severity);
  if (check.severity === "fatal" && check.status === "failed") row.querySelector(".severity").classList.add("fatal");
  cell(row, "description", check.description);
  cell(row, "name", check.name);
  cell(row, "table", check.table);
  cell(row, "field", check.field);
  cell(row, "concept", check.concept ? `concept ${check.concept}` : "");
  cell(row, "violated", count(check.violated));
  cell(row, "rows", count(check.rows));
  cell(row, "share", check.status === "failed" && check.share === null ? "missing" : percent(check.share));
  cell(row, "threshold", hasThreshold(check) ? threshold(check.threshold) : "");
  return row;
}

function drawDetails(check) {
  const details = document.getElementById("details-template").content.firstElementChild.cloneNode(true);
  const facts = {
    [check.status === "error" ? "Error" : "Reason"]: check.reason,
    "Check": check.id,
    "Level": check.level,
    "Category": [check.category, check.subcategory].filter(Boolean).join(", "),
    "Context": check.context,
    "Concept": check.concept,
    "Unit": check.unit,
  };
  const list = details.querySelector("dl");
  for (const [term, text] of Object.entries(facts)) {
    if (text) list.append(element("dt", term), element("dd", text));
  }
  showSql(details.querySelector(".call"), data.calls[check.id]);
  showSql(details.querySelector(".query"), data.queries[check.id]);
  drawExamples(details.querySelector(".examples"), data.examples[check.id], check.field);
  return details;
}

function showSql(place, sql) {
  place.hidden = !sql;
  place.querySelector("pre").textContent = sql || "";
}

// The field that the check is about comes first: a table of the CDM is wide.
function drawExamples(place, examples, field) {
  place.hidden = !examples;
  if (!examples) return;
  const isField = (i) => examples.columns[i] === field;
  const order = [...examples.columns.keys()].sort((a, b) => isField(b) - isField(a));
  place.querySelector("thead").append(line("th", order.map((i) => examples.columns[i])));
  place.querySelector("tbody").append(...examples.rows.map((row) => line("td", order.map((i) => row[i]))));
}

function line(kind, texts) {
  const row = document.createElement("tr");
  for (const text of texts) {
    const made = element(kind, text === null ? "NULL" : text);
    if (text === null) made.className = "null";
    row.append(made);
  }
  return row;
}

function element(kind, text) {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
}

function toggle(row) {
  const button = row.querySelector(".open");
  const opens = button.getAttribute("aria-expanded") === "false";
  button.setAttribute("aria-expanded", String(opens));
  row.classList.toggle("opened", opens);
  if (opens) row.after(drawDetails(checks[row.dataset.position]));
  else row.nextElementSibling.remove();
}

// --- the whole

function draw() {
  const choice = wanted();
  const fitting = checks.filter((check) => fits(check, choice));
  const shown = fitting.filter((check) => choice.status === "all" || check.status === choice.status).sort(compare);
  document.querySelector("#checks tbody").replaceChildren(...shown.slice(0, limit).map(drawRow));
  const more = document.getElementById("more");
  more.hidden = shown.length <= limit;
  more.textContent = `Show all ${number(shown.length)}`;
  document.getElementById("nothing").hidden = shown.length > 0;
  document.getElementById("shown").textContent = `${number(shown.length)} of ${number(checks.length)} checks`;
  for (const label of document.querySelectorAll("#statuses label")) {
    const status = label.querySelector("input").value;
    const many = status === "all" ? fitting.length : fitting.filter((check) => check.status === status).length;
    label.querySelector(".many").textContent = number(many);
  }
  for (const head of document.querySelectorAll("#checks th[aria-sort]")) {
    const isSorted = head.querySelector("button").dataset.sort === sorting.key;
    head.setAttribute("aria-sort", !isSorted ? "none" : sorting.descending ? "descending" : "ascending");
  }
  remember(choice);
}

// The choice stands behind the # of the address, so that a link to the page can show one table's failures.
function remember(choice) {
  const told = new URLSearchParams();
  for (const name of ["status", ...selects, "text"]) if (choice[name]) told.set(name, choice[name]);
  if (choice.status === firstStatus()) told.delete("status");
  history.replaceState(null, "", told.size ? `#${told}` : location.pathname + location.search);
}

function recall() {
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
    const field = filters.elements[name];
    if (field) field.value = value;
  }
}

function firstStatus() {
  return statuses.find((status) => checks.some((check) => check.status === status)) || "all";
}

function fillFilters() {
  for (const status of statuses) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "status", value: status, defaultChecked: status === firstStatus() });
    const many = element("span", "");
    many.className = "many";
    label.append(input, statusWords[status], many);
    document.getElementById("statuses").append(label);
  }
  for (const name of selects) {
    const values = [...new Set(checks.map((check) => check[name]))].sort();
    if (name === "severity") values.sort((a, b) => data.severities.indexOf(a) - data.severities.indexOf(b));
    filters.elements[name].append(new Option("all", ""), ...values.map((value) => new Option(value, value)));
  }
}

filters.addEventListener("input", () => { limit = most; draw(); });
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("reset", () => setTimeout(() => { sorting = { ...worstFirst }; draw(); }));
document.getElementById("more").addEventListener("click", () => { limit = Infinity; draw(); });
window.addEventListener("hashchange", () => { recall(); draw(); });

document.querySelector("#checks thead").addEventListener("click", (event) => {
  const key = event.target.dataset.sort;
  if (!key) return;
  const largestFirst = ["violated", "rows", "share", "threshold"].includes(key);
  sorting = { key, descending: sorting.key === key ? !sorting.descending : largestFirst };
  draw();
});

document.querySelector("#checks tbody").addEventListener("click", (event) => {
  const row = event.target.closest("tr.check");
  if (row && !String(getSelection())) toggle(row);
});

document.querySelector(".tiles").addEventListener("click", (event) => {
  const button = event.target.closest(".show");
  if (!button) return;
  filters.reset();
  filters.elements.status.value = "failed";
  filters.elements.category.value = button.dataset.category;
  setTimeout(() => { draw(); document.getElementById("checks-heading").scrollIntoView({ behavior: "smooth" }); });
});

fillFilters();
recall();
draw();
