"""``python -m omopsql.cli`` is the command ``omopsql``."""

from . import main

main(prog_name="omopsql")
