"""Names of files as a terminal can show them, for the commands and the report of an ingest."""


def printable(text: str) -> str:
    """Text in which nothing moves the cursor; a byte of a name that is not UTF-8 stands as its number."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # how Python holds a byte that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
