"""How long the explorer of a catalogue takes in Chromium: to start, and to group 1 million rows. Seconds on the wall.

    npm pack @duckdb/duckdb-wasm@1.32.0
    python -m benchmarks.catalogue --explorer duckdb-duckdb-wasm-1.32.0.tgz

The data reach the browser as a DuckDB file; ``--arrow`` compares this with the same rows as an Arrow stream. The
browser is the one that the tests drive, without a network. Every figure is the median of five.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import pyarrow as pa

from omopsql.publish.catalogue.engine import engine_files
from omopsql.publish.catalogue.site import Asked, build

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from chromium import Page, chromium
from releases import release

ROWS, REPEATS = 1_000_000, 5
TABLE = f"""
    SELECT
        i AS measurement_id,
        i // 10 AS person_id,
        (3000000 + hash(i) % 400)::INTEGER AS measurement_concept_id,
        DATE '2015-01-01' + (hash(i + 7) % 3000)::INTEGER AS measurement_date,
        (hash(i * 3) % 20000) / 100.0::DOUBLE AS value_as_number,
        CASE WHEN hash(i) % 3 = 0 THEN 8840 ELSE 8876 END AS unit_concept_id,
        'source ' || hash(i * 5) % 200 AS measurement_source_value,
        hash(i * 11) % 2 = 0 AS is_flagged
    FROM range({ROWS}) AS r (i)
"""
QUERIES = {
    "2 keys, 4 groups, mean": "SELECT unit_concept_id, is_flagged, count(*), avg(value_as_number) FROM {} GROUP BY ALL",
    "200 texts, mean": "SELECT measurement_source_value, count(*), avg(value_as_number) FROM {} GROUP BY ALL",
    "400 concepts, mean, distinct persons": """SELECT measurement_concept_id, count(*), avg(value_as_number),
        count(DISTINCT person_id) FROM {} GROUP BY ALL ORDER BY ALL""",
    "100,000 persons": "SELECT person_id, count(*), max(value_as_number) FROM {} GROUP BY ALL",
    "months by concept, median": """SELECT date_trunc('month', measurement_date), measurement_concept_id,
        median(value_as_number) FROM {} GROUP BY ALL""",
}


def ready(page: Page, address: str) -> float:
    """Open an explorer and return the seconds until it takes a query."""
    begun = time.perf_counter()
    page.open(address)
    page.wait("document.getElementById('state').textContent === 'Ready.'", 120)
    return time.perf_counter() - begun


def seconds(page: Page, table: str) -> dict[str, float]:
    """Return the seconds of each query, from asking until its answer is at hand."""
    found = {}
    for name, query in QUERIES.items():
        sql = json.dumps(query.format(table))
        took = f"(async (begun) => {{ await answered({sql}); return performance.now() - begun; }})(performance.now())"
        found[name] = statistics.median(page.evaluate(took) / 1000 for _ in range(REPEATS))
    return found


def insert_arrow(page: Page, table: pa.Table) -> float:
    """Hand the rows over as a compressed Arrow stream, as the site hands over its file; return the seconds."""
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    packed = base64.b64encode(gzip.compress(stream.getvalue().to_pybytes(), 6)).decode()
    print(f"Arrow stream: {stream.getvalue().size / 1e6:.1f} MB, as scripts {len(packed) / 1e6:.1f} MB")
    page.evaluate(f"window.packed = '{packed}', 0")
    return page.evaluate(
        """(async () => {
          const begun = performance.now();
          const bytes = new Uint8Array(await unpacked(new Blob([decoded(packed)])));
          await database.run("USE memory");
          const into = [database.connection, bytes, { name: "arrow", create: true }];
          await database.ask("INSERT_ARROW_FROM_IPC_STREAM", into, [bytes.buffer]);
          await database.run("USE data");
          return (performance.now() - begun) / 1000;
        })()"""
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--explorer", type=Path, help="the package of DuckDB-WASM; without it the command's own")
    parser.add_argument("--arrow", action="store_true", help="compare with an Arrow stream")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, duckdb.connect() as con:
        folder, table = Path(scratch), con.sql(TABLE).to_arrow_table()
        made = release(folder / "release", "Measurements", tables={"measurement": table}, identifier="measurements")
        begun = time.perf_counter()
        build(con, Asked((made,)), folder / "site", engine_files(asked.explorer), lambda doing: None)
        print(f"site: {time.perf_counter() - begun:.1f} s")
        pieces = sum(path.stat().st_size for path in (folder / "site" / "measurements" / "explorer").iterdir())
        print(f"{ROWS:,} rows x {table.num_columns} columns: Parquet", end=" ")
        print(
            f"{(made / 'data' / 'measurement.parquet').stat().st_size / 1e6:.1f} MB, as scripts {pieces / 1e6:.1f} MB"
        )
        with chromium() as browser, browser.page() as page:
            address = (folder / "site" / "measurements" / "explore.html").as_uri()
            print(f"ready in {statistics.median(ready(page, address) for _ in range(REPEATS)):.2f} s")
            found = {"DuckDB file": seconds(page, "measurement")}
            if asked.arrow:
                print(f"Arrow stream inserted in {insert_arrow(page, table):.2f} s")
                found["Arrow stream"] = seconds(page, "memory.arrow")
        for name in QUERIES:
            print(f"{name}: " + ", ".join(f"{form} {told[name]:.2f} s" for form, told in found.items()))


if __name__ == "__main__":
    main()
