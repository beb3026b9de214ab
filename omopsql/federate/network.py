"""Rounds over a network: a Flower app in which sites mask, a server adds up, and sites unmask.

    python -m omopsql.federate.network app/        # writes the app, to be run by: flwr run app/

Files of ``acts`` travel in Flower's messages instead of by mail, so the server sees what whoever adds up sees: noise.
Flower's own SecAgg+ is not used: it rounds numbers to 22 bits and adds modulo 2^32, and its server learns the sum; sums
here are exact to 64 bits, and only sites can read them.
A site's numbers lie where its SuperNode says: ``--node-config 'site="north" source="cdm/" folder="study/"'``.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import omopsql
from omopsql.errors import OmopsqlError
from omopsql.quoting import literal

from . import acts
from .flower import require_flower, require_quiet
from .study import PrivateSite, Study

ROUNDS = {"cdm": 2, "table": 3}
_PROJECT = """\
[project]
name = "omopsql-fit"
version = "1.0.0"
description = "Fit one model with omopsql"
license = {text = "Apache-2.0"}
dependencies = []

[tool.flwr.app]
publisher = "omopsql"

[tool.flwr.app.components]
serverapp = "omopsql_fit:server"
clientapp = "omopsql_fit:client"

[tool.flwr.app.config]
study = "study"
sites = 3
kind = "table"
room = 65536
min-cell = 10
wait = 43200
"""
_MODULE = """\
from omopsql.federate.network import client_app, server_app

client = client_app()
server = server_app()
"""


def write_app(folder: Path) -> None:
    """Write the app that ``flwr run`` runs; its parameters are in pyproject.toml."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(_PROJECT, encoding="utf-8")
    (folder / "omopsql_fit.py").write_text(_MODULE, encoding="utf-8")


# --- a site


def client_app() -> Any:
    """The ClientApp of a site. Every act leaves its files in the site's folder."""
    require_flower()
    require_quiet()
    from flwr.app import ConfigRecord, Message, RecordDict
    from flwr.clientapp import ClientApp

    app = ClientApp()

    @app.query()  # type: ignore[untyped-decorator]
    def answer(message: Any, context: Any) -> Any:
        asked = message.content["asked"]
        site = FolderSite(context.node_config, context.run_config)
        told = {"site": site.name, "file": _ACTS[str(asked["act"])](site, asked)}
        return Message(RecordDict({"told": ConfigRecord(told)}), reply_to=message)

    return app


class FolderSite:
    """A site whose files lie in a folder: ``site``, ``source`` and ``folder`` are its SuperNode's configuration."""

    def __init__(self, node: dict[str, Any], run: dict[str, Any]) -> None:
        self.name, self.source, self.folder = str(node["site"]), str(node["source"]), Path(str(node["folder"]))
        self.kind, self.study = str(run["kind"]), str(run["study"])
        self.room, self.min_cell, self.sites = int(run["room"]), int(run["min-cell"]), int(run["sites"])

    def file(self, suffix: str) -> Path:
        """A file of this site's own."""
        return self.folder / f"{self.name}.{suffix}"

    def card(self, asked: dict[str, Any]) -> bytes:
        """Make keys, for this run alone, and return the card."""
        self.file("site").unlink(missing_ok=True)
        return acts.init(self.name, self.study, self.file("site"), self.file("card")).path.read_bytes()

    def mask(self, asked: dict[str, Any]) -> bytes:
        """Keep the cards of all, count a round by what was unmasked last, and return it masked."""
        for position, card in enumerate(asked["cards"]):
            (self.folder / f"{position}.card").write_bytes(card)
        model = self.file("parquet")
        with contextlib.closing(omopsql.connect()) as con:
            con.execute(f"COPY ({self._fit(int(asked['round']))}) TO {literal(str(model))} (FORMAT parquet)")
            acts.mask(con, str(model), *self._member(), self.file("masked"), self.room)
        return self.file("masked").read_bytes()

    def unmask(self, asked: dict[str, Any]) -> bytes:
        """Read the sum of a round from its total, into the file of that round. Nothing is returned."""
        self.file("total").write_bytes(asked["total"])
        own, study = self._member()
        with contextlib.closing(omopsql.connect()) as con:
            con.register("added", acts.unmask(self.file("total"), own, study))
            unmasked = literal(str(self._unmasked(int(asked["round"]))))
            con.execute(f"COPY (FROM added) TO {unmasked} (FORMAT parquet)")
        return b""

    def _fit(self, number: int) -> str:
        more = "margins_only := true" if number == 1 else f"margins := {literal(str(self._unmasked(number - 1)))}"
        told = f"{literal(self.source)}, min_cell := {self.min_cell}, for_merge := true, {more}"
        if self.kind == "cdm":
            return f"FROM omopsql.cdm_fit({told})"
        return f"FROM omopsql.copula_fit({told}, method := 'copula', sites := {self.sites})"

    def _unmasked(self, number: int) -> Path:
        last = ROUNDS[self.kind]
        return self.folder / ("model.parquet" if number == last else f"round{number}.parquet")

    def _member(self) -> tuple[PrivateSite, Study]:
        return PrivateSite.read(self.file("site")), Study.read(sorted(self.folder.glob("[0-9]*.card")))


