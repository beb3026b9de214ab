"""Rounds over a network: one SuperLink and three SuperNodes on this machine, with TLS; the model is the pooled one."""

import contextlib
import datetime
import ipaddress
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from federation import LONG, SITES, TABLES, dealt_cdm, dealt_table

import omopsql
from omopsql.errors import OmopsqlError
from omopsql.federate import flower as programs
from omopsql.federate import network
from omopsql.federate.flower import QUIET

PATIENCE = 900.0  # seconds of a run on a busy machine


def write_certificates(folder: Path) -> None:
    """A certificate authority, and a certificate of this machine signed by it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.datetime.now(datetime.UTC)
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("ca", "server")}
    names = {name: x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in keys}
    for name, key in keys.items():
        building = (
            x509.CertificateBuilder()
            .subject_name(names[name])
            .issuer_name(names["ca"])
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=name == "ca", path_length=None), critical=True)
        )
        if name == "server":
            here = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
            building = building.add_extension(x509.SubjectAlternativeName(here), critical=False)
        pem = building.sign(keys["ca"], hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        (folder / f"{name}.pem").write_bytes(pem)
    private = keys["server"].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.key").write_bytes(private)


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def running(log_file: Path, command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen]:
    """A process and all that it starts, in the folder of its log, ended at the end whatever happens."""
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=environment, start_new_session=True, cwd=log_file.parent
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait()


class Flower:
    """A SuperLink and a SuperNode for each site, with TLS. A node's data are what lies in its folder ``data``."""

    def __init__(self, stack: contextlib.ExitStack, place: Path) -> None:
        self.place, self.programs = place, Path(sys.executable).parent
        write_certificates(place)
        network.write_app(place / "app")
        (place / "home").mkdir()
        link, *nodes = free_ports(1 + len(SITES))
        (place / "home" / "config.toml").write_text(
            f'[superlink]\ndefault = "here"\n\n[superlink.here]\naddress = "127.0.0.1:{link}"\n'
            f'root-certificates = "{place / "ca.pem"}"\n'
        )
        self.environment = os.environ | QUIET | {
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "FLWR_HOME": str(place / "home"),
            "PYTHONPATH": str(Path(omopsql.__file__).parents[1]),
        }  # fmt: skip
        tls = ["--ssl-ca-certfile", "ca.pem", "--ssl-certfile", "server.pem", "--ssl-keyfile", "server.key"]
        self._start(stack, "link", "superlink", ["--host", "127.0.0.1", "--port", str(link), *tls])
        for name, port in zip(SITES, nodes, strict=True):
            (place / name / "data").mkdir(parents=True)
            config = f'site="{name}" source="{place / name / "data"}" folder="{place / name}"'
            told = ["--root-certificates", "ca.pem", "--superlink", f"127.0.0.1:{link}", "--host", "127.0.0.1"]
            self._start(stack, name, "supernode", [*told, "--port", str(port), "--node-config", config, *tls])

    def _start(self, stack: contextlib.ExitStack, name: str, program: str, told: list[str]) -> None:
        command = [sys.executable, "-m", "omopsql.federate.flower", program, *told]
        stack.enter_context(running(self.place / f"{name}.log", command, self.environment))

    def fit(self, parts: dict[str, Path], kind: str, room: int = 65536) -> list[bytes]:
        """Run the app on a folder of files for each site; return the model that each is left with."""
        models = [self.place / name / "model.parquet" for name in SITES]
        for name, model in zip(SITES, models, strict=True):
            model.unlink(missing_ok=True)
            shutil.rmtree(self.place / name / "data")
            shutil.copytree(parts[name], self.place / name / "data")
        asked = f'kind="{kind}" room={room}'
        start = [str(self.programs / "flwr"), "run", str(self.place / "app"), "here", "--run-config", asked]
        end = time.monotonic() + PATIENCE
        while (
            run := subprocess.run(start, env=self.environment, capture_output=True, timeout=120, text=True)
        ).returncode:
            assert time.monotonic() < end, f"{run.stdout}{run.stderr}{self.logs()}"
            time.sleep(2.0)
        while not all(model.exists() and model.read_bytes()[-4:] == b"PAR1" for model in models):
            assert time.monotonic() < end, self.logs()
            assert "failed at a site" not in (log := self.logs()), log
            time.sleep(1.0)
        return [model.read_bytes() for model in models]

    def logs(self) -> str:
        logs = sorted(self.place.glob("*.log"))
        return "\n".join(f"--- {log}\n{log.read_text(errors='replace')[-3000:]}" for log in logs)


@pytest.fixture(scope="module")
def flower(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flower]:
    """A federation on this machine."""
    pytest.importorskip("flwr")
    with contextlib.ExitStack() as stack:
        yield Flower(stack, tmp_path_factory.mktemp("flower"))


def test_three_nodes_and_a_server_make_the_pooled_model(folder, flower):
    with contextlib.closing(omopsql.connect()) as con:
        con.execute("CREATE TABLE patients AS FROM omopsql.example_patients(600, 1)")
        parts = dealt_table(con, "FROM patients", folder)
        con.execute("COPY (FROM omopsql.copula_fit('patients', method := 'copula')) TO 'whole.parquet'")
    assert set(flower.fit(parts, "table")) == {Path("whole.parquet").read_bytes()}


@pytest.mark.parametrize("name", [TABLES[0], *(pytest.param(name, marks=LONG) for name in TABLES[1:])])
def test_three_nodes_with_a_real_table_make_the_pooled_model(folder, flower, data_folder, name):
    source = data_folder("tabular") / f"{name}.csv"
    with contextlib.closing(omopsql.connect()) as con:
        parts = dealt_table(con, f"FROM read_csv('{source}')", folder)
        con.execute("COPY (FROM omopsql.copula_fit('pooled.parquet', method := 'copula')) TO 'whole.parquet'")
    assert set(flower.fit(parts, "table", 1 << 18)) == {Path("whole.parquet").read_bytes()}


