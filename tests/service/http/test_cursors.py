"""Cursors: what was written is read; what was changed, or belongs to another question, is refused."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.live import Place
from service.http.cursors import Progress, Sealed, read_cursor, read_progress, write_cursor, write_progress
from service.http.refusals import InvalidCursorError

QUESTION = {"tags": ["rock"], "weights": [0.25, 0.75]}
SEALED = Sealed(QUESTION, b"only the service knows")
PROGRESS = st.builds(
    Progress,
    place=st.builds(Place, similarity=st.floats(-1, 1), track_id=st.uuids().map(str)),
    hits=st.integers(0, 10**9),
)


@given(PROGRESS)
def test_a_cursor_is_read_as_it_was_written(progress: Progress) -> None:
    cursor = write_progress(SEALED, progress)
    assert read_progress(SEALED, cursor) == progress
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(progress=PROGRESS, data=st.data())
def test_a_changed_character_is_noticed(progress: Progress, data: st.DataObject) -> None:
    cursor = write_progress(SEALED, progress)
    place = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda character: character != cursor[place]))
    changed = cursor[:place] + other + cursor[place + 1 :]
    try:
        read = read_progress(SEALED, changed)
    except InvalidCursorError:
        return
    # The last character may hold bits that mean nothing.
    assert place == len(cursor) - 1
    assert read == progress


@given(progress=PROGRESS, length=st.integers(0, 60))
def test_a_truncated_cursor_is_refused(progress: Progress, length: int) -> None:
    with pytest.raises(InvalidCursorError):
        read_progress(SEALED, write_progress(SEALED, progress)[:length])


@given(st.text())
def test_any_text_is_refused_without_another_error(text: str) -> None:
    with pytest.raises(InvalidCursorError):
        read_progress(SEALED, text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda each: st.lists(each) | st.dictionaries(st.sampled_from(["seal", "hits", "place"]) | st.text(), each),
    )
)
def test_any_json_is_refused_without_another_error(value: Any) -> None:
    with pytest.raises(InvalidCursorError):
        read_progress(SEALED, base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("="))


@pytest.mark.parametrize("other", [{}, {**QUESTION, "tags": ["pop"]}, {**QUESTION, "weights": [0.75, 0.25]}])
def test_another_question_s_cursor_is_refused(other: dict[str, Any]) -> None:
    cursor = write_cursor(SEALED, {"track_id": "a"})
    assert read_cursor(SEALED, cursor) == {"track_id": "a"}
    with pytest.raises(InvalidCursorError, match="another question"):
        read_cursor(Sealed(other, SEALED.secret), cursor)


@pytest.mark.parametrize(
    "fields",
    [
        {"track_id": "a"},
        {"similarity": "high", "track_id": "a", "hits": 1},
        {"similarity": float("nan"), "track_id": "a", "hits": 1},
        {"similarity": 0.5, "track_id": "a", "hits": -1},
    ],
)
def test_a_sealed_cursor_with_other_fields_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidCursorError):
        read_progress(SEALED, write_cursor(SEALED, fields))


@given(progress=PROGRESS, secret=st.binary(max_size=40).filter(lambda secret: secret != SEALED.secret))
def test_a_cursor_made_without_the_secret_is_refused(progress: Progress, secret: bytes) -> None:
    with pytest.raises(InvalidCursorError):
        read_progress(SEALED, write_progress(Sealed(QUESTION, secret), progress))
