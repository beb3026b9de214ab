"""Learning a hospital under noise: alone, or as one of several whose noisy sums are added up round by round.

The rounds are those of ``..fit``. The second one counts for what the first one's noisy sums have decided.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import duckdb
import pyarrow as pa

from omopsql.errors import OmopsqlError
from omopsql.noise.asked import Noise
from omopsql.noise.mechanism import Account
from omopsql.publish.policy.rules import Policy
from omopsql.threads import on_one_thread

from .. import plan as decisions
from ..fit import fingerprint, first_round, plan_of, second_round
from ..reading import Site
from ..sums import HEADER, Header, Sums
from .release import LEDGER, ledger, noised, threshold, without_orphans

MOST_CONCEPTS = 48  # of a person, that are counted
_TELLING = "events.member"  # its threshold is what a released number of persons with two items reaches


@dataclass(frozen=True)
class Protection:
    """How much the noise hides, and how many of a person's concepts count.

    Raises OmopsqlError for a budget that is none, and for a bound that allows no pair of concepts.
    """

    epsilon: float
    delta: float = 1e-6
    most_concepts: int = MOST_CONCEPTS

    def __post_init__(self) -> None:
        Noise(self.epsilon, self.delta, None, 1).check()
        if self.most_concepts < 2:
            raise OmopsqlError(f"most_concepts is {self.most_concepts}; it must be at least 2")

    def account(self) -> Account:
        """A budget of which nothing is spent."""
        return Account(self.epsilon, self.delta)

    def least(self, statistic: str) -> int:
        """The number of persons from which on a row of a statistic may show."""
        return threshold(statistic, self.account(), self.most_concepts)

    def header(
        self, site: Site, policy: Policy | None, persons: int, number: int, margins: str | None = None
    ) -> Header:
        """The header of a round's noisy sums, which are for addition to those of other sites."""
        return Header(
            persons,
            site.version,
            self.least(_TELLING),
            private=True,
            round=number,
            margins=margins,
            epsilon=self.epsilon,
            delta=self.delta,
            most_concepts=self.most_concepts,
            policy=None if policy is None else policy.sha256,
        )


@on_one_thread
def fit_with_noise(
    cursor: duckdb.DuckDBPyConnection,
    cdm: str,
    asked: Protection,
    vocabulary: str | None = None,
    policy: Policy | None = None,
) -> tuple[pa.Table, list[str]]:
    """Learn a CDM so that noise hides every person: two hospitals that differ in one person give much the same model.

    Returns what ``..fit.fit`` returns, with the ledger. Raises OmopsqlError when the CDM cannot be read, and when the
    noise hides every concept.
    """
    site, account = _site(cursor, cdm, asked, vocabulary, policy), asked.account()
    margins = noised(first_round(site), account, asked.most_concepts)
    sums = noised(second_round(site, plan_by(margins, asked)), account, asked.most_concepts)
    header = asked.header(site, policy, persons_in(margins), 2)
    return finished(margins, Sums.merged([sums, ledger(account)]), header), site.said


@on_one_thread
def fit_round_with_noise(
    cursor: duckdb.DuckDBPyConnection,
    cdm: str,
    asked: Protection,
    vocabulary: str | None = None,
    policy: Policy | None = None,
    margins: Sums | None = None,
) -> tuple[pa.Table, list[str]]:
    """Count a round of one of several sites: the first; or the second, by the merged ``margins`` of the first.

    Returns noisy sums that say as much of a person as ``asked`` allows in both rounds together, whoever sees them.
    Raises OmopsqlError when ``margins`` are something else, or of other noise.
    """
    site, account = _site(cursor, cdm, asked, vocabulary, policy), asked.account()
    if margins is None:
        found = noised(first_round(site), account, asked.most_concepts)
        header = asked.header(site, policy, persons_in(found), 1)
        return Sums.merged([found, ledger(account), header.sums()]).to_table(), site.said
    header = asked.header(site, policy, 0, 2, name_of(margins))
    _check(Header.of(margins, "margins"), header)
    found = noised(second_round(site, plan_by(margins, asked)), account, asked.most_concepts)
    told = ledger(account, first=len(margins.labels(LEDGER)))
    return Sums.merged([found, told, header.sums()]).to_table(), site.said


def finished(margins: Sums, sums: Sums, header: Header) -> pa.Table:
    """The model that the noisy sums of both rounds make, each with its ledger. ``header`` is that of the second."""
    whole = replace(header, persons=persons_in(margins), private=False, margins=None)
    told = Sums.merged([decisions.of_items(_without_header(margins)), sums])
    return Sums.merged([without_orphans(told), whole.sums()]).to_table()


def plan_by(margins: Sums, asked: Protection) -> decisions.Plan:
    """What the second round counts. Raises OmopsqlError when the noise hides every concept."""
    items = decisions.of_items(_without_header(margins))
    if not len(items.get(decisions.PERSONS, 2)[1]):
        raise OmopsqlError(
            f"with epsilon {asked.epsilon:g} a concept is learned from about {asked.least(decisions.PERSONS):,} "
            "persons on, and there is none that so many have; ask for a larger epsilon, or learn from more persons"
        )
    return plan_of(items, asked.least(_TELLING))


def persons_in(margins: Sums) -> int:
    """How many persons there are, as far as the noise tells."""
    return int(margins.get("people.sex", 1)[1].sum())


def name_of(margins: Sums) -> str:
    """Name merged margins: equal ones have equal names."""
    return fingerprint(_without_header(margins))


def _without_header(sums: Sums) -> Sums:
    bare = Sums.merged([sums])
    bare.drop(HEADER)
    return bare


def _site(
    cursor: duckdb.DuckDBPyConnection, cdm: str, asked: Protection, vocabulary: str | None, policy: Policy | None
) -> Site:
    if policy is not None:
        policy.refuse_noise(asked.epsilon, asked.delta)
    return Site(cursor, cdm, 1, vocabulary, policy=policy, most_concepts=asked.most_concepts)


def _check(margins: Header, own: Header) -> None:
    """Refuse margins that are none, or were counted otherwise than is asked now."""
    if margins.round != 1 or margins.epsilon is None:
        raise OmopsqlError("margins are no noisy sums of a first round: fit them with epsilon and margins_only := true")
    for name in ("epsilon", "delta", "most_concepts", "cdm_version", "policy"):
        one, two = getattr(margins, name), getattr(own, name)
        if one != two:
            raise OmopsqlError(f"margins were fitted with {name} {one}, not {two}; fit both rounds alike")
