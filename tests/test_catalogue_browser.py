"""The catalogue in a real browser that has no network: search, open a data set, ask in SQL, read the answer."""

from __future__ import annotations

import functools
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from chromium import Browser, Page, chromium
from commands import done
from releases import hospital, release

from omopsql.publish.catalogue import engine

pytest.importorskip("rdflib")

EXPLORER_VARIABLE = "OMOPSQL_TEST_EXPLORER"
_STATE, _ERROR = "document.getElementById('state').textContent", "document.getElementById('error')"
_SHOWN = "document.getElementById('shown').textContent"

# The lowest contrast of a text with the ground that it stands on, and that text.
_LOWEST_CONTRAST = """
(() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => {
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = channels(colour).map((c) => linear(c / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if (channels(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const hasText = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!hasText || node.disabled || !node.checkVisibility() || ["SCRIPT", "OPTION"].includes(node.tagName)) continue;
    const [one, other] = [getComputedStyle(node).color, ground(node)].map(luminance).sort((a, b) => b - a);
    found.push([(one + 0.05) / (other + 0.05), `${node.tagName} ${node.className}: ${node.textContent.slice(0, 40)}`]);
  }
  return found.sort((a, b) => a[0] - b[0])[0];
})()
"""

# What a screen reader needs: names of fields, buttons, links and regions, one heading of the page, none left out.
_UNNAMED = """
[
  ...[...document.querySelectorAll("input, select, textarea")].filter((field) => !field.labels.length),
  ...[...document.querySelectorAll("button, a, summary")].filter((one) => !one.textContent.trim()),
  ...[...document.querySelectorAll("[role=region], nav, [tabindex='0']")].filter(
    (one) => !one.getAttribute("aria-label") && !one.getAttribute("aria-labelledby")),
  ...["h1", "main"].filter((kind) => document.querySelectorAll(kind).length !== 1).map(() => document.body),
  ...(document.documentElement.lang ? [] : [document.documentElement]),
].map((one) => one.outerHTML.slice(0, 100))
"""


def explorer_package() -> str:
    """Where DuckDB-WASM is: named by the environment, or kept from an earlier run of the command; else skip."""
    named = os.environ.get(EXPLORER_VARIABLE)
    if named:
        return named
    if engine.kept() is None:
        pytest.skip(f"{EXPLORER_VARIABLE} names no package of DuckDB-WASM, and none is kept: npm pack {engine.PACKAGE}")
    return "required"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site without explorers: the browser's part of the search needs none."""
    folder = tmp_path_factory.mktemp("search")
    releases = [
        release(folder / "clinic", "Diabetes in a clinic", published="2026-05-04T10:00:00Z"),
        release(
            folder / "trial",
            "Étude d'oncologie",
            identifier="trial",
            keywords=["oncology", "biomarkers"],
            categories=["Clinical trials"],
            access="NON_PUBLIC",
            published="2025-02-03T10:00:00Z",
            forced="for teaching",
        ),
        release(folder / "cdm", "Hospital", identifier="cdm", tables=hospital(), keywords=["oncology"]),
    ]
    done("catalogue", *map(str, releases), "-o", str(folder / "site"), "--explorer", "none")
    return folder / "site"


