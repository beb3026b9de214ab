"""Results as the JSON that OHDSI's DataQualityDashboard writes, and its viewer and Ares read.

Names, nesting and order are those of DataQualityDashboard 2.8. As there, a single value stands in an array of one, and
what a check does not have is left out.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from omopsql import __version__
from omopsql.quality.judging import Judgement

from .checked_cdm import CheckedCdm, call
from .overview import CATEGORIES

FOLLOWED = "2.8.4"  # the version of DataQualityDashboard whose rules and shape these are
Cell = str | int | float


def write_json(checked: CheckedCdm, path: Path) -> None:
    """Write the results of a CDM as one JSON object."""
    path.write_text(json.dumps(as_dashboard(checked), ensure_ascii=False), encoding="utf-8")


def as_dashboard(checked: CheckedCdm) -> dict[str, object]:
    """Return the results in DataQualityDashboard's shape."""
    rows = [_check_result(checked, judgement) for judgement in checked.judgements]
    return {
        "startTimestamp": [_written(checked.begun)],
        "endTimestamp": [_written(checked.ended)],
        "executionTime": [f"{checked.seconds:.0f} secs"],
        "executionTimeSeconds": [checked.seconds],
        "CheckResults": rows,
        "Metadata": [_metadata(checked)],
        "Overview": {name: [value] for name, value in _overview(rows).items()},
    }


def _written(moment: datetime) -> str:
    return moment.isoformat(" ", "seconds")


def _check_result(checked: CheckedCdm, judgement: Judgement) -> dict[str, Cell]:
    check, counts, kind = judgement.check, judgement.counts, judgement.check.kind
    known: dict[str, Cell | None] = {
        "numViolatedRows": counts.violated,
        "pctViolatedRows": judgement.share,
        "numDenominatorRows": counts.examined,
        # checks are answered together, so each has the same part of the time
        "executionTime": f"{checked.seconds / len(checked.judgements):.6f} secs",
        "queryText": call(checked.asked, check),
        "checkName": kind.check_name,
        "checkLevel": kind.level,
        "checkDescription": check.description,
        "cdmTableName": check.cdm_table.upper(),
        "cdmFieldName": check.cdm_field.upper() or None,
        "conceptId": check.concept_id or None,
        "unitConceptId": check.unit_concept_id or None,
        "sqlFile": kind.sql_file,
        "category": kind.category,
        "subcategory": kind.subcategory or None,
        "context": kind.context,
        "error": counts.error,
        "checkId": check.check_id,
        "severity": kind.severity,
        "failed": int(judgement.failed),
        "passed": int(judgement.passed),
        "isError": int(counts.error is not None),
        "notApplicable": int(judgement.not_applicable is not None),
        "notApplicableReason": judgement.not_applicable,
        "thresholdValue": check.threshold,
    }
    return {name: value for name, value in known.items() if value is not None}


def _metadata(checked: CheckedCdm) -> dict[str, Cell]:
    told = {"cdm_source_name": checked.name, "cdm_version": checked.cdm.version} | checked.source
    version = {"dqd_version": f"{FOLLOWED} (omopsql {__version__})"}
    return {_camel_case(name): _plain(value) for name, value in (told | version).items() if value is not None}


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _plain(value: object) -> Cell:
    return value if isinstance(value, Cell) else str(value)


def _overview(rows: list[dict[str, Cell]]) -> dict[str, float]:
    """Count as DataQualityDashboard counts: what did not fail passed, also what does not apply or erred."""
    total, failed = len(rows), sum(row["failed"] == 1 for row in rows)
    with_error = sum("error" in row for row in rows)
    return {
        "countTotal": total,
        "countPassed": total - failed,
        "countErrorFailed": with_error,
        "countThresholdFailed": sum(row["failed"] == 1 and "error" not in row for row in rows),
        "countOverallFailed": failed,
        "percentPassed": round((total - failed) / total * 100, 2),
        "percentFailed": round(failed / total * 100, 2),
        **_by_category(rows, "Total"),
        **_by_category(rows, "Failed"),
        **_by_category(rows, "Passed"),
    }


def _by_category(rows: list[dict[str, Cell]], what: str) -> dict[str, float]:
    return {
        f"count{what}{category}": sum(
            row["category"] == category and (what == "Total" or row[what.lower()] == 1) for row in rows
        )
        for category in CATEGORIES
    }
