"""What a site does, and what whoever adds up does: every act reads files and writes one.

``init`` makes keys; ``mask`` turns a model's exact sums into noise; ``aggregate`` adds noise up; ``unmask`` reads the
model from the total. ``share`` and ``recover`` are for a site that drops out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from omopsql.errors import OmopsqlError

from . import envelope, masks, model_file, shamir
from .envelope import Envelope, head_of, raw, text
from .names import entries_of, statistics_of
from .primitives import Words, add_stream, agreement_public, is_signed
from .sketch import MOST_SITES, read_back, room_for, width, written
from .study import AGGREGATOR, ROUNDS, SITE, Card, PrivateSite, Study


def init(name: str, study: str, private: Path, card: Path, *, aggregator: bool = False) -> Card:
    """Make a site's private file, which never leaves it, and its public card."""
    site = PrivateSite.new(study, name, AGGREGATOR if aggregator else SITE, private)
    site.write()
    site.write_card(card)
    return Card.read(card)


@dataclass(frozen=True)
class Masked:
    """What ``mask`` wrote: the round, how many statistics the site has, and for how many the table has room."""

    number: int
    statistics: int
    room: int


def mask(
    cursor: duckdb.DuckDBPyConnection, model: str, own: PrivateSite, study: Study, target: Path, room: int | None = None
) -> Masked:
    """Write a model's exact sums, masked. The same model gives the same file, whenever it is masked.

    Raises OmopsqlError when the model is not exact or has no room, or when another one was masked in this round.
    """
    study.member(own)
    found = model_file.read(cursor, model)
    entries = entries_of(found.statistics)
    room = room or room_for(len(entries) * len(study.sites))
    if len(entries) > room:
        raise OmopsqlError(
            f"{model} has {len(entries):,} statistics, and room is {room:,}; say --room {room_for(len(entries))}"
        )
    if len(study.sites) > MOST_SITES:
        raise OmopsqlError(f"{len(study.sites)} sites are too many: a study has at most {MOST_SITES}")
    words = written(entries, room)
    own.remember(
        f"masked {study.session} round {found.number}",
        hashlib.sha256(_bytes(written(entries, room_for(len(entries))))).hexdigest(),
        f"{own.name} has masked other numbers in round {found.number} of study {study.name!r} already, and two masked "
        "files of one round would show their difference: make all cards anew with omopsql site init",
    )
    at = masks.place(study, found.number, room)
    masks.mask(words, own, study, found.number, at)
    seed = masks.cover(own, at)
    says = _says(own, study) | {
        "round": found.number,
        "room": room,
        "about": found.about,
        "covers": {to: study.seal(own, to, f"cover/{at}", seed) for to in study.others(own.name)},
    }
    envelope.write(target, "masked", says, own.signing_key, _bytes(words))
    return Masked(found.number, len(entries), room)


