"""How a command ends: its exit code, a reader that goes away, Ctrl-C, and the bar while it works."""

import contextlib
import importlib
import os
import shlex
import signal
import subprocess
import sys
import time

import duckdb
import pytest
from click.testing import CliRunner
from commands import COMMAND, SLOW, done, files

from omopsql.cli import main, watch
from omopsql.cli.watch import watched


def test_a_module_and_its_exit_code(folder):
    ran = subprocess.run([*COMMAND, "query", "SELECT error('broken')"], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", "Error: broken\n")


def test_a_terminal_that_cannot_show_a_character():
    result = CliRunner(charset="latin-1").invoke(main, ["query", "SELECT '患' AS t"])
    told = "of this terminal cannot show '\\u60a3'; set PYTHONUTF8=1, or write a file with -o\n"
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith(told)


def test_a_reader_that_goes_away_ends_it_quietly(folder):
    command = f"{shlex.join(COMMAND)} query 'FROM range(100000000)' --format csv | head -n 2; echo ${{PIPESTATUS[0]}}"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("range\n0\n141\n", "")


def interrupt_when(ready, process: subprocess.Popen[str]) -> tuple[int, str]:
    deadline = time.monotonic() + 60
    while not ready():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    return process.returncode, told


def test_ctrl_c_while_a_file_is_written(folder):
    sql = "SELECT i, md5(i::VARCHAR) AS m FROM range(10000000000) AS r (i)"
    process = subprocess.Popen([*COMMAND, "query", sql, "-o", "out.parquet"], stderr=subprocess.PIPE, text=True)
    assert interrupt_when(lambda: any(folder.glob(".*.part")), process) == (130, "Stopped: nothing was written.\n")
    assert files(folder) == []


def test_ctrl_c_while_python_runs_inside_a_query(folder):
    """DuckDB cannot interrupt it, so the process must not wait for it."""
    code = """
import time, omopsql
from omopsql.cli import main, watch
from omopsql.registry import routine
watch._TIME_TO_STOP = 0.2
def sleep(x: int) -> int:
    open("started", "w").close()
    time.sleep(60)
    return x
connect = omopsql.connect
def slow(*arguments):
    con = connect(*arguments)
    con.create_function("slow", sleep)
    return con
omopsql.connect = slow
main(["query", "SELECT slow(1)", "-o", "out.csv"])
"""
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    assert interrupt_when((folder / "started").exists, process) == (130, "Stopped: nothing was written.\n")
    assert files(folder) == ["started"]


INTERRUPTED = """
import sys, time, omopsql
from omopsql.cli import watch
def {work}
try:
    print(watch.watched_steps(omopsql.connect(), work, "Working"), file=sys.stderr)
except KeyboardInterrupt:
    print("stopped, still running:", watch.still_running(), file=sys.stderr)
"""
STEPWISE = """work(tell):
    open("started", "w").close()
    try:
        for step in range(3000):
            tell(f"Step {step}")
            time.sleep(0.02)
    finally:
        open("cleared up", "w").close()
"""
AT_ITS_END = """work(tell):
    open("started", "w").close()
    time.sleep(1.0)
    open("written", "w").close()
    return "written"
"""


@pytest.mark.parametrize(
    ("work", "told", "left"),
    [
        (STEPWISE, "stopped, still running: False", ["cleared up", "started"]),
        (AT_ITS_END, "written", ["started", "written"]),
    ],
)
def test_ctrl_c_between_queries(folder, work, told, left):
    """It is heard at the next step; work that has no more steps comes to its end, and says so."""
    code = INTERRUPTED.replace("{work}", work)
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    assert interrupt_when((folder / "started").exists, process) == (0, f"{told}\n")
    assert files(folder) == left


def on_a_terminal(code: str) -> tuple[bytes, str]:
    """Run Python code whose stderr is a terminal; return what it wrote to stdout, and what the terminal showed."""
    import pty

    ours, theirs = pty.openpty()
    ran = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    drawn = b""
    with contextlib.suppress(OSError):  # the end of a terminal
        while piece := os.read(ours, 4096):
            drawn += piece
    os.close(ours)
    return ran.communicate()[0], drawn.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_a_bar_on_a_terminal(folder):
    written, drawn = on_a_terminal(
        f"from omopsql.cli import main, watch\nwatch.SHOWN_AFTER = 0.02\nmain(['query', {SLOW!r}, '--format', 'csv'])"
    )
    assert written == b"n\n1000000\n"
    assert "Running" in drawn


STEPS = """
import time, omopsql
from omopsql.cli import watch
watch.SHOWN_AFTER = 0.02
def work(tell):
    for step in ("Filling [person]", "Filling [death]"):
        tell(step)
        time.sleep(0.5)
    return 7
print(watch.watched_steps(omopsql.connect(), work, "Harmonizing"))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_steps_on_a_terminal(folder):
    written, drawn = on_a_terminal(STEPS)
    assert written == b"7\n"
    assert drawn.index("Filling [person]") < drawn.index("Filling [death]")


def test_no_steps_in_a_pipe(folder):
    ran = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("7\n", "")


@pytest.mark.parametrize("verb", ["harmonize", "demo"])
def test_long_verbs_tell_their_steps(folders, tmp_path, monkeypatch, verb):
    told = []

    def watched_steps(con, work, doing):
        return work(told.append)

    monkeypatch.setattr(importlib.import_module(f"omopsql.cli.{verb}"), "watched_steps", watched_steps)
    adapter, source, vocabulary = folders
    arguments = {"harmonize": [adapter, source, "--vocabulary", vocabulary], "demo": ["--patients", "20"]}
    done(verb, *arguments[verb], "-o", str(tmp_path / "made"))
    if verb == "harmonize":
        assert told[:2] == [f"Reading {vocabulary}", f"Reading {source}"]
        assert {"Filling person", "Filling measurement", "Deriving drug_era", f"Writing {tmp_path / 'made'}"} <= {*told}
    else:
        assert "Making the OMOP CDM of the hospital" in told


def test_no_bar_in_a_pipe(monkeypatch):
    """Neither ours nor DuckDB's, which it would write between the rows on stdout."""
    setting = "SELECT value FROM duckdb_settings() WHERE name = 'enable_progress_bar_print'"
    assert done("query", setting, "--format", "csv").output == "value\nfalse\n"
    monkeypatch.setattr(watch, "SHOWN_AFTER", 0.0)
    assert done("query", SLOW, "--format", "csv").output == "n\n1000000\n"


def test_watched_work_raises_what_it_raised(con):
    with pytest.raises(duckdb.CatalogException):
        watched(con, lambda: con.execute("FROM nowhere"), "Looking")
    with pytest.raises(TimeoutError, match="their own"):
        watched(con, raise_timeout, "Looking")
    assert watched(con, lambda: con.execute("SELECT 7").fetchall(), "Looking") == [(7,)]


def raise_timeout() -> None:
    raise TimeoutError("their own")
