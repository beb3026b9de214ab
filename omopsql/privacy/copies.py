"""Whether synthetic persons are copies of real ones, and how far real persons could be told apart at all.

The control is the holdout: what synthetic data reproduce of persons whom the generator never saw is coincidence.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from omopsql.evaluate.metric import Metric
from omopsql.evaluate.sides import Doubles
from omopsql.udfs.neighbours import nearest

from .nearness import Points
from .rates import Rate, ahead, beside
from .records import Records, coarse_rows, numbered
from .subjects import Subjects

REAL, SYNTHETIC, HOLDOUT = 0, 1, 2
NEEDS_HOLDOUT = "needs a holdout: real persons whom the generator never saw"
_SHARE_AHEAD = 0.001  # of the holdout, so that one strange person there hides nothing


def copies(subjects: Subjects) -> Iterator[Metric]:
    """Tell the share of real persons whose record a synthetic person has, for whole records and coarser ones.

    The reference is the same share of holdout persons; without a holdout, what as many fresh persons would repeat of
    records that several real persons share. Intervals: Newcombe's, or Wilson's without a holdout.
    """
    for records in (subjects.whole, *subjects.levels):
        rate = _reproduced(records, REAL)
        if len(records.sides) > HOLDOUT:
            control = _reproduced(records, HOLDOUT)
            found, reference = beside(rate, control), control.share
            note = f"{rate} persons; holdout: {control}"
            yield _metric("exact_copies", records, found.value, (found.low, found.high), reference, rate.attacks, note)
        else:
            note = f"{rate} persons"
            reference = _by_chance(records)
            yield _metric("exact_copies", records, rate.share, (rate.low, rate.high), reference, rate.attacks, note)


def holdout_overlap(subjects: Subjects) -> Metric:
    """Tell the share of holdout persons whose whole record a real person has, too: are they really others?

    The reference is the share of real persons whose record another real person has.
    """
    whole = subjects.whole
    if len(whole.sides) <= HOLDOUT:
        return Metric("holdout_overlap", None, note=NEEDS_HOLDOUT)
    among_real = whole.shared(HOLDOUT, [REAL]) > 0
    rate = Rate(int(among_real.sum()), len(among_real))
    by_chance = float(np.mean(whole.shared(REAL, [REAL]) > 1))
    note = f"{rate} holdout persons; if they are the same persons, no attack has a control"
    return Metric("holdout_overlap", rate.share, rate.low, rate.high, by_chance, n=round(rate.attacks), note=note)


def near_copies(points: Points) -> Iterator[Metric]:
    """Tell the share of real persons who have a synthetic person nearer than (nearly) every holdout person has one.

    Exact copies are among them. Nearer means nearer than all but one in a thousand of the holdout; by chance, some
    are. The interval leaves to chance what ``ahead`` says.
    """
    if points.holdout is None:
        yield Metric("near_copies", None, note=NEEDS_HOLDOUT)
        return
    of_real = nearest(points.real, points.synthetic, 1, False)[0].ravel()
    of_holdout = np.sort(nearest(points.holdout, points.synthetic, 1, False)[0].ravel())
    allowed = int(_SHARE_AHEAD * len(of_holdout))
    limit = float(of_holdout[allowed])
    if limit == 0.0:
        reason = "holdout persons have equal synthetic ones, too: nearness tells nothing here; see unique_copies"
        yield Metric("near_copies", None, n=len(of_real), note=reason)
        return
    nearer = int((of_real < limit).sum())
    found, by_chance = ahead(nearer, len(of_real), len(of_holdout), allowed)
    note = f"{nearer:,} of {len(of_real):,} persons are nearer than {limit:.3g}{points.told}"
    yield Metric("near_copies", found.value, found.low, found.high, by_chance, n=len(of_real), note=note)


def uniqueness(subjects: Subjects) -> Iterator[Metric]:
    """Tell the share of real persons whose record no other real person has, for whole, coarser and single tables'."""
    for records in (subjects.whole, *subjects.levels, *subjects.parts):
        alone = records.shared(REAL, [REAL]) == 1
        rate = Rate(int(alone.sum()), len(alone))
        note = f"{rate} persons have a record of their own"
        if records is subjects.whole and subjects.parts:
            apart = np.any([part.shared(REAL, [REAL]) == 1 for part in subjects.parts], axis=0)
            note += f"; {int((alone & ~apart).sum()):,} of them only when tables are joined"
        yield _metric("uniqueness", records, rate.share, (rate.low, rate.high), None, rate.attacks, note)