@LONG
def test_three_nodes_with_a_real_cdm_make_the_pooled_model(folder, flower, data_folder):
    source = data_folder("cdm/gibleed_5.3")
    parts = dealt_cdm(source, folder)
    with contextlib.closing(omopsql.connect()) as con:
        con.execute(f"COPY (FROM omopsql.cdm_fit('{source}')) TO 'whole.parquet'")
    assert set(flower.fit(parts, "cdm", 600_000)) == {Path("whole.parquet").read_bytes()}


def test_without_the_library_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OmopsqlError, match=r"pip install 'omopsql\[federated\]'"):
        network.client_app()


@pytest.mark.parametrize("name", QUIET)
def test_an_app_does_not_run_where_flower_calls_its_makers(monkeypatch, name):
    monkeypatch.setattr("omopsql.federate.network.require_flower", lambda: None)
    for other, value in QUIET.items():
        monkeypatch.setenv(other, value)
    monkeypatch.delenv(name)
    for app in (network.client_app, network.server_app):
        with pytest.raises(OmopsqlError, match=rf"Flower calls its makers from this machine: export {name}="):
            app()


@pytest.mark.parametrize(
    ("told", "refusal"),
    [
        (["supernode", "--insecure"], "--insecure is not for a study: leave it out"),
        (["superlink", "--allow-runtime-dependency-installation"], "--allow-runtime-dependency-installation is not"),
        (["simulation"], "simulation is no program of Flower's for a study; say superlink or supernode"),
    ],
)
def test_what_gives_a_study_away_is_refused(monkeypatch, told, refusal):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setattr(sys, "argv", ["flower", *told])
    with pytest.raises(SystemExit, match=refusal):
        programs.main()


def test_programs_are_quiet_install_nothing_and_wait(python):
    """What Flower's own modules are left with, in a process of its own."""
    pytest.importorskip("flwr")
    code = """
import sys
from omopsql.federate import flower
flower._PROGRAMS["superlink"] = ("flwr.superlink.cli", "told", ["--disable-runtime-dependency-installation"])
import types
def told():
    from flwr.supercore import heartbeat, telemetry
    from flwr.supercore.corestate import in_memory_corestate
    from flwr.supernode import fleet_http_connection
    found = {module.HEARTBEAT_DEFAULT_INTERVAL for module in (heartbeat, in_memory_corestate, fleet_http_connection)}
    print(found, telemetry.FLWR_TELEMETRY_ENABLED, sys.argv)
sys.modules["flwr.superlink.cli"] = types.SimpleNamespace(told=told)
flower.run("superlink", ["--port", "8000"])
"""
    ran = python(code)
    assert ran.stdout.splitlines()[-1] == (
        "{300} 0 ['flower-superlink', '--port', '8000', '--disable-runtime-dependency-installation']"
    ), ran.stderr


class Grid:
    """So many nodes."""

    def __init__(self, nodes: int) -> None:
        self.nodes = nodes

    def get_node_ids(self) -> list[int]:
        return list(range(self.nodes))


@pytest.mark.parametrize(
    ("nodes", "refusal"),
    [
        (2, "2 of 3 sites came; start the others' SuperNodes"),
        (4, "4 SuperNodes came for 3 sites: stop those that are none of the study"),
    ],
)
def test_more_or_fewer_nodes_than_sites_are_refused(nodes, refusal):
    assert network.Sites.present(Grid(3), 3, 0.0).nodes == [0, 1, 2]
    with pytest.raises(OmopsqlError, match=refusal):
        network.Sites.present(Grid(nodes), 3, 0.0)


def test_two_nodes_of_one_name_are_refused():
    told = [{"site": name, "file": name.encode()} for name in SITES]
    assert network.by_name(told) == {"east": b"east", "north": b"north", "south": b"south"}
    with pytest.raises(OmopsqlError, match="two SuperNodes are site 'east': give each a name of its own"):
        network.by_name([*told, told[0]])


def test_a_site_acts_on_files_in_its_folder(folder):
    """The rounds without the network: what each message asks a site, answered by its folder."""
    with contextlib.closing(omopsql.connect()) as con:
        con.execute("COPY (FROM omopsql.example_patients(400, 1)) TO 'data.parquet'")
        con.execute("COPY (FROM omopsql.copula_fit('data.parquet', method := 'copula')) TO 'whole.parquet'")
        con.execute("CREATE TABLE patients AS SELECT *, row_number() OVER () AS n FROM 'data.parquet'")
        for part, name in enumerate(SITES):
            Path(name).mkdir()
            con.execute(f"COPY (SELECT * EXCLUDE n FROM patients WHERE n % 3 = {part}) TO '{name}/data.parquet'")
    run = {"kind": "table", "study": "s", "room": 65536, "min-cell": 10, "sites": 3}
    sites = [network.FolderSite({"site": n, "source": f"{n}/data.parquet", "folder": n}, run) for n in SITES]
    cards = [site.card({}) for site in sites]
    own = sites[0]
    for number in (1, 2, 3):
        for site in sites:
            Path(f"{site.name}.masked").write_bytes(site.mask({"round": number, "cards": cards}))
        masked = [Path(f"{name}.masked") for name in SITES]
        network.acts.aggregate(masked, *own._member(), Path("all.total"))
        for site in sites:
            assert site.unmask({"round": number, "total": Path("all.total").read_bytes()}) == b""
    for name in SITES:
        assert (Path(name) / "model.parquet").read_bytes() == Path("whole.parquet").read_bytes()
    shutil.rmtree("east")
