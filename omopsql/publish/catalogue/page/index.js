"use strict";

// The list stands in the page; here it is only narrowed down.

const dataSets = JSON.parse(document.getElementById("data").textContent);
const cards = [...document.querySelectorAll("#data-sets > li")];
const filters = document.getElementById("filters");
const listed = ["theme", "category", "keyword"]; // of these a data set has several
const single = ["access", "year"];
const steps = [100, 1000, 10000, 100000, 1000000];
const number = new Intl.NumberFormat("en").format;

function plain(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

const texts = dataSets.map((one) => plain(one.text));

function fits(one, position, choice) {
  return choice.words.every((word) => texts[position].includes(word))
    && listed.every((name) => !choice[name] || one[name].includes(choice[name]))
    && single.every((name) => !choice[name] || String(one[name]) === choice[name])
    && (!choice.persons || one.persons >= Number(choice.persons));
}

function wanted() {
  const chosen = Object.fromEntries(new FormData(filters));
  return { ...chosen, words: plain(chosen.text).split(/\s+/).filter(Boolean) };
}

function draw() {
  const choice = wanted();
  let shown = 0;
  cards.forEach((card, position) => {
    card.hidden = !fits(dataSets[position], position, choice);
    shown += !card.hidden;
  });
  document.getElementById("nothing").hidden = shown > 0;
  document.getElementById("shown").textContent = shown === cards.length
    ? `${number(shown)} data set${shown === 1 ? "" : "s"}` : `${number(shown)} of ${number(cards.length)} data sets`;
  remember();
}

// The choice stands behind the # of the address, so that a link can show it.
function remember() {
  const told = new URLSearchParams([...new FormData(filters)].filter(([, value]) => value));
  history.replaceState(null, "", told.size ? `#${told}` : location.href.split("#")[0]);
}

function recall() {
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
    if (filters.elements[name]) filters.elements[name].value = value;
  }
}

function fill(name, options) {
  const select = filters.elements[name];
  select.append(new Option("all", ""), ...options.map(([value, words]) => new Option(words, value)));
  select.parentElement.hidden = options.length < 1;
}

for (const name of [...listed, ...single]) {
  const values = [...new Set(dataSets.flatMap((one) => one[name]))].sort();
  if (name === "year") values.reverse();
  fill(name, values.map((value) => [value, value]));
}
const most = Math.max(0, ...dataSets.map((one) => one.persons));
fill("persons", steps.filter((step) => step <= most).map((step) => [step, number(step)]));

filters.hidden = false;
filters.addEventListener("input", draw);
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("reset", () => setTimeout(draw));
window.addEventListener("hashchange", () => { recall(); draw(); });
recall();
draw();
