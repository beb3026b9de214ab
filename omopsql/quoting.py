"""The one place where a name or a text becomes SQL."""


def identifier(*parts: str) -> str:
    """Quote the parts of a name: ``identifier('main', 'a"b')`` is ``"main"."a""b"``."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def literal(text: str) -> str:
    """Quote a text as a SQL string."""
    return "'" + text.replace("'", "''") + "'"