@pytest.fixture(scope="module")
def explorers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with the explorers of a flat table and of a CDM."""
    package = explorer_package()
    folder = tmp_path_factory.mktemp("explore")
    flat = release(folder / "flat", "Patients", identifier="flat")
    cdm = release(folder / "cdm", "Hospital", identifier="cdm", tables=hospital())
    done("catalogue", str(flat), str(cdm), "-o", str(folder / "site"), "--explorer", package)
    return folder / "site"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.page() as opened:
        yield opened


@pytest.fixture(scope="module")
def cdm(browser: Browser, explorers: Path) -> Iterator[Page]:
    """The explorer of the CDM, opened from a folder and ready."""
    with browser.page() as opened:
        yield ready(opened, (explorers / "cdm" / "explore.html").as_uri())


@pytest.fixture
def server(explorers: Path) -> Iterator[str]:
    """A plain server of files: it knows no ranges and no types of its own."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        extensions_map: ClassVar = {"": "application/octet-stream", ".html": "text/html", ".js": "text/javascript"}

        def log_message(self, *told):
            pass

    started = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(explorers)))
    threading.Thread(target=started.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{started.server_port}/"
    started.shutdown()
    started.server_close()


def ready(page: Page, address: str) -> Page:
    page.open(address)
    page.wait(f"{_STATE} === 'Ready.' || !{_ERROR}.hidden", 90)
    assert page.evaluate(f"{_ERROR}.hidden"), page.evaluate(f"{_ERROR}.textContent")
    return page


def ask(page: Page, sql: str) -> str:
    """Type a query, run it with the keyboard, and return what the state says, or else the error."""
    page.evaluate("document.getElementById('query').focus(); document.getElementById('query').select()")
    page.type(sql)
    page.press("Enter", control=True)
    page.wait("!document.getElementById('run').disabled", 60)
    return page.evaluate(f"{_ERROR}.hidden ? {_STATE} : {_ERROR}.textContent")


def answer(page: Page, sql: str) -> list[list[str]]:
    """The cells of the answer to a query."""
    told = ask(page, sql)
    assert " in " in told, told
    return page.evaluate(
        "[...document.querySelectorAll('#rows tbody tr')].map((row) => [...row.cells].map((cell) => cell.textContent))"
    )


def listed(page: Page) -> list[str]:
    return page.evaluate(
        "[...document.querySelectorAll('#data-sets > li:not([hidden]) h3')].map((one) => one.textContent)"
    )


def choose(page: Page, name: str, value: str) -> None:
    page.evaluate(
        f"filters.elements.{name}.value = {value!r}; filters.dispatchEvent(new Event('input', {{ bubbles: true }}))"
    )


# The search


def test_a_search_narrows_the_list_down_and_opens_a_data_set(page, site):
    page.open((site / "index.html").as_uri())
    assert len(listed(page)) == 3
    page.evaluate("document.querySelector('[type=search]').focus()")
    page.type("etude oncology")
    assert listed(page) == ["Étude d'oncologie"]
    assert page.evaluate(_SHOWN) == "1 of 3 data sets"
    page.evaluate("document.querySelector('#data-sets > li:not([hidden]) a').focus()")
    page.press("Enter")
    page.wait("document.readyState === 'complete' && location.href.includes('/trial/')")
    assert page.evaluate("document.querySelector('.notice.forced').textContent.includes('for teaching')")
    assert not page.console


def test_filters_work_together_and_are_kept_in_the_address(page, site):
    page.open((site / "index.html").as_uri())
    choose(page, "keyword", "oncology")
    assert set(listed(page)) == {"Étude d'oncologie", "Hospital"}
    choose(page, "year", "2025")
    assert listed(page) == ["Étude d'oncologie"]
    choose(page, "access", "public")
    assert listed(page) == [] and page.evaluate("!document.getElementById('nothing').hidden")
    choose(page, "year", "2026")
    address = page.evaluate("location.href")
    page.evaluate("filters.reset()")
    page.wait(f"{_SHOWN} === '3 data sets'")
    page.open(address)
    assert listed(page) == ["Hospital"]
    choose(page, "keyword", "")
    choose(page, "persons", "1000")
    assert listed(page) == ["Hospital"]  # 2,400 rows of measurements; the release says so many persons
    choose(page, "persons", "100")
    assert len(listed(page)) == 2


# The explorer


@pytest.mark.parametrize("served", ["folder", "server"])
def test_a_query_is_answered_without_a_network(page, explorers, server, served):
    root = server if served == "server" else f"{explorers.as_uri()}/"
    page.open(f"{root}index.html")
    page.evaluate("document.querySelector('a[href=\"flat/index.html\"]').click()")
    page.wait("document.readyState === 'complete' && location.href.includes('/flat/index.html')")
    page.evaluate("document.querySelector('a[href=\"explore.html\"]').click()")
    page.wait("document.readyState === 'complete' && location.href.includes('/flat/explore.html')")
    page.wait(f"{_STATE} === 'Ready.'", 90)
    found = answer(page, "SELECT sex, count(*) AS n, avg(age) FROM patients GROUP BY sex ORDER BY sex")
    assert [row[:2] for row in found] == [["F", "200"], ["M", "100"]]
    assert page.evaluate(_STATE).startswith("2 rows in ")
    asked = [address for address in page.requests if not address.startswith((root, "blob:"))]
    assert asked == [] and not page.console
    with pytest.raises(Exception, match="Failed to fetch"):  # the page's policy forbids it, whatever a query might do
        page.evaluate("fetch('explorer/data.000.js').then((told) => told.text())")


def test_values_are_shown_as_duckdb_writes_them(cdm):
    sql = """
        SELECT NULL AS a, '' AS b, 'x,"y"
z' AS c, DATE '2020-02-29' AS d, 1.50::DECIMAL(4, 2) AS e, [1, NULL] AS f, {'k': 'v'} AS g, '<b>h</b>' AS h,
        TIMESTAMP '2020-01-01 10:00:00' AS i, 9007199254740993 AS j -- ; a comment
        ; -- and another
    """
    assert answer(cdm, sql) == [
        [
            "NULL",
            "",
            'x,"y"\nz',
            "2020-02-29",
            "1.50",
            "[1, NULL]",
            "{'k': v}",
            "<b>h</b>",
            "2020-01-01 10:00:00",
            "9007199254740993",
        ]
    ]
    assert cdm.evaluate("document.querySelectorAll('#rows .null').length") == 1
    assert cdm.evaluate("document.querySelector('#rows thead th').textContent") == "aINTEGER"


def test_of_many_rows_the_first_thousand_are_shown_and_all_downloaded(cdm):
    assert ask(cdm, "SELECT i FROM range(2500) AS r (i) ORDER BY i DESC").startswith(
        "The first 1,000 of 2,500 rows in "
    )
    assert cdm.evaluate("document.querySelectorAll('#rows tbody tr').length") == 1000
    cdm.evaluate(
        "window.real = URL.createObjectURL; URL.createObjectURL = (blob) => { window.got = blob; return '#'; }"
    )
    cdm.evaluate("document.getElementById('download').click()")
    cdm.wait("Boolean(window.got)")
    cdm.evaluate("URL.createObjectURL = window.real; 0")
    lines = cdm.evaluate("window.got.text()").splitlines()
    assert lines[:2] == ['"i"', '"2499"'] and len(lines) == 2501


def test_scripts_and_kinds_of_queries(cdm):
    assert answer(cdm, "CREATE TEMP TABLE mine AS SELECT 'a;b' AS x; FROM mine") == [["a;b"]]
    assert ask(cdm, "DROP TABLE mine").startswith("Done in ")
    assert answer(cdm, "WITH one AS (SELECT 1 AS x) FROM one") == [["1"]]
    assert answer(cdm, "SELECT count(*) FROM person") == answer(cdm, "SELECT count(*) FROM data.person") == [["120"]]
    assert answer(cdm, "DESCRIBE death")[0][:2] == ["person_id", "BIGINT"]
    assert ask(cdm, "SELECT 1 WHERE false").startswith("0 rows in ")
    assert answer(cdm, "SELECT 7 AS x") == [["7"]] and answer(cdm, "SELECT x + 1 FROM answer") == [["8"]]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT nothing FROM person", "nothing"),
        ("FROM persn", "Table with name persn does not exist"),
        ("SELEC 1", "syntax error"),
        ("  ", "There is no query yet"),
        ("FROM read_parquet('x.parquet')", "works without a network"),
        ("DROP TABLE person", "read-only"),
    ],
)
def test_an_error_is_told_in_words_and_the_next_query_runs(cdm, sql, told):
    said = ask(cdm, sql)
    assert told in said and "LINE" not in said
    assert cdm.evaluate(f"{_ERROR}.getAttribute('role')") == "alert"
    assert answer(cdm, "SELECT 1") == [["1"]]


