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
from federation import SITES

import omopsql
from omopsql.errors import OmopsqlError
from omopsql.federate import network

PATIENCE = 420.0


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
def running(name: str, command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen]:
    """A process and all that it starts, ended at the end whatever happens."""
    with Path(f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait()


def logs() -> str:
    return "\n".join(f"--- {log}\n{log.read_text(errors='replace')[-3000:]}" for log in sorted(Path().glob("*.log")))


def test_three_nodes_and_a_server_make_the_pooled_model(folder):
    pytest.importorskip("flwr")
    write_certificates(Path())
    Path("home").mkdir()
    link, *nodes = free_ports(4)
    Path("home/config.toml").write_text(
        f'[superlink]\ndefault = "here"\n\n[superlink.here]\naddress = "127.0.0.1:{link}"\n'
        f'root-certificates = "{Path("ca.pem").resolve()}"\n'
    )
    programs = str(Path(sys.executable).parent)
    environment = os.environ | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "FLWR_HOME": str(Path("home").resolve()),
        "FLWR_TELEMETRY_ENABLED": "0",
        "PYTHONPATH": str(Path(omopsql.__file__).parents[1]),
    }
    with contextlib.closing(omopsql.connect()) as con:
        con.execute(
            "CREATE TABLE patients AS SELECT *, row_number() OVER () AS n FROM omopsql.example_patients(600, 1)"
        )
        for part, name in enumerate(SITES):
            Path(name).mkdir()
            con.execute(f"COPY (SELECT * EXCLUDE n FROM patients WHERE n % 3 = {part}) TO '{name}/data.parquet'")
        con.execute("ALTER TABLE patients DROP n")
        con.execute("COPY (FROM omopsql.copula_fit('patients', method := 'copula')) TO 'whole.parquet'")
    network.write_app(Path("app"))
    tls = ["--ssl-ca-certfile", "ca.pem", "--ssl-certfile", "server.pem", "--ssl-keyfile", "server.key"]
    with contextlib.ExitStack() as stack:
        told = ["--host", "127.0.0.1", "--port", str(link), *tls, "--disable-runtime-dependency-installation"]
        stack.enter_context(running("link", [f"{programs}/flower-superlink", *told], environment))
        for name, port in zip(SITES, nodes, strict=True):
            place = Path(name).resolve()
            config = f'site="{name}" source="{place}/data.parquet" folder="{place}"'
            told = ["--root-certificates", "ca.pem", "--superlink", f"127.0.0.1:{link}", "--host", "127.0.0.1"]
            told += ["--port", str(port), "--node-config", config, *tls]
            stack.enter_context(running(name, [f"{programs}/flower-supernode", *told], environment))
        started = time.monotonic()
        end = started + PATIENCE
        start = [f"{programs}/flwr", "run", "app", "here"]
        while (run := subprocess.run(start, env=environment, capture_output=True, timeout=60, text=True)).returncode:
            assert time.monotonic() < started + 60, f"{run.stdout}{run.stderr}{logs()}"
            time.sleep(2.0)
        models = [Path(name) / "model.parquet" for name in SITES]
        while not all(model.exists() and model.stat().st_size for model in models):
            assert time.monotonic() < end, logs()
            time.sleep(1.0)
        time.sleep(1.0)
        for model in models:
            assert model.read_bytes() == Path("whole.parquet").read_bytes()


def test_without_the_library_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OmopsqlError, match=r"pip install 'omopsql\[federated\]'"):
        network.client_app()


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
