"""Names of artists and albums as they are compared: files and shops spell them as they like."""


def plain_name(name: str) -> str:
    """The name without capitals and superfluous space; names are the same if this is."""
    return " ".join(name.split()).casefold()