def share(own: PrivateSite, study: Study, target: Path, threshold: int | None = None) -> int:
    """Share this site's secrets of all rounds out among the other sites, and return how many must come together.

    Raises OmopsqlError when the threshold is not between 1 and the number of other sites.
    """
    study.member(own)
    others = study.others(own.name)
    needed = threshold or max(1, (len(study.sites) + 1) // 2)
    if not 1 <= needed <= len(others):
        raise OmopsqlError(f"a threshold of {needed} does not fit {len(others)} other sites; say 1 to {len(others)}")
    boxes: dict[str, dict[str, str]] = {other: {} for other in others}
    for number in ROUNDS:
        purpose = f"share/round {number}/of {needed}"
        split = shamir.split(own.round_key(number), len(others), needed, f"{study.session}/{purpose}")
        for other, of_other in zip(others, split, strict=True):
            boxes[other][str(number)] = study.seal(own, other, purpose, of_other)
    envelope.write(target, "share", _says(own, study) | {"threshold": needed, "boxes": boxes}, own.signing_key)
    return needed


def aggregate(
    paths: Sequence[Path], own: PrivateSite, study: Study, target: Path, without: Sequence[str] = ()
) -> list[str]:
    """Add masked files up; return the names of the sites in the sum. The sum is masked still.

    Raises OmopsqlError when a file is changed, foreign, replayed, given twice or missing, or does not fit the others.
    """
    study.member(own, has_data=False)
    for name in without:
        if name not in study.sites:
            raise OmopsqlError(f"{name} is no site of study {study.name!r}; its sites are {', '.join(study.sites)}")
    parts: dict[str, Envelope] = {}
    words: Words | None = None
    for path in paths:
        part = envelope.read(path, "masked")
        _fits(part, study, parts, without)
        own_words = np.frombuffer(part.body, "<u8")
        if words is None:
            words = own_words.copy()
        else:
            words += own_words
        parts[str(part.says["site"])] = Envelope(path, part.kind, part.says, part.mark, part.head, memoryview(b""))
    missing = [name for name in study.sites if name not in parts and name not in without]
    if missing or words is None or len(parts) < 2:
        name = (missing or list(without) or ["a site"])[0]
        raise OmopsqlError(
            f"the masked file of {name} is missing, and a sum without it is noise: wait for it, or say "
            f"--without {name} if all sites wrote shares and two or more are left"
        )
    first = next(iter(parts.values()))
    told = [{"says": _second_line(part), "mark": text(part.mark)} for part in parts.values()]
    says = _says(own, study) | {
        "round": first.says["round"], "room": first.says["room"], "about": first.says["about"],
        "missing": sorted(without), "parts": told,
    }  # fmt: skip
    envelope.write(target, "total", says, own.signing_key, _bytes(words))
    return sorted(parts)


def recover(paths: Sequence[Path], total: Path, own: PrivateSite, study: Study, target: Path) -> list[str]:
    """Hand out this site's shares of the sites that a total lacks; return their names.

    Raises OmopsqlError when none is missing, a share is, or shares for another sum of this round were handed out.
    """
    study.member(own)
    found = Total.read(total, study)
    if not found.missing:
        raise OmopsqlError(f"{total} lacks no site: there is nothing to recover")
    shares = {str(part.says["site"]): part for part in _checked(paths, "share", study)}
    given: dict[str, dict[str, str]] = {}
    thresholds = {}
    for missing in found.missing:
        if missing not in shares:
            raise OmopsqlError(
                f"the share file of {missing} is missing: give the one that it sent before it dropped out"
            )
        part = shares[missing]
        thresholds[missing] = part.says["threshold"]
        box = part.says["boxes"][own.name][str(found.number)]
        purpose = f"share/round {found.number}/of {part.says['threshold']}"
        secret = study.unseal(own, missing, purpose, box, part.path)
        given[missing] = {
            to: study.seal(own, to, f"recovered/{purpose}/{missing}", secret) for to in study.others(own.name)
        }
        given[missing][own.name] = study.seal(own, own.name, f"recovered/{purpose}/{missing}", secret)
    _remember_sum(own, study, found)
    says = _says(own, study) | {"round": found.number, "thresholds": thresholds, "boxes": given}
    envelope.write(target, "recovered", says, own.signing_key)
    return sorted(given)


def unmask(
    total: Path, own: PrivateSite, study: Study, recovered: Sequence[Path] = (), for_merge: bool = False
) -> pa.Table:
    """Read the model of all sites from their total: what ``omopsql merge`` of their files would give.

    The first rounds' sums stay exact, as margins of the next; so does the last one's with ``for_merge``. Raises
    OmopsqlError when a file is foreign or changed, or when too few sites recovered one that dropped out.
    """
    study.member(own)
    found = Total.read(total, study)
    secrets = _recovered(found, _checked(recovered, "recovered", study), own, study)
    _remember_sum(own, study, found)
    words = np.frombuffer(found.body, "<u8").copy()
    at = masks.place(study, found.number, found.room)
    for name, covers in found.covers.items():
        seed = (
            masks.cover(own, at)
            if name == own.name
            else study.unseal(own, name, f"cover/{at}", covers[own.name], total)
        )
        add_stream(words, seed, -1)
    for missing, secret in secrets.items():
        masks.unmask_missing(words, missing, secret, list(found.covers), study, found.number, at)
    statistics = statistics_of(read_back(words, found.room, str(total)), str(total))
    return model_file.total(statistics, for_merge, str(total))


@dataclass(frozen=True)
class Total:
    """A checked total: its round and room, the covers of the sites in it, and the sites that it lacks."""

    number: int
    room: int
    covers: dict[str, dict[str, str]]
    missing: list[str]
    body: memoryview

    @classmethod
    def read(cls, path: Path, study: Study) -> Total:
        """Read a total, and check that each site in it signed its part. Raises OmopsqlError when one did not."""
        found = envelope.read(path, "total")
        study.checked(found)
        covers, missing = {}, list(found.says["missing"])
        for part in found.says["parts"]:
            says = json.loads(part["says"])
            name = says.get("site")
            card = study.cards.get(name)
            alike = all(says.get(field) == found.says[field] for field in ("session", "round", "room", "about"))
            signed = card is not None and is_signed(card.sign, head_of("masked", part["says"]), raw(part["mark"]))
            if not signed or not alike:
                raise OmopsqlError(
                    f"{path} names a part of {name} that {name} did not sign: have the files added up again"
                )
            covers[name] = says["covers"]
        if sorted([*covers, *missing]) != study.sites or len(found.body) != 8 * width(found.says["room"]):
            raise OmopsqlError(f"{path} does not hold all sites of study {study.name!r}: have the files added up again")
        return cls(found.says["round"], found.says["room"], covers, missing, found.body)


def _says(own: PrivateSite, study: Study) -> dict[str, object]:
    """What every file tells: by whom it is, and of which study and cards."""
    return {"study": study.name, "session": study.session, "site": own.name}


def _bytes(words: Words) -> memoryview:
    return words.data.cast("B")


def _second_line(part: Envelope) -> str:
    return part.head.decode().split("\n")[1]


def _checked(paths: Sequence[Path], kind: str, study: Study) -> list[Envelope]:
    """Read files that sites carried. Raises OmopsqlError when one is foreign, changed or given twice."""
    found: dict[str, Envelope] = {}
    for path in paths:
        part = envelope.read(path, kind)
        study.checked(part)
        other = found.setdefault(str(part.says["site"]), part)
        if other is not part:
            raise OmopsqlError(f"{other.path} and {path} are both of {part.says['site']}: give each once")
    return list(found.values())


_MUST_AGREE = {
    "round": "{path} is of round {own}, and {other} of round {others}: add files of one round",
    "room": "{path} has room for {own:,} statistics, {other} for {others:,}: mask {smaller} again with --room {larger}",
    "about": "{path} and {other} were fitted differently ({own} and {others}): fit all alike, by the same margins",
}


def _fits(part: Envelope, study: Study, parts: dict[str, Envelope], without: Sequence[str]) -> None:
    """Raise OmopsqlError when a masked file cannot be added to those that were read before."""
    name, path = study.checked(part).name, part.path
    if name not in study.sites or len(part.body) != 8 * width(part.says["room"]):
        raise OmopsqlError(f"{path} is not of a site, or not as long as it says: ask {name} to mask again")
    if name in parts:
        raise OmopsqlError(f"{parts[name].path} and {path} are both of {name}, which would count twice: give each once")
    if name in without:
        raise OmopsqlError(f"{path} is of {name}, which --without {name} leaves out: leave out one of both")
    for other in list(parts.values())[:1]:
        for field, told in _MUST_AGREE.items():
            own, others = part.says[field], other.says[field]
            if own != others:
                own, others = (own, others) if field != "about" else _differing(own, others)
                smaller = path if field == "room" and own < others else other.path
                larger = max(own, others) if field == "room" else None
                raise OmopsqlError(
                    told.format(path=path, own=own, other=other.path, others=others, smaller=smaller, larger=larger)
                )


def _differing(one: str, two: str) -> tuple[str, str]:
    """What two headers tell differently."""
    told = json.loads(one), json.loads(two)
    fields = [field for field in told[0] | told[1] if told[0].get(field) != told[1].get(field)]
    first, second = (", ".join(f"{field} {about.get(field)}" for field in fields) for about in told)
    return first, second


def _remember_sum(own: PrivateSite, study: Study, found: Total) -> None:
    """Raise OmopsqlError when this site has helped to show another sum of the round: their difference is one site's."""
    own.remember(
        f"summed {study.session} round {found.number}",
        " + ".join(found.covers),
        f"{own.name} has opened another sum of round {found.number} than that of {', '.join(found.covers)}; the two "
        "would show what a single site has: go on with the first",
    )


def _recovered(found: Total, files: Sequence[Envelope], own: PrivateSite, study: Study) -> dict[str, bytes]:
    """The secrets of the round of the sites that a total lacks."""
    secrets = {}
    for missing in found.missing:
        others = study.others(missing)
        told = {str(part.says["site"]): part for part in files if missing in part.says["boxes"]}
        told = {name: part for name, part in told.items() if part.says["round"] == found.number}
        needed = min((part.says["thresholds"][missing] for part in told.values()), default=1)
        if len(told) < needed:
            raise OmopsqlError(
                f"{missing} dropped out, and {len(told)} of the {needed} sites needed have recovered it: "
                "ask others for theirs (omopsql site recover)"
            )
        purpose = f"recovered/share/round {found.number}/of {needed}/{missing}"
        shares = {
            others.index(name) + 1: study.unseal(own, name, purpose, part.says["boxes"][missing][own.name], part.path)
            for name, part in told.items()
        }
        secret = shamir.joined(shares)
        if secret is None or agreement_public(secret) != study.cards[missing].round_key(found.number):
            raise OmopsqlError(f"the shares of {missing} do not belong together: ask for the recovered files again")
        secrets[missing] = secret
    return secrets
