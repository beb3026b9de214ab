"""The data set in an Eclipse EDC connector: the bodies of its management API, version 3, and how they are sent.

Source: Eclipse Dataspace Components, Management API v3 (assets, policydefinitions, contractdefinitions).
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from omopsql.errors import OmopsqlError
from omopsql.publish.facts import Edition, Facts
from omopsql.publish.said import About

from . import odrl

EDC = "https://w3id.org/edc/v0.0.1/ns/"
FOLDER = "records/edc"
_CONTEXT = {"@vocab": EDC, "edc": EDC, "dct": "http://purl.org/dc/terms/", "dcat": "http://www.w3.org/ns/dcat#"}
_TIMEOUT = 30  # seconds


@dataclass(frozen=True)
class _Body:
    """A file of a release, the collection of the API that takes it, and the path by which one is replaced."""

    file: str
    collection: str
    replaced_by_id: bool

    def replacement(self, identifier: str) -> str:
        return f"{self.collection}/{quote(identifier, safe='')}" if self.replaced_by_id else self.collection


# In the order in which a connector needs them: a contract definition refers to the policy and selects the asset.
BODIES = (
    _Body("asset.json", "assets", False),
    _Body("policy.json", "policydefinitions", True),
    _Body("contract-definition.json", "contractdefinitions", False),
)


@dataclass(frozen=True)
class Sent:
    """What became of a body: its file, its identifier, and ``created``, ``replaced``, ``deleted`` or ``absent``."""

    file: str
    identifier: str
    outcome: str

    def __str__(self) -> str:
        return f"{self.file}: {self.identifier} {self.outcome}"


def bodies(about: About, facts: Facts, edition: Edition) -> dict[str, dict[str, Any]]:
    """Return the three bodies by the names of their files."""
    asset_id = _slug(edition.identifier)
    return {
        "asset.json": _asset(asset_id, about, facts, edition),
        "policy.json": _policy(f"{asset_id}-policy", about),
        "contract-definition.json": _contract_definition(asset_id),
    }


def _asset(asset_id: str, about: About, facts: Facts, edition: Edition) -> dict[str, Any]:
    return {
        "@context": _CONTEXT,
        "@type": "Asset",
        "@id": asset_id,
        "properties": {
            "name": about.title,
            "description": about.description,
            "version": edition.version,
            "contenttype": "application/vnd.apache.parquet",
            "dct:identifier": edition.identifier,
            "dct:license": about.licence,
            "dct:type": "http://publications.europa.eu/resource/authority/dataset-type/SYNTHETIC_DATA",
            "dcat:keyword": list(about.keywords),
            "dcat:landingPage": about.landing_page or about.access_url,
            "rows": facts.rows,
        },
        "dataAddress": {
            "@type": "DataAddress",
            "type": "HttpData",
            "baseUrl": about.download_url or about.access_url,
        },
    }


def _policy(policy_id: str, about: About) -> dict[str, Any]:
    return {
        "@context": _CONTEXT,
        "@type": "PolicyDefinition",
        "@id": policy_id,
        "policy": {"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Set", **odrl.rules(about)},
    }


def _contract_definition(asset_id: str) -> dict[str, Any]:
    selector = {"@type": "Criterion", "operandLeft": f"{EDC}id", "operator": "=", "operandRight": asset_id}
    return {
        "@context": _CONTEXT,
        "@type": "ContractDefinition",
        "@id": f"{asset_id}-contract",
        "accessPolicyId": f"{asset_id}-policy",
        "contractPolicyId": f"{asset_id}-policy",
        "assetsSelector": [selector],
    }


def _slug(identifier: str) -> str:
    """Return an identifier that is safe in a path: connectors find things by it."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", re.sub(r"^https?://", "", identifier)).strip("-")


def send(url: str, key: str | None, folder: Path) -> list[Sent]:
    """Send a release to the management API of a connector; what it has already is replaced.

    ``url`` is the address of the API, as ``https://connector.example/management``; ``key`` goes into the header
    ``X-Api-Key``; ``folder`` is the release. Raises OmopsqlError when the connector cannot be reached or refuses.
    """
    api = _Api(url, key)
    return [_send(api, folder, body) for body in BODIES]


def withdraw(url: str, key: str | None, identifier: str) -> Sent:
    """Delete the contract definition of a data set, so that nobody can negotiate for it; agreements that stand, stand.

    ``identifier`` is that of ``about.yaml``. The outcome is ``deleted``, or ``absent`` when the connector has none.
    Raises OmopsqlError when the connector cannot be reached or refuses.
    """
    contract = f"{_slug(identifier)}-contract"
    status = _Api(url, key).call("DELETE", f"contractdefinitions/{quote(contract, safe='')}", allowed=404)
    return Sent("contract-definition.json", contract, "absent" if status == 404 else "deleted")


def _send(api: _Api, folder: Path, body: _Body) -> Sent:
    file = folder / FOLDER / body.file
    try:
        content = file.read_bytes()
        identifier = str(json.loads(content)["@id"])
    except (OSError, ValueError, KeyError) as error:
        raise OmopsqlError(f"{file} is no body for a connector: publish {folder} again") from error
    if api.call("POST", body.collection, content, allowed=409) == 409:  # it is there already
        api.call("PUT", body.replacement(identifier), content)
        return Sent(body.file, identifier, "replaced")
    return Sent(body.file, identifier, "created")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A key is for the address that it was given for, and for no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


class _Api:
    """The management API of a connector, at an address that may or may not end with its version."""

    def __init__(self, url: str, key: str | None) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise OmopsqlError(f"{url} is no address of a connector: write one that begins with https://")
        self.base = re.sub(r"/v3$", "", url.rstrip("/")) + "/v3/"
        self.headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key:
            self.headers["X-Api-Key"] = key

    def call(self, method: str, path: str, body: bytes | None = None, allowed: int | None = None) -> int:
        """Return the status of an answer: 2xx, or the one that is allowed besides."""
        address = self.base + path
        request = urllib.request.Request(address, data=body, headers=self.headers, method=method)
        try:
            with _OPENER.open(request, timeout=_TIMEOUT) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            if error.code == allowed:
                return error.code
            hint = "; is the API key right?" if error.code in (401, 403) else ""
            told = f"the connector refused {method} {address} with status {error.code}: {_reason(error)}{hint}"
            raise OmopsqlError(told) from error
        except OSError as error:
            why = getattr(error, "reason", error)
            raise OmopsqlError(f"the connector at {address} cannot be reached: {why}") from error


def _reason(error: urllib.error.HTTPError) -> str:
    """Return what a connector says, in a line: its errors are a list of objects with a message."""
    text = error.read().decode("utf-8", "replace").strip()
    try:
        told = json.loads(text)
        told = told if isinstance(told, list) else [told]
        text = "; ".join(str(one["message"]) for one in told)
    except (ValueError, KeyError, TypeError):
        pass
    return " ".join(text.split())[:300] or str(error.reason)
