"""How names are compared: in plain words, and in the other wordings that clinics use for the same thing.

A name's plain form has no case, accents, punctuation or semantic tag, one spelling, and numbers apart from their units:
``Oedema of lower leg (finding)`` is ``edema of lower leg``, ``ASPIRIN 81MG`` is ``aspirin 81 mg``.
"""

from __future__ import annotations

from functools import cache
from io import BytesIO

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.csv

from omopsql.sql_files import sql_folder

NAMES, WORDINGS = "omopsql_names", "omopsql_wordings"  # the relations that the expressions below read
_FILE = ("harmonize", "wordings.csv")

# What SNOMED CT writes behind a name tells the domains that it may belong to.
TAG_DOMAINS = {
    "disorder": ("Condition",),
    "morphologic abnormality": ("Condition", "Observation"),
    "finding": ("Condition", "Observation", "Measurement"),
    "situation": ("Condition", "Observation", "Procedure"),
    "event": ("Observation", "Condition"),
    "observable entity": ("Measurement", "Observation"),
    "qualifier value": ("Meas Value", "Observation"),
    "procedure": ("Procedure", "Measurement", "Observation"),
    "regime/therapy": ("Procedure", "Observation"),
    "physical object": ("Device",),
    "product": ("Drug", "Device"),
    "medicinal product": ("Drug",),
    "clinical drug": ("Drug",),
    "substance": ("Drug", "Observation"),
    "organism": ("Observation",),
    "person": ("Observation",),
    "body structure": ("Spec Anatomic Site", "Observation"),
    "specimen": ("Specimen",),
}
_TAG = rf"\s*\(({'|'.join(TAG_DOMAINS)})\)\s*$"
_UNITS = "mg|mcg|ug|g|kg|ml|l|dl|iu|unt|units?|meq|mmol|mol|hr|h|day|actuat|mm|cm|%"

_REWRITES = (
    (_TAG, ""),
    (r"([0-9]),([0-9]{3})\b", r"\1\2"),  # 1,000 mg
    (rf"([0-9])({_UNITS})\b", r"\1 \2"),  # 81mg
    (r"[^a-z0-9.%]+", " "),
    (r"\.([^0-9]|$)", r" \1"),  # a point that is no decimal point
    (r"(^| )\.([0-9])", r"\10.\2"),  # .5 mg; references have one digit here
    (r"([0-9]\.[0-9]*[1-9])0+\b|\.0+\b", r"\1"),  # 2.50, 5.0
    (r"[ao]e", "e"),  # anaemia, oedema
    (r"is(ed|ation)\b", r"iz\1"),
    (r"\b(tum|col|od|behavi)our", r"\1or"),
    (r" +", " "),
)


@ibis.udf.scalar.builtin(name="strip_accents")
def _strip_accents(text: str) -> str:  # type: ignore[empty-body]
    """A text without accents."""


def plain(name: ir.StringValue) -> ir.StringValue:
    """Write a name in its plain form."""
    text = _strip_accents(name.lower())
    for pattern, replacement in _REWRITES:
        text = text.re_replace(pattern, replacement)
    return text.strip()


def tag(name: ir.StringValue) -> ir.StringValue:
    """Return the semantic tag behind a name, one of ``TAG_DOMAINS``, or an empty text."""
    return name.lower().re_extract(_TAG, 1)


@cache
def wordings() -> pa.Table:
    """Return pairs of wordings (``written``, ``means``) for one thing, in plain form: ``htn``, ``hypertension``."""
    return pyarrow.csv.read_csv(BytesIO(sql_folder(*_FILE).read_bytes()))


def variants() -> ir.Table:
    """Word names (``name_number``, ``text`` in plain form) in every way that is known, themselves among them.

    Short forms are spelt out all at once; and each wording is exchanged for the other by itself.
    """
    names = ibis.table({"name_number": "int64", "text": "string"}, name=NAMES)
    known = ibis.table({"written": "string", "means": "string"}, name=WORDINGS)
    everything = ibis.union(names, _spelt_out(names, known), _exchanged(names, known))
    return everything.distinct().order_by("name_number", "text")


def _spelt_out(names: ir.Table, known: ir.Table) -> ir.Table:
    words = names.mutate(words=names["text"].split(" "))
    words = words.mutate(place=ibis.range(words["words"].length()).unnest())
    words = words.select("name_number", "place", word=words["words"][words["place"]])
    joined = words.left_join(known, words["word"] == known["written"])
    spelt = joined.select("name_number", "place", word=ibis.coalesce(joined["means"], joined["word"]))
    return spelt.group_by("name_number").agg(text=spelt["word"].group_concat(" ", order_by=spelt["place"]))


def _exchanged(names: ir.Table, known: ir.Table) -> ir.Table:
    one_way = known.select(old=known["written"], new=known["means"])
    rules = ibis.union(one_way, known.select(old=known["means"], new=known["written"]))
    spaced = names.select("name_number", spaced=ibis.literal(" ") + names["text"] + " ")
    found = spaced.inner_join(rules, spaced["spaced"].contains(ibis.literal(" ") + rules["old"] + " "))
    old, new = (ibis.literal(" ") + found[side] + " " for side in ("old", "new"))
    return found.select("name_number", text=found["spaced"].replace(old, new).strip())
