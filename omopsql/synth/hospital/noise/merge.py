"""Merging the noisy sums of several hospitals: those of one round, or of the second with the margins it follows."""

from __future__ import annotations

import pyarrow as pa

from omopsql.errors import OmopsqlError

from ..agreement import FOR_SECOND_ROUND, added_up, refuse_differing
from ..sums import Header, Sums
from .fit import finished, name_of


def merged(parts: dict[str, Sums], headers: dict[str, Header], for_merge: bool) -> pa.Table:
    """Add up the noisy sums of one round; or make a model of those of the second round and the merged margins.

    ``parts`` and their ``headers`` by name. Returns a table of ``sums.SCHEMA``; raises OmopsqlError when they do not
    fit together.
    """
    for name, header in headers.items():
        if header.epsilon is None:
            raise OmopsqlError(f"{name} has no noise, and others have: fit all the same way")
        if not header.private:
            raise OmopsqlError(
                f"{name} is a whole model with noise, which cannot be added to others: sites that learn together say "
                "for_merge := true (--for-merge) in both rounds"
            )
    if for_merge:
        refuse_differing(headers)
        added, header = added_up(parts, headers)
        return Sums.merged([added, header.sums()]).to_table()
    margins, of_second = ([name for name, header in headers.items() if header.round == number] for number in (1, 2))
    if not of_second:
        raise OmopsqlError(FOR_SECOND_ROUND.format(margins[0]))
    if len(margins) != 1 or name_of(parts[margins[0]]) != headers[of_second[0]].margins:
        raise OmopsqlError(
            f"{of_second[0]} was counted by merged margins that are not among the files: name them too, and no others"
        )
    refuse_differing({name: headers[name] for name in of_second})
    added, header = added_up({name: parts[name] for name in of_second}, headers)
    return finished(parts[margins[0]], added, header)
