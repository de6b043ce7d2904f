"""An open catalogue to test with, on either database."""

from collections.abc import Iterator

import pytest

from service.catalogue.repository import Catalogue


@pytest.fixture
def catalogue(catalogue_url: str) -> Iterator[Catalogue]:
    """A catalogue without a track."""
    with Catalogue.open(catalogue_url) as opened:
        yield opened
