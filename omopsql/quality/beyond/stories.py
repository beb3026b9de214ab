"""The files of ``sql/quality/beyond``."""

from functools import partial

from omopsql.quality.stories import read_rows, read_story

story = partial(read_story, "beyond")
rows = partial(read_rows, "beyond")
