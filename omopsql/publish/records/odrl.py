"""The terms of use as an ODRL policy: what is permitted for which purposes, until when, and what nobody may do.

Source: ODRL Information Model 2.2 (W3C), as the Dataspace Protocol 2025-1 uses it.
"""

from __future__ import annotations

from typing import Any

from omopsql.publish.said import About

_REIDENTIFY = "re-identification of persons"
_LINK = "linkage with other data about persons"


def rules(about: About) -> dict[str, Any]:
    """Return the permissions and prohibitions of a policy, as an offer and a policy definition hold them."""
    permission: dict[str, Any] = {"action": "use"}
    constraints = [*_purposes(about), *_times(about)]
    if constraints:
        permission["constraint"] = constraints
    told: dict[str, Any] = {"permission": [permission]}
    if about.prohibited:
        told["prohibition"] = [_prohibition(name) for name in about.prohibited]
    return told


def _purposes(about: About) -> list[dict[str, Any]]:
    if not about.purposes:
        return []
    if len(about.purposes) == 1:
        return [_constraint("purpose", "eq", about.purposes[0])]
    return [_constraint("purpose", "isAnyOf", list(about.purposes))]


def _times(about: About) -> list[dict[str, Any]]:
    if about.retention is None:
        return []
    ends = {"gteq": about.retention.start, "lteq": about.retention.end}
    return [
        _constraint("dateTime", operator, {"@value": day.isoformat(), "@type": "http://www.w3.org/2001/XMLSchema#date"})
        for operator, day in ends.items()
        if day
    ]


def _prohibition(name: str) -> dict[str, Any]:
    if name == "distribution":
        return {"action": "distribute"}
    purpose = _REIDENTIFY if name == "re-identification" else _LINK
    return {"action": "use", "constraint": [_constraint("purpose", "eq", purpose)]}


def _constraint(left: str, operator: str, right: Any) -> dict[str, Any]:
    return {"leftOperand": left, "operator": operator, "rightOperand": right}
