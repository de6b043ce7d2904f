"""Entity tags: whether a reader already holds what would be sent (RFC 9110, 13.1.2)."""


def is_held(etag: str, if_none_match: str | None) -> bool:
    """Whether the header `If-None-Match` names this entity tag; `*` names any, and a weak tag its strong one.

    Args:
        etag: Quoted, without a comma in it.
        if_none_match: The header as it came; None if it did not.
    """
    if if_none_match is None:
        return False
    named = [each.strip() for each in if_none_match.split(",")]
    return named == ["*"] or etag in [each.removeprefix("W/") for each in named]
