"""Marks in Parquet files: there after any writer, readable by any reader, and nothing else changes."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import duckdb
import published
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omopsql import OmopsqlError
from omopsql.publish.footer import Footer
from omopsql.publish.marking import NOTICE, copy_marked, generation_of_marks, generation_of_model, marks, read_marks
from omopsql.synth.digest import digest

MADE = published.MADE
COLUMNS = """
    i::INTEGER AS a, 'x' || i AS b, DATE '2020-01-01' + i::INTEGER AS c, TIMESTAMP '2020-01-01' AS d, [i] AS e,
    {'x': i, 'y': [i]} AS f, i::DECIMAL(10, 2) AS g, i % 2 = 0 AS h, CASE WHEN i % 7 = 0 THEN i END AS j, uuid() AS k
"""


@pytest.mark.parametrize("rows", [0, 1, 5000])
@pytest.mark.parametrize("compression", ["zstd", "snappy", "uncompressed"])
def test_files_of_duckdb(tmp_path: Path, rows, compression):
    source, target = tmp_path / "source.parquet", tmp_path / "target.parquet"
    duckdb.execute(
        f"COPY (SELECT {COLUMNS} FROM range({rows}) AS r (i)) TO '{source}' (FORMAT parquet, ROW_GROUP_SIZE 2048, "
        f"COMPRESSION {compression}, KV_METADATA {{'theirs': 'kept', 'omopsql.seed': 'old'}})"
    )
    _is_only_marked(source, target)
    told = {key.decode(): value.decode() for key, value in pq.read_metadata(target).metadata.items()}
    assert told["theirs"] == "kept"
    assert told["omopsql.seed"] == "42"


@pytest.mark.parametrize("version", ["1.0", "2.6"])
def test_files_of_pyarrow(tmp_path: Path, version):
    source, target = tmp_path / "source.parquet", tmp_path / "target.parquet"
    table = pa.table(
        {"a": pa.array(range(1000)), "b": pa.array([f"text {i % 7}" for i in range(1000)]).dictionary_encode()}
    )
    sorting = [pq.SortingColumn(0)]
    pq.write_table(table, source, version=version, row_group_size=100, sorting_columns=sorting, write_page_index=True)
    _is_only_marked(source, target)
    assert pq.read_table(target).equals(pq.read_table(source))
    assert pq.read_metadata(target).row_group(3).sorting_columns == tuple(sorting)


def _is_only_marked(source: Path, target: Path) -> None:
    before = source.read_bytes()
    copied = copy_marked(source, target, marks(MADE))
    assert source.read_bytes() == before
    assert copied.source_sha256 == hashlib.sha256(before).hexdigest()
    assert copied.sha256 == hashlib.sha256(target.read_bytes()).hexdigest()
    assert copied.bytes == target.stat().st_size
    start = Footer.read(source).start
    assert target.read_bytes()[:start] == before[:start]
    assert generation_of_marks(read_marks(target)) == MADE
    rows = [duckdb.execute(f"FROM '{path}'").fetchall() for path in (source, target)]
    assert rows[0] == rows[1]
    types = [duckdb.execute(f"DESCRIBE FROM '{path}'").fetchall() for path in (source, target)]
    assert types[0] == types[1]
    statistics = [
        duckdb.execute(f"SELECT * EXCLUDE (file_name) FROM parquet_metadata('{path}')").fetchall()
        for path in (source, target)
    ]
    assert str(statistics[0]) == str(statistics[1])


def test_a_file_that_is_marked_is_copied_byte_for_byte(tmp_path: Path):
    source = published.write_table(tmp_path / "source.parquet")
    copied = copy_marked(source, tmp_path / "target.parquet", marks(MADE))
    assert copied.sha256 == copied.source_sha256
    again = copy_marked(source, tmp_path / "target.parquet", marks(replace(MADE, seed=43)))
    assert again.sha256 != again.source_sha256 == copied.sha256


@given(st.dictionaries(st.text(min_size=1, max_size=40), st.text(max_size=300), max_size=40))
def test_any_metadata_is_read_back(metadata):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": [1, 2, 3]}), sink, store_schema=False)
    data = sink.getvalue().to_pybytes()
    size = int.from_bytes(data[-8:-4], "little")
    footer = Footer(len(data) - 8 - size, data[-8 - size : -8])
    wanted = {key.encode(): value.encode() for key, value in metadata.items()}
    changed = data[: footer.start] + footer.with_metadata(wanted)
    assert (pq.read_metadata(pa.BufferReader(changed)).metadata or {}) == wanted
    assert pq.read_table(pa.BufferReader(changed))["a"].to_pylist() == [1, 2, 3]


def test_what_is_no_parquet_file_is_refused(tmp_path: Path):
    whole = published.write_table(tmp_path / "whole.parquet").read_bytes()
    for content in (b"", b"PAR1", whole[:-1], whole[: len(whole) // 2], whole[:-4] + b"PARE", b"PAR1" + whole[-8:]):
        path = tmp_path / "damaged.parquet"
        path.write_bytes(content)
        with pytest.raises(OmopsqlError, match=r"damaged\.parquet is no Parquet file"):
            copy_marked(path, tmp_path / "target.parquet", marks(MADE))


def test_the_marks_say_all_that_is_asked_for(tmp_path: Path):
    told = marks(replace(MADE, epsilon=1.5, delta=1e-6, policy_sha256="cd" * 32))
    assert told["omopsql.synthetic"] == "true"
    assert "Article 50(2)" in told["omopsql.notice"] == NOTICE
    assert told["omopsql.epsilon"] == "1.5"
    assert marks(MADE)["omopsql.epsilon"] == "none"
    assert generation_of_marks(told) == replace(MADE, epsilon=1.5, delta=1e-6, policy_sha256="cd" * 32)
    assert generation_of_marks({**told, "omopsql.seed": "many"}) is None
    assert generation_of_marks({}) is None


def test_marks_in_sql(con, tmp_path: Path):
    published.write_table(tmp_path / "a.parquet")
    published.write_table(tmp_path / "b.parquet", generation=None)
    rows = con.execute("SELECT mark, value FROM omopsql.synthetic_marks(?)", [f"{tmp_path}/*.parquet"]).fetchall()
    assert dict(rows) == {key.removeprefix("omopsql."): value for key, value in marks(MADE).items()}


def test_a_model_in_a_table_and_in_a_file_are_one(con, tmp_path: Path):
    columns = "'model' AS statistic, []::VARCHAR[] AS columns, []::BIGINT[] AS cells"
    about = json.dumps({"format": 1, "omopsql": "0.1.0", "method": "copula", "min_cell": 10})
    con.execute(f"CREATE TABLE model AS SELECT {columns}, '{about}' AS value, 2000::BIGINT AS n")
    con.execute(f"COPY model TO '{tmp_path}/model.parquet'")
    in_table = generation_of_model(con, "model", 7)
    assert in_table == generation_of_model(con, f"{tmp_path}/model.parquet", 7)
    assert (in_table.method, in_table.learned, in_table.min_cell, in_table.seed) == ("copula", 2000, 10, 7)
    con.execute("UPDATE model SET n = 2001")
    assert generation_of_model(con, "model", 7).model_sha256 != in_table.model_sha256


def test_a_digest_tells_apart_what_differs():
    def of(values, kind):
        return digest(pa.table({"a": pa.array(values, kind)}))

    texts, lists = pa.string(), pa.list_(pa.int64())
    told = [of(["a", "bc"], texts), of(["ab", "c"], texts), of(["abc", None], texts), of(["abc", ""], texts)]
    told += [
        of([[1], [2, 3]], lists),
        of([[1, 2], [3]], lists),
        of([[1, 2, 3], None], lists),
        of([[1, 2, 3], []], lists),
    ]
    assert len(set(told)) == len(told)
    parts = pa.chunked_array([pa.array(["a"], texts), pa.array(["bc"], texts)])
    assert digest(pa.table({"a": parts})) == told[0]
