"""Whether what several hospitals learned fits together, and its sum."""

from __future__ import annotations

from dataclasses import replace

from omopsql.errors import OmopsqlError

from .sums import HEADER, Header, Sums

FOR_SECOND_ROUND = "{} holds margins, which are merged for the second round: add --for-merge (for_merge := true)"

_MUST_AGREE = {
    "private": ("{0} holds exact sums and {1} a model whose small cells are suppressed", "fit both the same way"),
    "round": ("{0} and {1} are of different rounds: {2} and {3}", "merge margins with margins, models with models"),
    "omopsql": ("{0} was made by omopsql {2}, {1} by {3}", "fit both with one version"),
    "cdm_version": ("{0} is of CDM {2}, {1} of CDM {3}", "bring them to one version of the CDM"),
    "epsilon": ("{0} was fitted with epsilon {2}, {1} with {3}", "fit both with one epsilon"),
    "delta": ("{0} was fitted with delta {2}, {1} with {3}", "fit both with one delta"),
    "most_concepts": ("{0} was fitted with most_concepts {2}, {1} with {3}", "fit both with one number of concepts"),
    "min_cell": ("{0} has min_cell {2}, {1} has {3}", "fit both with one min_cell"),
    "policy": ("{0} and {1} were fitted under different policies", "agree on one policy, and fit both with it"),
    "margins": ("{0} and {1} were counted in different bins", "merge their margins first, and fit both with these"),
}


def refuse_differing(headers: dict[str, Header]) -> None:
    """Raise OmopsqlError that tells which two models do not fit together, and why."""
    (first, own), *others = headers.items()
    for name, other in others:
        for field, (told, remedy) in _MUST_AGREE.items():
            one, two = getattr(own, field), getattr(other, field)
            if one == two:
                continue
            names = (first, name) if field != "private" or own.private else (name, first)
            raise OmopsqlError(f"{told.format(*names, one, two)}; {remedy}")


def added_up(parts: dict[str, Sums], headers: dict[str, Header]) -> tuple[Sums, Header]:
    """The sum of models, by name, without its header; and its header, given those of all of them and maybe more."""
    own = [headers[name] for name in parts]
    added = Sums.merged(parts.values())
    added.drop(HEADER)
    return added, replace(own[0], persons=sum(found.persons for found in own))
