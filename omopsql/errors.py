"""The one error that users see: a line that names what is wrong and what to do."""


class OmopsqlError(ValueError):
    """A mistake in a call, a table or a file, told in one line."""