_ACTS = {"card": FolderSite.card, "mask": FolderSite.mask, "unmask": FolderSite.unmask}


# --- who adds up


def server_app() -> Any:
    """The ServerApp that adds up. What it is sent and what it makes is noise; it keeps nothing."""
    require_flower()
    require_quiet()
    from flwr.serverapp import ServerApp

    app = ServerApp()

    @app.main()  # type: ignore[untyped-decorator]
    def main(grid: Any, context: Any) -> None:
        run = context.run_config
        sites = Sites.present(grid, int(run["sites"]), float(run["wait"]))
        cards = sites.ask({"act": "card"})
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(_temporary_folder()))
            acts.init("server", str(run["study"]), folder / "server.site", folder / "server.card", aggregator=True)
            own = PrivateSite.read(folder / "server.site")
            files = [*_put(folder, "card", cards), folder / "server.card"]
            every = {"cards": [file.read_bytes() for file in files]}
            study = Study.read(files)
            for number in range(1, ROUNDS[str(run["kind"])] + 1):
                masked = sites.ask({"act": "mask", "round": number, **every})
                acts.aggregate(_put(folder, "masked", masked), own, study, folder / "all.total")
                sites.ask({"act": "unmask", "round": number, "total": (folder / "all.total").read_bytes()})

    return app


def _temporary_folder() -> Any:
    import tempfile

    return tempfile.TemporaryDirectory(prefix="omopsql-")


@dataclass(frozen=True)
class Sites:
    """The nodes of all sites, and how many seconds each may take to answer.

    A node that is lost is noticed by Flower itself, so a long wait is for those that are slow.
    """

    grid: Any
    nodes: list[int]
    wait: float

    @classmethod
    def present(cls, grid: Any, number: int, wait: float) -> Sites:
        """All sites, once they are there. Raises OmopsqlError when some do not come, or others came too."""
        end = time.monotonic() + wait
        while len(nodes := list(grid.get_node_ids())) < number:
            if time.monotonic() > end:
                raise OmopsqlError(f"{len(nodes)} of {number} sites came; start the others' SuperNodes")
            time.sleep(1.0)
        if len(nodes) > number:
            raise OmopsqlError(
                f"{len(nodes)} SuperNodes came for {number} sites: stop those that are none of the study"
            )
        return cls(grid, nodes, wait)

    def ask(self, asked: dict[str, Any]) -> dict[str, bytes]:
        """Ask all sites one thing; return the file of each, by the site's name.

        Raises OmopsqlError when one fails or does not answer, or when two are called alike.
        """
        from flwr.app import ConfigRecord, Message, MessageType, RecordDict

        messages = [
            Message(
                RecordDict({"asked": ConfigRecord(asked)}),
                dst_node_id=node,
                message_type=MessageType.QUERY,
                ttl=self.wait,
            )
            for node in self.nodes
        ]
        answers = list(self.grid.send_and_receive(messages, timeout=self.wait))
        failed = [answer.error.reason for answer in answers if answer.has_error()]
        if failed or len(answers) < len(messages):
            raise OmopsqlError(f"{asked['act']} failed at a site: {failed[0] if failed else 'no answer came'}")
        return by_name([answer.content["told"] for answer in answers])


def by_name(told: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """The file of each site, by its name. Raises OmopsqlError when two are called alike."""
    found: dict[str, bytes] = {}
    for record in told:
        name = str(record["site"])
        if name in found:
            raise OmopsqlError(f"two SuperNodes are site {name!r}: give each a name of its own in --node-config")
        found[name] = bytes(record["file"])
    return found


def _put(folder: Path, suffix: str, files: dict[str, bytes]) -> list[Path]:
    """Write what sites sent as files, named by number: a site's word is no file name."""
    paths = [folder / f"{position}.{suffix}" for position in range(len(files))]
    for path, name in zip(paths, sorted(files), strict=True):
        path.write_bytes(files[name])
    return paths


if __name__ == "__main__":
    write_app(Path(sys.argv[1]))
