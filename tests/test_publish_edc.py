"""A release in an Eclipse EDC connector: the bodies, and how they are sent. A stub of the API checks them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import described_release as release
import pytest

from omopsql.errors import OmopsqlError
from omopsql.publish.records import edc

pytest.importorskip("yaml")

EDC = "https://w3id.org/edc/v0.0.1/ns/"


def faults(body: Any, shape: Any, at: str = "body") -> Iterator[str]:
    """What a body lacks of a shape: a dict names what must be there, a list what each must be; a value must equal."""
    if isinstance(shape, dict):
        for name, part in shape.items():
            if not isinstance(body, dict) or name not in body:
                yield f"{at}.{name} is missing"
            else:
                yield from faults(body[name], part, f"{at}.{name}")
    elif isinstance(shape, list):
        if not isinstance(body, list) or not body:
            yield f"{at} is no list of something"
        else:
            for one in body:
                yield from faults(one, shape[0], f"{at}[]")
    elif isinstance(shape, type):
        if not isinstance(body, shape) or not body:
            yield f"{at} is no {shape.__name__}"
    elif body != shape:
        yield f"{at} is not {shape!r}"


# What the management API, version 3, asks of a body.
SHAPES = {
    "assets": {
        "@context": {"@vocab": EDC},
        "@type": "Asset",
        "@id": str,
        "properties": {"name": str, "version": str, "contenttype": str},
        "dataAddress": {"type": "HttpData", "baseUrl": str},
    },
    "policydefinitions": {
        "@context": {"@vocab": EDC},
        "@type": "PolicyDefinition",
        "@id": str,
        "policy": {
            "@context": "http://www.w3.org/ns/odrl.jsonld",
            "@type": "Set",
            "permission": [{"action": "use"}],
        },
    },
    "contractdefinitions": {
        "@context": {"@vocab": EDC},
        "@type": "ContractDefinition",
        "@id": str,
        "accessPolicyId": str,
        "contractPolicyId": str,
        "assetsSelector": [{"operandLeft": f"{EDC}id", "operator": "=", "operandRight": str}],
    },
}


@dataclass
class Connector:
    """A stub of a connector: it keeps what is valid, in collections by identifier."""

    url: str = ""
    key: str | None = "secret"
    kept: dict[str, dict[str, Any]] = field(default_factory=lambda: {name: {} for name in SHAPES})
    requests: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, method: str, path: str, key: str | None, body: Any) -> tuple[int, Any]:
        self.requests.append((method, path))
        if path.startswith("/moved/"):
            return 302, self.url
        if key != self.key:
            return 401, [{"message": "Request could not be authenticated", "type": "AuthenticationFailed"}]
        parts = path.removeprefix("/management/v3/").split("/")
        if method == "DELETE":
            return (404, []) if self.kept[parts[0]].pop(parts[1], None) is None else (204, None)
        wrong = list(faults(body, SHAPES[parts[0]]))
        if wrong:
            return 400, [{"message": one, "type": "ValidationFailure"} for one in wrong]
        kept = self.kept[parts[0]]
        identifier = body["@id"]
        if method == "POST":
            if identifier in kept:
                return 409, [{"message": f"{identifier} already exists", "type": "ObjectConflict"}]
            kept[identifier] = body
            return 200, {"@type": "IdResponse", "@id": identifier}
        if identifier not in kept or (parts[0] == "policydefinitions") != (parts[1:] == [identifier]):
            return 404, [{"message": "not found", "type": "ObjectNotFound"}]
        kept[identifier] = body
        return 204, None


class _Handler(BaseHTTPRequestHandler):
    connector: ClassVar[Connector]

    def _answer(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or "null")
        assert self.headers["Content-Type"] == "application/json"
        status, told = self.connector.answer(self.command, self.path, self.headers["X-Api-Key"], body)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", told)
        self.end_headers()
        if told is not None:
            self.wfile.write(json.dumps(told).encode())

    do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 (the names that http.server calls)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def connector() -> Iterator[Connector]:
    stub = Connector()
    handler = type("Handler", (_Handler,), {"connector": stub})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        stub.url = f"http://127.0.0.1:{server.server_port}/management"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield stub
        server.shutdown()
        thread.join()


@pytest.fixture
def published(tmp_path: Path) -> Callable[..., Path]:
    """Write the bodies of a release below its folder."""
    facts = release.facts(tmp_path)

    def publish(**more: str) -> Path:
        (tmp_path / edc.FOLDER).mkdir(parents=True, exist_ok=True)
        for name, body in edc.bodies(release.full_about(), facts, release.edition(**more)).items():
            (tmp_path / edc.FOLDER / name).write_text(json.dumps(body), encoding="utf-8")
        return tmp_path

    return publish


ASSET = "hospital.example-data-diabetes"


def test_bodies_are_sent_in_order(connector: Connector, published: Callable[..., Path]) -> None:
    sent = edc.send(connector.url, "secret", published())
    assert [(one.identifier, one.outcome) for one in sent] == [
        (ASSET, "created"),
        (f"{ASSET}-policy", "created"),
        (f"{ASSET}-contract", "created"),
    ]
    assert connector.requests == [
        ("POST", "/management/v3/assets"),
        ("POST", "/management/v3/policydefinitions"),
        ("POST", "/management/v3/contractdefinitions"),
    ]
    contract = connector.kept["contractdefinitions"][f"{ASSET}-contract"]
    assert contract["accessPolicyId"] in connector.kept["policydefinitions"]
    assert contract["contractPolicyId"] in connector.kept["policydefinitions"]
    assert contract["assetsSelector"][0]["operandRight"] in connector.kept["assets"]


def test_what_is_there_is_replaced(connector: Connector, published: Callable[..., Path]) -> None:
    edc.send(connector.url, "secret", published())
    connector.kept["assets"][ASSET]["properties"]["version"] = "0.9.0"
    sent = edc.send(connector.url + "/v3/", "secret", published())
    assert {one.outcome for one in sent} == {"replaced"}
    assert connector.requests[-2:] == [
        ("POST", "/management/v3/contractdefinitions"),
        ("PUT", "/management/v3/contractdefinitions"),
    ]
    assert ("PUT", f"/management/v3/policydefinitions/{ASSET}-policy") in connector.requests
    assert connector.kept["assets"][ASSET]["properties"]["version"] == "1.0.0"


def test_a_key_is_asked_for(connector: Connector, published: Callable[..., Path]) -> None:
    with pytest.raises(
        OmopsqlError, match=r"refused POST http\S+/v3/assets with status 401: Request could not be"
    ) as error:
        edc.send(connector.url, None, published())
    assert "is the API key right?" in str(error.value)
    assert "\n" not in str(error.value)
    connector.key = None
    assert len(edc.send(connector.url, None, published())) == 3


def test_a_key_goes_nowhere_else(connector: Connector, published: Callable[..., Path]) -> None:
    with pytest.raises(OmopsqlError, match="with status 302"):
        edc.send(connector.url.replace("/management", "/moved"), "secret", published())
    assert [path for _, path in connector.requests] == ["/moved/v3/assets"]


def test_what_a_connector_refuses_is_told(connector: Connector, published: Callable[..., Path]) -> None:
    folder = published()
    path = folder / edc.FOLDER / "asset.json"
    body = json.loads(path.read_text(encoding="utf-8"))
    del body["dataAddress"]
    path.write_text(json.dumps(body), encoding="utf-8")
    with pytest.raises(OmopsqlError, match=r"status 400: body\.dataAddress is missing"):
        edc.send(connector.url, "secret", folder)
    assert connector.kept == {name: {} for name in SHAPES}


def test_no_connector_and_no_bodies(connector: Connector, published: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(OmopsqlError, match="ftp://x is no address of a connector"):
        edc.send("ftp://x", "secret", tmp_path)
    with pytest.raises(OmopsqlError, match=r"asset\.json is no body for a connector: publish"):
        edc.send(connector.url, "secret", tmp_path / "empty")
    with pytest.raises(OmopsqlError, match="cannot be reached: "):
        edc.send("http://127.0.0.1:9/management", "secret", published())


def test_data_that_nobody_may_download_lead_to_the_application(tmp_path: Path) -> None:
    asset = edc.bodies(release.about(), release.facts(tmp_path), release.edition())["asset.json"]
    assert asset["dataAddress"]["baseUrl"] == "https://hospital.example/data/apply"


def test_a_retracted_data_set_is_withdrawn(connector: Connector, published: Callable[..., Path]) -> None:
    edc.send(connector.url, "secret", published())
    identifier = "https://hospital.example/data/diabetes"
    assert edc.withdraw(connector.url, "secret", identifier).outcome == "deleted"
    assert connector.kept["contractdefinitions"] == {}
    assert edc.withdraw(connector.url, "secret", identifier).outcome == "absent"
    with pytest.raises(OmopsqlError, match="status 401"):
        edc.withdraw(connector.url, "wrong", identifier)
