"""What is learned of stays that a test plants, without a CDM around them, and what is drawn of it."""

from __future__ import annotations

from omopsql.synth.hospital.fit import released
from omopsql.synth.hospital.sums import Sums
from omopsql.synth.hospital.values import first_round, paths, scores, shifts
from omopsql.synth.hospital.values.compile import StayModel, compiled, trial
from omopsql.synth.hospital.values.stays import Records, Stays
from omopsql.synth.hospital.values.structure import Structure


def learned(stays: Stays, records: Records, min_cell: int) -> StayModel:
    """The model of stays with their records, by both rounds."""
    sums = Sums()
    first_round.count_stays(stays, sums)
    first_round.count_runs(stays, records, sums)
    first_round.count_values(records, sums)
    first_round.count_company(stays, records, sums)
    structure = Structure.of(released(sums, min_cell), records.hashes)
    own = structure.own(records)
    scores.count_products(structure, stays, own, sums)
    paths.count_records(structure, own, sums)
    paths.count_moves(structure, own, sums)
    shifts.count_shifts(structure, stays, own, sums)
    paths.count_summaries(structure, own, sums)
    paths.count_times(structure, own, sums)
    paths.count_children(structure, len(stays), own, sums)
    return compiled(structure, released(sums, min_cell))


def records_of(model: StayModel, stays: int, seed: int) -> Records:
    """The records of so many drawn stays; ``series`` are places in the model's ``structure.hashes``."""
    sketch = trial(model, stays, seed)
    value = sketch.values(seed, model.ends, model.outlets)
    return Records(model.structure.hashes, sketch.stay, sketch.series, sketch.minute, value)
