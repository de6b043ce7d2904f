"""Bodies of JSON that are made to cost more than they are worth."""

import json
import time

import pytest

from service.http.json_body import LARGEST_BODY_BYTES, MalformedJsonError, read_json
from service.search.question import Question


def test_a_name_that_comes_twice_after_thousands_of_others_is_found_quickly() -> None:
    names = [f"{number:x}" for number in range(20_000)]
    body = "{" + ",".join(f"{json.dumps(name)}:1" for name in [*names, "last", "last"]) + "}"
    assert len(body) <= LARGEST_BODY_BYTES
    began = time.process_time()
    with pytest.raises(MalformedJsonError, match="'last' comes twice"):
        read_json(body.encode(), Question)
    assert time.process_time() - began < 1
