"""The files of ``sql/quality/characterize``."""

from functools import partial

from omopsql.quality.stories import read_rows, read_story

story = partial(read_story, "characterize")
rows = partial(read_rows, "characterize")
