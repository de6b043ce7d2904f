"""An answer as a Parquet file, for tables and notebooks: a row for each item. `forms` sends it."""

import io
from collections.abc import Sequence

from service.http.refusals import RefusalError
from service.search.schemas import SearchItem

MEDIA_TYPE = "application/vnd.apache.parquet"


class ParquetUnavailableError(RefusalError):
    """The service cannot write Parquet as it is installed."""

    code = "parquet_unavailable"


def as_parquet(items: Sequence[SearchItem], *, dimensions: Sequence[str]) -> bytes:
    """The items as a file. A dimension that an answer does not point into is null in every row.

    Args:
        items: In the order of the answer.
        dimensions: All that the bundle has: each is a column `similarity.NAME`, in every answer.

    Raises:
        ParquetUnavailableError: If pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ParquetUnavailableError(
            "this service does not write Parquet: it is installed without Facet's extra `parquet` "
            "(pip install 'facet[parquet]'); ask for JSON instead"
        ) from error
    tracks = [item.track for item in items]
    columns = {
        "track_id": pa.array([track.id for track in tracks], pa.string()),
        "title": pa.array([track.title for track in tracks], pa.string()),
        "artist": pa.array([track.artist for track in tracks], pa.string()),
        "album": pa.array([track.album for track in tracks], pa.string()),
        "year": pa.array([track.year for track in tracks], pa.int32()),
        "duration_seconds": pa.array([track.duration_seconds for track in tracks], pa.float64()),
        "labels": pa.array([track.labels for track in tracks], pa.list_(pa.string())),
        "similarity": pa.array([item.similarity for item in items], pa.float64()),
        **{
            f"similarity.{name}": pa.array([item.dimensions.get(name) for item in items], pa.float64())
            for name in dimensions
        },
        "excerpt_start_seconds": pa.array([item.excerpt.start_seconds for item in items], pa.float64()),
        "excerpt_end_seconds": pa.array([item.excerpt.end_seconds for item in items], pa.float64()),
    }
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()