def unique_copies(subjects: Subjects) -> Iterator[Metric]:
    """Tell how many of the persons with a record of their own appear in the synthetic data.

    A record is one's own when no other person has it, in the real data or in the holdout. Where it appears, no
    coincidence of common values explains it, unless as many of the holdout's unique persons appear.
    """
    for records in (subjects.whole, *subjects.levels):
        if len(records.sides) <= HOLDOUT:
            yield Metric("unique_copies", None, subject=records.name, note=NEEDS_HOLDOUT)
            continue
        rate, control = (_unique_reproduced(records, side) for side in (REAL, HOLDOUT))
        if rate.attacks == 0 or control.attacks == 0:
            reason = "no person has a record of his own, so none can be copied"
            yield Metric("unique_copies", None, subject=records.name, n=0, note=reason)
            continue
        found = beside(rate, control)
        note = f"{rate} unique persons; holdout: {control}"
        interval = (found.low, found.high)
        yield _metric("unique_copies", records, found.value, interval, control.share, rate.attacks, note)


def singled_out(subjects: Subjects) -> Metric:
    """Tell the share of real persons whom a synthetic record picks out as the only one of its kind.

    A record speaks of all columns: labels as they are, numbers to the percentile. A person is picked out when he alone,
    of real and holdout persons, is of that kind.
    """
    sides = subjects.sides
    if sides.holdout is None:
        return Metric("singled_out", None, note=NEEDS_HOLDOUT)
    kinds = numbered("", coarse_rows(sides, sides.columns))
    rate, control = (_picked_out(kinds, side) for side in (REAL, HOLDOUT))
    found = beside(rate, control)
    note = f"{rate} persons; holdout: {control}"
    return Metric("singled_out", found.value, found.low, found.high, control.share, n=round(rate.attacks), note=note)


def k_map(subjects: Subjects) -> Iterator[Metric]:
    """Tell how many real persons there are of each kind that the synthetic data show, by quasi-identifiers.

    ``k_map`` is the smallest number but 0, ``k_map_mean`` the mean over synthetic persons.
    """
    kinds = subjects.quasi
    if kinds is None:
        reason = "no column is known to be a quasi-identifier; name some: known := 'sex, birth_year'"
        yield Metric("k_map", None, note=reason)
        return
    subject = kinds.name
    persons = kinds.shared(SYNTHETIC, [REAL])
    real = persons[persons > 0]
    if len(real) == 0:
        yield Metric("k_map", None, subject=subject, note="no synthetic person is of a kind that a real person is of")
        return
    note = f"{int((real == 1).sum()):,} synthetic persons are of a kind with one real person"
    yield Metric("k_map", float(real.min()), subject=subject, n=len(persons), note=note)
    note = f"real persons of a synthetic person's kind; {int((persons == 0).sum()):,} are of a kind with none"
    yield Metric("k_map_mean", float(persons.mean()), subject=subject, n=len(persons), note=note)


def _reproduced(records: Records, side: int) -> Rate:
    has_copy = records.shared(side, [SYNTHETIC]) > 0
    return Rate(int(has_copy.sum()), len(has_copy))


def _unique_reproduced(records: Records, side: int) -> Rate:
    alone = records.shared(side, [REAL, HOLDOUT]) == 1
    return Rate(int((alone & (records.shared(side, [SYNTHETIC]) > 0)).sum()), int(alone.sum()))


def _picked_out(kinds: Records, side: int) -> Rate:
    alone = kinds.shared(side, [REAL, HOLDOUT]) == 1
    return Rate(int((alone & (kinds.shared(side, [SYNTHETIC]) > 0)).sum()), len(alone))


def _by_chance(records: Records) -> float:
    """The share of real persons whom as many fresh persons as there are synthetic ones would repeat."""
    others = (records.shared(REAL, [REAL]) - 1) / max(len(records.sides[REAL]) - 1, 1)
    missed: Doubles = (1.0 - others) ** len(records.sides[SYNTHETIC])
    return float(np.mean(1.0 - missed))


def _metric(
    metric: str,
    records: Records,
    value: float,
    interval: tuple[float, float],
    reference: float | None,
    n: float,
    note: str,
) -> Metric:
    return Metric(metric, value, *interval, reference, subject=records.name, n=round(n), note=note)