def test_every_example_answers_something(cdm):
    titles = cdm.evaluate("data.examples.map((one) => one.title)")
    assert len(titles) >= 8
    for position, title in enumerate(titles):
        cdm.evaluate(f"examples.value = '{position}', examples.dispatchEvent(new Event('change')), 0")
        cdm.wait("!document.getElementById('run').disabled")
        assert cdm.evaluate(f"{_ERROR}.hidden && document.querySelectorAll('#rows tbody tr').length > 0"), title


def test_a_click_on_a_column_inserts_it_at_the_cursor(cdm):
    cdm.evaluate("query.value = 'SELECT  FROM person'; query.setSelectionRange(7, 7)")
    cdm.evaluate(
        "[...document.querySelectorAll('#tables summary')].find((one) => one.textContent.startsWith('person')).click()"
    )
    cdm.evaluate("document.querySelector('#tables details[open] button[aria-label^=\"Insert year_of_birth\"]').click()")
    assert cdm.evaluate("query.value") == "SELECT year_of_birth FROM person"
    assert cdm.evaluate("document.activeElement === query")


def test_a_query_that_takes_too_long_is_stopped(cdm):
    cdm.evaluate("query.value = 'SELECT sum(a.i * b.i) FROM range(1000000) a(i), range(1000000) b(i)'; run(), 0")
    cdm.wait("!document.getElementById('stop').hidden")
    cdm.evaluate("document.getElementById('stop').click()")
    cdm.wait(f"{_STATE} === 'Ready.'", 60)
    assert answer(cdm, "SELECT count(*) FROM person") == [["120"]]


