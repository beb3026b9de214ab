"""Learning a hospital: two rounds of counting, and the release of what may leave it.

The first round counts what there is. What the model is made of is decided from these margins, once they are released;
the second round counts for it. Either round's sums can be added to other hospitals' sums before.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import duckdb
import numpy as np
import pyarrow as pa

from omopsql.errors import OmopsqlError
from omopsql.publish.policy.rules import Policy
from omopsql.threads import on_one_thread

from . import attributes, costs, episodes, payers, people, periods, values
from . import plan as decisions
from .edges import rounded
from .layers import LAYERS
from .noise.release import LEDGER
from .plan import Plan
from .reading import Site
from .release import KEEP, Rule, release
from .sums import HEADER, Header, Sums

RULES: dict[str, Rule] = {HEADER: KEEP, LEDGER: KEEP, **decisions.RULES}
for _layer in LAYERS.values():
    RULES |= _layer.RULES
COUNTED_BY = "counted by"  # the statistic that names the exact margins by which a second round was counted
_ROUNDED = [of for room in (people, periods, attributes, episodes, payers, costs) for of in room.ROUNDED]


@on_one_thread
def fit(
    cursor: duckdb.DuckDBPyConnection,
    cdm: str,
    min_cell: int = 10,
    vocabulary: str | None = None,
    for_merge: bool = False,
    margins_only: bool = False,
    margins: Sums | None = None,
    policy: Policy | None = None,
) -> tuple[pa.Table, list[str]]:
    """Learn a CDM: a schema, or a folder of Parquet or CSV files.

    Returns the sums as a table of ``sums.SCHEMA``, and lines that tell which persons were left out. With ``for_merge``
    the sums are exact and private, to be added to those of other hospitals; then ``margins_only`` stops after the first
    round, and ``margins`` are the first round's sums of all hospitals together, by which the second is counted. What
    the ``policy`` denies is not read, and its floor is the least ``min_cell``.

    Raises OmopsqlError when the CDM cannot be read or has too few persons, and for options that do not fit together.
    """
    _check(min_cell, for_merge, margins_only, margins)
    if policy is not None:
        policy.refuse_noise(None, None)
        min_cell = policy.least(min_cell)
    least = 1 if for_merge else max(min_cell, 2)
    site = Site(cursor, cdm, min_cell, vocabulary, least_persons=least, policy=policy, keeps_rare=for_merge)
    own = first_round(site)
    sha256 = None if policy is None else policy.sha256
    common = own if margins is None else _without_header(margins, min_cell, site.version, sha256)
    header = Header(len(site.people), site.version, min_cell, private=True, round=1, policy=sha256)
    if margins_only:
        return Sums.merged([own, header.sums()]).to_table(), site.said
    counted = Sums.merged([own, second_round(site, plan_of(released(common, min_cell), min_cell))])
    header = replace(header, round=2, margins=fingerprint(released(common, min_cell)))
    if for_merge:
        return Sums.merged([counted, counted_by(common), header.sums()]).to_table(), site.said
    return Sums.merged([released(counted, min_cell), replace(header, private=False).sums()]).to_table(), site.said


def first_round(site: Site) -> Sums:
    """Count the margins of a site: exact, and to be added to those of other sites."""
    return Sums.merged([site.raw_items(), *(layer.margins(site) for layer in LAYERS.values())])


def second_round(site: Site, plan: Plan) -> Sums:
    """Count what the plan asks for: exact, and to be added to the sums of other sites with the same plan."""
    return Sums.merged([layer.sums(site, plan) for layer in LAYERS.values()])


def released(exact: Sums, min_cell: int) -> Sums:
    """Release the sums of either round: small cells are suppressed, rare concepts rolled up or left out and listed.

    The ends of histograms of days and numbers, at which one person may stand, are rounded.
    """
    shown = decisions.shown(exact, min_cell)
    found = rounded(release(shown, RULES, min_cell), shown, _ROUNDED, min_cell)
    return Sums.merged([found, decisions.rolled_up(exact, min_cell)])


def plan_of(released_margins: Sums, min_cell: int) -> Plan:
    """Decide what the second round counts, by released sums (of the first round, or of both)."""
    plan = Plan(released_margins, min_cell)
    return replace(plan, dense=_dense(plan))


def _dense(plan: Plan) -> frozenset[int]:
    """The items whose times the layer of values makes."""
    keys = np.array(sorted(values.dense_items(plan.margins)), np.int64).reshape(-1, 2)
    found = plan.items.find(keys[:, 0], keys[:, 1])
    return frozenset(found[found >= 0].tolist())


def _check(min_cell: int, for_merge: bool, margins_only: bool, margins: Sums | None) -> None:
    if min_cell < 1:
        raise OmopsqlError(f"min_cell is {min_cell}; it must be at least 1")
    if margins_only and not for_merge:
        raise OmopsqlError("margins_only is for merging: say for_merge := true too (--for-merge)")
    if margins is not None and margins_only:
        raise OmopsqlError("margins_only asks for margins, and margins gives them; say one of both")


def _without_header(margins: Sums, min_cell: int, version: str, policy: str | None) -> Sums:
    """The sums of all hospitals' first round. Raises OmopsqlError when they are something else."""
    header = Header.of(margins, "margins")
    if not header.private or header.round != 1:
        raise OmopsqlError("margins are no exact sums of a first round: fit them with --for-merge --margins-only")
    if header.min_cell != min_cell or header.cdm_version != version:
        raise OmopsqlError(
            f"margins are of CDM {header.cdm_version} with min_cell {header.min_cell}, not of CDM {version} with "
            f"min_cell {min_cell}; fit both alike"
        )
    if header.policy != policy:
        raise OmopsqlError("margins were counted under another policy; fit both rounds with one policy")
    bare = Sums.merged([margins])
    bare.drop(HEADER)
    return bare


def counted_by(margins: Sums) -> Sums:
    """A row that names exact margins: their hash and their statistics. It counts nobody, and adds up with its equals.

    It stands among sums, and is masked as they are: in a header, whoever carries a file could try guesses against it.
    """
    held = (statistic for statistic in margins if len(margins.counted(statistic)))
    told = Sums()
    told.put(COUNTED_BY, np.zeros((1, 0)), [0], pa.array([" ".join([fingerprint(margins), *held])]))
    return told


def fingerprint(margins: Sums) -> str:
    """Name the margins: equal sums have equal names."""
    table = margins.to_table()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return hashlib.sha256(sink.getvalue()).hexdigest()[:16]
