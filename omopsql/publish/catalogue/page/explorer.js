"use strict";

// DuckDB runs in a worker. Its files and the data come as scripts, so that the page works from a folder as from a
// server; the page's policy lets it ask nobody for anything else. Whatever comes from the data is shown with textContent.

const data = JSON.parse(document.getElementById("data").textContent);
const mostRows = 1000; // shown of a result
const place = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en").format;
const query = place("query");

// --- the files

const given = new Map();

function give(name, position, text) {
  given.set(`${name} ${position}`, text);
}

function load(address) {
  return new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = address;
    script.onload = done;
    script.onerror = () => failed(new Error(`${address} cannot be read. Is the site complete?`));
    document.head.append(script);
    script.remove();
  });
}

function decoded(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

// The compressed file as a Blob: it is unpacked whenever the database is started.
async function fetched({ name, pieces }) {
  const parts = [];
  for (const [position, piece] of pieces.entries()) {
    await load(piece);
    parts.push(decoded(given.get(`${name} ${position}`)));
    given.delete(`${name} ${position}`);
  }
  return new Blob(parts);
}

async function unpacked(blob) {
  return new Response(blob.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

// --- the database

// What runs in the worker before DuckDB: it is handed its WebAssembly instead of fetching it.
const beforeDuckDB = `
  let engine;
  self.addEventListener("message", (event) => {
    if (!event.data.engine) return;
    engine = event.data.engine;
    event.stopImmediatePropagation();
  });
  self.fetch = async () => new Response(engine, { headers: { "Content-Type": "application/wasm" } });
`;

let files;
let database;

class Database {
  constructor(script) {
    const address = URL.createObjectURL(new Blob([beforeDuckDB, script], { type: "text/javascript" }));
    this.waiting = new Map();
    this.asked = 0;
    this.worker = new Worker(address);
    this.worker.onmessage = ({ data: told }) => this.hear(told);
    this.worker.onerror = (event) => this.giveUp(new Error(event.message || "the database cannot be started"));
    URL.revokeObjectURL(address);
  }

  hear({ requestId, type, data: told }) {
    const asker = this.waiting.get(requestId);
    if (!asker || ["LOG", "PROGRESS_UPDATE", "INSTANTIATE_PROGRESS"].includes(type)) return;
    this.waiting.delete(requestId);
    if (type === "ERROR") asker.failed(new Error(told.message));
    else asker.done(told);
  }

  ask(type, told, transferred = []) {
    return new Promise((done, failed) => {
      this.asked += 1;
      this.waiting.set(this.asked, { done, failed });
      this.worker.postMessage({ messageId: this.asked, type, data: told }, transferred);
    });
  }

  giveUp(reason) {
    this.worker.terminate();
    for (const { failed } of this.waiting.values()) failed(reason);
    this.waiting.clear();
  }

  run(sql) {
    return this.ask("RUN_QUERY", [this.connection, sql]);
  }

  // The rows of a relation as CSV in which a NULL is empty and a text is quoted.
  async csv(relation) {
    await this.run(`COPY (${relation}) TO 'told.csv' (FORMAT csv, HEADER true, FORCE_QUOTE *, NULLSTR '')`);
    const bytes = await this.ask("COPY_FILE_TO_BUFFER", "told.csv");
    await this.ask("DROP_FILE", "told.csv");
    return bytes;
  }

  async table(relation) {
    return records(new TextDecoder().decode(await this.csv(relation)));
  }
}

async function start() {
  files ??= {
    worker: await fetched(data.files.worker),
    engine: await fetched(data.files.engine),
    data: await fetched(data.files.data),
  };
  const [script, engine, tables] = await Promise.all([files.worker, files.engine, files.data].map(unpacked));
  const started = new Database(script);
  started.worker.postMessage({ engine }, [engine]);
  await started.ask("INSTANTIATE", ["blob:duckdb", null]);
  await started.ask("OPEN", { path: ":memory:" });
  started.connection = await started.ask("CONNECT", null);
  await started.ask("REGISTER_FILE_BUFFER", ["data.duckdb", new Uint8Array(tables)], [tables]);
  await started.run("SET autoinstall_known_extensions = false");
  await started.run("SET autoload_known_extensions = false");
  await started.run("ATTACH 'data.duckdb' AS data (READ_ONLY)");
  await started.run("USE data");
  database = started;
}

// Rows of CSV as arrays of texts; null where nothing stands between two commas.
function records(text) {
  const cell = /"((?:[^"]|"")*)"|([^,"\n]*)/y;
  const found = [[]];
  while (cell.lastIndex < text.length) {
    const [, quoted] = cell.exec(text);
    found.at(-1).push(quoted === undefined ? null : quoted.replaceAll('""', '"'));
    if (text[cell.lastIndex] === "\n") found.push([]);
    cell.lastIndex += 1;
  }
  if (found.at(-1).length === 0) found.pop();
  return found;
}

// --- queries