def test_a_link_brings_its_query(page, explorers):
    address = (explorers / "cdm" / "explore.html").as_uri()
    assert ready(page, f"{address}#sql=SELECT+42").evaluate("query.value") == "SELECT 42"


# For everybody


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["index.html", "trial/index.html", "cdm/index.html"])
def test_pages_can_be_read_and_heard(page, site, path, scheme):
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    page.open((site / path).as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    least, where = page.evaluate(_LOWEST_CONTRAST)
    assert least >= 4.5, where
    assert page.evaluate(_UNNAMED) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_explorer_can_be_read_and_heard(cdm, scheme):
    cdm.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    cdm.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    for sql in ("SELECT NULL AS x, 1 AS y", "SELEC 1"):
        ask(cdm, sql)
        least, where = cdm.evaluate(_LOWEST_CONTRAST)
        assert least >= 4.5, where
    assert cdm.evaluate(_UNNAMED) == []
    assert cdm.evaluate("document.getElementById('state').getAttribute('aria-live')") == "polite"


@pytest.mark.parametrize("path", ["index.html", "trial/index.html", "cdm/index.html"])
def test_a_phone_is_wide_enough(page, site, path):
    page.call("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=1, mobile=True)
    page.open((site / path).as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_keyboard_reaches_everything_and_shows_where_it_is(page, site):
    page.open((site / "index.html").as_uri())
    reached = []
    for _ in range(30):
        page.press("Tab")
        reached.append(page.evaluate("document.activeElement.name || document.activeElement.textContent.trim()"))
        outline = "[getComputedStyle(document.activeElement).outlineStyle, document.activeElement.tagName]"
        style, tag = page.evaluate(outline)
        assert style != "none" or tag == "BODY", reached
    for name in ("To the data sets", "text", "keyword", "persons", "Show all", "Hospital", "news as a feed"):
        assert name in reached
