"""What a column of a source is: a key, a date, a number, a code or free text. Judged by counts and by its name.

Keys and free text may tell who somebody is, so in doubt a column is taken for one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

KEY, DATE, NUMBER, CODE, FREE_TEXT = "key", "date", "number", "code", "free text"

TEXTS, NUMBERS, MOMENTS, NESTED = "texts", "numbers", "moments", "nested"  # how a column is stored

_MOST = 0.95  # share of values that decides what a column is; the rest may be dirt
_LONG = 60  # characters on average; longer texts are sentences
_LONG_NUMBER = 7  # digits on average; codes of SNOMED CT have more, hardly any count or measurement does
_REPEATED = 0.5  # texts of several words are labels if they repeat: at most so many different ones for each value

# How sources write dates: the pattern that tells a form, and what reads it. Day and month may go either way in some.
_DAY, _MONTH, _YEAR, _TIME = (
    "(0?[1-9]|[12][0-9]|3[01])",
    "(0?[1-9]|1[0-2])",
    "(1[89]|2[0-2])[0-9]{2}",
    "([T ][0-9:]{5}.*)?",
)
_CLOCKS = ("", " %H:%M:%S", " %H:%M", "T%H:%M:%S", "T%H:%M")
_DATE_FORMS = {
    "year first": (f"^{_YEAR}-{_MONTH}-{_DAY}{_TIME}$", "%Y-%m-%d"),
    "year first, slashes": (f"^{_YEAR}/{_MONTH}/{_DAY}{_TIME}$", "%Y/%m/%d"),
    "points": (rf"^{_DAY}\.{_MONTH}\.{_YEAR}{_TIME}$", "%d.%m.%Y"),
    "either first": (f"^{_MONTH}/{_MONTH}/{_YEAR}{_TIME}$", "%m/%d/%Y"),
    "month first": (f"^{_MONTH}/{_DAY}/{_YEAR}{_TIME}$", "%m/%d/%Y"),
    "day first": (f"^{_DAY}/{_MONTH}/{_YEAR}{_TIME}$", "%d/%m/%Y"),
    "month by name": (f"^{_DAY}-[A-Za-z]{{3}}-{_YEAR}{_TIME}$", "%d-%b-%Y"),
}
_COMPACT = "eight digits"
_MOMENT = 19  # characters of YYYY-MM-DD HH:MM:SS; fractions of a second and zones follow
_WHOLE, _DECIMAL, _ZERO_PADDED, _UUID, _OTHER = "whole", "decimal", "zero-padded", "uuid", "other"
_FIRST_OF_NUMBER = "^[0-9+.,-]"
_FORMS = {
    _COMPACT: f"^{_YEAR}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])$",
    _WHOLE: "^[+-]?(0|[1-9][0-9]*)$",
    _ZERO_PADDED: "^0[0-9]+$",
    _DECIMAL: r"^[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]+)?$",
    **{name: pattern for name, (pattern, _) in _DATE_FORMS.items()},
    _UUID: r"^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$",
}

_CODE_NAME = re.compile(
    r"(^|[_\s])(icd\w*|cpt\w*|ndc|loinc|snomed\w*|atc|rxnorm|ops|zip|plz)$|(?<!bar)codes?$", re.IGNORECASE
)
_KEY_NAME = re.compile(
    r"(^|[_\s])(ids?|key|uuid|guid|uid|udi|mrn|ssn|identifier|passport|drivers|insurance)$|(nr|nummer)$"
    r"|^(patient|person|subject|member|encounter|visit|stay|case|episode|admission|claim|provider|organi[sz]ation|payer)"
    r"([_\s]?(id|no|num|number))?$",
    re.IGNORECASE,
)
_CAMEL_KEY = re.compile(r"[a-z](Id|ID)$")
_PERSON = re.compile(
    r"^(patient|patienten|pat|person|subject|member)([_\s]?(id|no|nr|num|number|nummer|key))?$", re.IGNORECASE
)
_PERSONAL_NAME = re.compile(
    r"^(first|last|middle|maiden|given|family|sur|full|birth|patient|person|provider|member|owner)?[_\s]?name$"
    r"|^(first|last|middle|maiden|birthplace)$|^(address|street|phone|telephone|fax|e?[_\s]?mail)",
    re.IGNORECASE,
)


@ibis.udf.scalar.builtin(name="try_strptime", signature=((dt.string, dt.Array(dt.string)), dt.timestamp))
def _try_strptime(text, formats):  # type: ignore[no-untyped-def]
    """The moment that a text tells in one of the formats, or NULL."""


@ibis.udf.agg.builtin(name="histogram", signature=((dt.string,), dt.Map(dt.string, dt.int64)))
def _histogram(text):  # type: ignore[no-untyped-def]
    """How many rows have each of a few texts."""


@dataclass(frozen=True)
class Column:
    """A column before anything is counted: its name, the type it is declared with, and how it is stored."""

    name: str
    type: str

    @property
    def stored(self) -> str:
        """Texts, numbers, moments, or nested values, which are only counted."""
        base = self.type.upper()
        if base.endswith("]") or re.match(r"(STRUCT|MAP|UNION|BLOB|BIT|INTERVAL|JSON|GEOMETRY|VARIANT)", base):
            return NESTED
        if re.match(r"U?(TINY|SMALL|BIG|HUGE)?INT|FLOAT|DOUBLE|DECIMAL|REAL|BIGNUM", base):
            return NUMBERS
        return MOMENTS if re.match(r"DATE|TIMESTAMP", base) else TEXTS


@dataclass(frozen=True)
class Shape:
    """What was counted of a column. Counts are rows; ``forms`` are those of its texts.

    ``error`` is by which share ``distinct`` may be off: 0 where it was counted.
    """

    present: int
    distinct: int
    error: float = 0.0
    characters: int = 0
    blanks: int = 0
    forms: Mapping[str, int] = field(default_factory=dict)

    @property
    def date_form(self) -> str:
        """The form in which most dates of the column are written."""
        dates = {name: self.forms.get(name, 0) for name in (*_DATE_FORMS, _COMPACT)}
        if dates["day first"] <= dates["month first"]:
            dates["month first"] += dates.pop("either first")
        else:
            dates["day first"] += dates.pop("either first")
        return max(dates, key=dates.__getitem__)

    @property
    def dates(self) -> int:
        """How many texts are dates, in the form that most have."""
        either = self.forms.get("either first", 0) if self.date_form in ("month first", "day first") else 0
        return self.forms.get(self.date_form, 0) + either

    @property
    def whole(self) -> int:
        """How many are whole numbers."""
        return self.forms.get(_WHOLE, 0) + self.forms.get(_COMPACT, 0)

    @property
    def numbers(self) -> int:
        """How many are numbers."""
        return self.whole + self.forms.get(_DECIMAL, 0)

    @property
    def uuids(self) -> int:
        """How many are identifiers of 32 hexadecimal digits."""
        return self.forms.get(_UUID, 0)

    @property
    def is_unique(self) -> bool:
        """Whether hardly any value repeats."""
        return self.present > 1 and self.distinct >= (_MOST - self.error) * self.present

    def most(self, n: int) -> bool:
        """Whether ``n`` values are as good as all."""
        return 0 < n >= _MOST * self.present


def counts(stored: str, text: ir.StringValue, is_exact: bool) -> dict[str, ir.Scalar]:
    """What a ``Shape`` is made of, from a column's values as texts. Different ones are counted, or estimated."""
    distinct = text.nunique() if is_exact else text.approx_nunique()
    counted = {"present": text.count(), "distinct": distinct, "characters": text.length().sum()}
    if stored == MOMENTS:
        return counted
    spaces = text.length() - text.replace(" ", "").length()
    return counted | {"blanks": spaces.sum(), "forms": _histogram(_form(text))}


