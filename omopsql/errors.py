"""The one error that users see: a line that names what is wrong and what to do."""


class OmopsqlError(ValueError):
    """A mistake in a call, a table or a file, told in one line."""


def first_line(error: object) -> str:
    """The first line of an error's text: what DuckDB says before it points into the SQL."""
    return str(error).strip().split("\n", 1)[0]