// The statements of a script: semicolons in texts, names and comments separate nothing.
function statements(script) {
  const parts = script.matchAll(/'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|\$\$[\s\S]*?\$\$|;|[^'"$;\/-]+|[\s\S]/g);
  const found = [""];
  for (const [part] of parts) {
    if (part === ";") found.push("");
    else found[found.length - 1] += part;
  }
  return found.filter(hasCode);
}

function withoutComments(sql) {
  return sql.replace(/--[^\n]*|\/\*[\s\S]*?\*\//g, " ").trim();
}

function hasCode(sql) {
  return withoutComments(sql) !== "";
}

function isQuery(sql) {
  const asks = /^\(*\s*(select|with|from|values|pivot|unpivot|describe|desc|show|summarize|table)\b/i;
  return asks.test(withoutComments(sql));
}

async function answered(script) {
  let last = null;
  for (const statement of statements(script)) {
    last = statement;
    if (isQuery(statement)) await database.run(`CREATE OR REPLACE TEMP TABLE answer AS FROM (\n${statement}\n)`);
    else await database.run(statement);
  }
  if (last === null) throw new Error("There is no query yet. Write one, or choose an example.");
  if (!isQuery(last)) return null;
  const [count, types, rows] = [
    await database.table("SELECT count(*) FROM answer"),
    await database.table("SELECT column_name, column_type FROM (DESCRIBE answer)"),
    await database.table(`FROM answer LIMIT ${mostRows}`),
  ];
  return { count: Number(count[1][0]), columns: types.slice(1), rows: rows.slice(1) };
}

async function run() {
  if (!database || place("run").disabled) return;
  busy(true);
  say("Running.");
  place("error").hidden = true;
  const begun = performance.now();
  try {
    const answer = await answered(query.value);
    const seconds = ((performance.now() - begun) / 1000).toFixed(2);
    show(answer);
    say(answer === null ? `Done in ${seconds} s.` : `${counted(answer)} in ${seconds} s.`);
    place("state").dataset.seconds = seconds;
    history.replaceState(null, "", `#${new URLSearchParams({ sql: query.value })}`);
  } catch (error) {
    show(null);
    say("");
    complain(error);
  }
  busy(false);
}

function counted({ count, rows }) {
  const words = `${number(count)} row${count === 1 ? "" : "s"}`;
  return rows.length < count ? `The first ${number(rows.length)} of ${words}` : words;
}

// A query that runs is stopped with its worker; the next one starts anew on the same files.
async function stop() {
  database.giveUp(new Error("Stopped."));
  database = undefined;
  await begin();
}

// --- what is shown

function say(words) {
  place("state").textContent = words;
}

// DuckDB's message without the query and the mark below its line, which this page wraps around it.
function complain({ message }) {
  const words = message.split(/\n\s*\n?LINE \d+:/)[0].trim();
  const isExtension = /it exists in the \w+ extension|requires the extension|INSTALL /.test(message);
  place("error").textContent = isExtension
    ? `${words.split("\n")[0]}\nThis page works without a network, so DuckDB's extensions are not at hand.` : words;
  place("error").hidden = false;
}

function busy(is) {
  place("run").disabled = is || !database;
  place("stop").hidden = !is;
  place("rows").setAttribute("aria-busy", String(is));
}

function show(answer) {
  place("rows").hidden = answer === null;
  place("download").disabled = answer === null;
  if (answer === null) return;
  const isNumber = answer.columns.map(([, type]) => /^(U?(TINY|SMALL|BIG|HUGE)?INT|INTEGER|FLOAT|DOUBLE|DECIMAL)/.test(type));
  const cell = (kind, text, column) => {
    const made = element(kind, text === null ? "NULL" : text);
    made.className = [isNumber[column] ? "number" : "", text === null ? "null" : ""].join(" ").trim();
    return made;
  };
  const head = document.createElement("tr");
  answer.columns.forEach(([name, type], column) => {
    const made = cell("th", name, column);
    made.scope = "col";
    made.append(element("small", type));
    head.append(made);
  });
  const rows = answer.rows.map((row) => {
    const line = document.createElement("tr");
    line.append(...row.map((text, column) => cell("td", text, column)));
    return line;
  });
  const table = document.createElement("table");
  table.createTHead().append(head);
  table.createTBody().append(...rows);
  place("rows").replaceChildren(table);
  place("rows").scrollTo(0, 0);
}

function element(kind, text) {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
}

// The whole result, however many rows are shown.
async function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([await database.csv("FROM answer")], { type: "text/csv" }));
  link.download = "answer.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// --- the tables and the examples

function insert(name) {
  const quoted = /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
  query.setRangeText(quoted, query.selectionStart, query.selectionEnd, "end");
  query.focus();
}

function drawTables() {
  for (const table of data.tables) {
    const details = document.createElement("details");
    const summary = element("summary", `${table.name} `);
    summary.append(element("small", `${number(table.rows)} rows`));
    const list = document.createElement("ul");
    for (const name of [null, ...table.columns]) list.append(name === null ? button(table.name, "the table", "") : button(name.name, name.type, name.description));
    details.append(summary, list);
    place("tables").append(details);
  }
}

function button(name, type, description) {
  const item = document.createElement("li");
  const made = element("button", `${name} `);
  made.type = "button";
  made.title = description;
  made.setAttribute("aria-label", `Insert ${name}, ${type}`);
  made.append(element("small", description ? `${type}: ${description}` : type));
  made.addEventListener("click", () => insert(name));
  item.append(made);
  return item;
}

function drawExamples() {
  const choose = new Option("choose", "");
  place("examples").append(choose, ...data.examples.map(({ title }, position) => new Option(title, position)));
  place("examples").addEventListener("change", ({ target }) => {
    if (target.value === "") return;
    query.value = data.examples[target.value].sql;
    run();
  });
}

async function begin() {
  busy(false);
  say("Starting: the database is being unpacked.");
  try {
    await start();
    say("Ready.");
  } catch (error) {
    say("");
    complain(error);
  }
  busy(false);
}

query.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  run();
});
place("run").addEventListener("click", run);
place("stop").addEventListener("click", stop);
place("download").addEventListener("click", download);

drawTables();
drawExamples();
query.value = new URLSearchParams(location.hash.slice(1)).get("sql") || data.examples[0]?.sql || "";
begin();