def _form(text: ir.StringValue) -> ir.StringValue:
    """Which of ``_FORMS`` a text has. Most texts begin with a letter, and take one more look."""
    by_pattern = ibis.cases(*((text.re_search(pattern), name) for name, pattern in _FORMS.items()), else_=_OTHER)
    wordlike = text.re_search(_FORMS[_UUID]).ifelse(_UUID, _OTHER)
    return ibis.cases(
        (text.isnull(), ibis.null("string")), (text.re_search(_FIRST_OF_NUMBER), by_pattern), else_=wordlike
    )


def moment_of(text: ir.StringValue, form: str) -> ir.TimestampValue:
    """Read texts as moments written in a form; NULL where a text is none."""
    pattern = _FORMS[form]
    if form in ("month first", "day first"):
        pattern = f"{pattern}|{_FORMS['either first']}"
    date = "%Y%m%d" if form == _COMPACT else _DATE_FORMS[form][1]
    dated = text.re_search(pattern).ifelse(text.left(_MOMENT), ibis.null("string"))
    return _try_strptime(dated, [date + clock for clock in _CLOCKS])


def number_of(text: ir.StringValue) -> ir.FloatingValue:
    """Read texts as numbers, with a point or a comma; NULL where a text is none."""
    return text.re_search(_FORMS[_DECIMAL]).ifelse(text.replace(",", "."), ibis.null("string")).try_cast("float64")


def looks_like(column: Column, shape: Shape) -> str | None:
    """What a column is, by its own counts and name; None when it is empty or nested."""
    if not shape.present or column.stored == NESTED:
        return None
    if column.stored == MOMENTS or shape.most(shape.dates):
        return DATE
    if _PERSONAL_NAME.search(column.name):
        return FREE_TEXT
    if _is_key(column.name, shape):
        return KEY
    if shape.most(shape.numbers) or column.stored == NUMBERS:
        return CODE if _is_number_code(column.name, shape) else NUMBER
    return FREE_TEXT if _is_free_text(shape) else CODE


def _is_number_code(name: str, shape: Shape) -> bool:
    """Numbers that name something: by the column's name, or long whole numbers that repeat."""
    is_long = shape.characters >= _LONG_NUMBER * shape.present and shape.distinct <= _REPEATED * shape.present
    return bool(_CODE_NAME.search(name)) or (shape.most(shape.whole) and is_long)


def _is_key(name: str, shape: Shape) -> bool:
    if shape.most(shape.uuids):
        return True
    if _CODE_NAME.search(name):
        return False
    if _KEY_NAME.search(name) or _CAMEL_KEY.search(name):
        return True
    measured = shape.numbers > shape.whole  # with decimals
    return not measured and shape.is_unique and shape.blanks < (1 - _MOST) * shape.present


def _is_free_text(shape: Shape) -> bool:
    if shape.characters > _LONG * shape.present:
        return True
    return shape.blanks > 0.5 * shape.present and shape.distinct > _REPEATED * shape.present


def tells_person(column: Column) -> bool:
    """Whether a column tells, by its name, whose a row is."""
    return column.stored != NESTED and bool(_PERSON.search(column.name))


def key_names(columns: Iterable[tuple[Column, str | None]]) -> set[str]:
    """Names, folded, that are a key in some table: the same name elsewhere points there."""
    return {folded(column.name) for column, looks in columns if looks == KEY}


def folded(name: str) -> str:
    """A name without case and separators: ``SUBJECT_ID`` and ``subjectId`` are one."""
    return re.sub(r"[\W_]+", "", name).lower()
