"""Every setting of the service and its commands, in one class that is handed down and never read at import."""

import os
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import BeforeValidator, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

# Beside facet.py, in a checkout as in an installed wheel.
SHIPPED = Path(__file__).parent.parent


def _names(value: object) -> object:
    """Names from the environment, with commas between."""
    if isinstance(value, str):
        return tuple(name for part in value.split(",") if (name := part.strip()))
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]


class Settings(BaseSettings):
    """Read from the environment (`FACET_PORT=9000`) or given by keyword; each is described in docs/settings.md."""

    model_config = SettingsConfigDict(env_prefix="FACET_", extra="forbid", frozen=True)

    data_dir: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("facet", appauthor=False)),
        description="Where the catalogue, uploaded tracks, copies of model bundles, the index snapshots, the maps and "
        "the waveforms live.",
    )
    database_url: str | None = Field(
        default=None,
        repr=False,  # it may hold a password
        description="SQLAlchemy URL of the catalogue. Default: SQLite in the data directory.",
    )
    model: Path = Field(
        default=SHIPPED / "models" / "default",
        description="Folder of the model bundle that embeds, and answers once all is embedded with it.",
    )
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="Where the model runs: cpu or cuda.")
    threads: Annotated[int, Field(ge=1)] = Field(
        default_factory=lambda: os.cpu_count() or 1,
        description="Threads for embedding and search, and decoder processes of an ingest. Default: one per core.",
    )
    excerpts_per_track: Annotated[int, Field(ge=1)] | Literal["all"] = Field(
        default=10,
        description="Excerpts embedded of every track, evenly spread; `all` for every one.",
    )
    host: str = Field(default="127.0.0.1", description="Address the service listens on.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        default=8000, description="Port the service listens on; 0 for any free one."
    )
    upload_bytes: Annotated[int, Field(ge=1)] = Field(
        default=64 * 2**20, description="Largest clip a request may upload to be asked about, in bytes."
    )
    jobs_waiting: Annotated[int, Field(ge=1)] = Field(
        default=256, description="Uploads that may wait for their analysis; one more is refused."
    )
    track_bytes: Annotated[int, Field(ge=1)] = Field(
        default=8 * 2**30, description="Largest file an ingest reads, in bytes."
    )
    decode_seconds: Annotated[float, Field(gt=0)] = Field(
        default=60.0, description="Longest the decoder may go without giving audio, in seconds, before it is killed."
    )
    decode_memory_bytes: Annotated[int, Field(ge=2**27)] = Field(
        default=2**30, description="Memory a decoder process may take beyond what it takes when idle, in bytes."
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="What the service tells in its log: this and what is more serious."
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="Form of the log: json, text, or auto: text for a terminal and JSON for all else."
    )
    stop_seconds: Annotated[int, Field(ge=0)] = Field(
        default=10,
        description="Longest a service that is told to stop goes on with the calls under way, in seconds.",
    )
    upload_seconds: Annotated[float, Field(gt=0)] = Field(
        default=3600.0, description="Longest clip a request may upload to be asked about, in seconds of its sound."
    )
    uploaded_track_bytes: Annotated[int, Field(ge=1)] = Field(
        default=2**30, description="Largest track that may be uploaded into the catalogue, in bytes."
    )
    uploaded_track_seconds: Annotated[float, Field(gt=0)] = Field(
        default=36_000.0, description="Longest track that may be uploaded into the catalogue, in seconds of its sound."
    )
    allow_anonymous: Literal["anyone-may-read", "anyone-may-write", "only-this-machine-reaches-it"] | None = Field(
        default=None,
        description="In words, what those without an API key may do where the service listens for other machines.",
    )
    hosts: Names = Field(
        default=(), description="Names under which the service is asked, beside localhost and addresses of digits."
    )
    cors_origins: Names = Field(
        default=(), description="Origins whose pages may call the service from a browser, such as https://example.org."
    )
    trusted_proxies: Names = Field(
        default=(), description="Addresses or networks of proxies whose X-Forwarded-For and -Proto are believed."
    )
    requests_per_second: Annotated[float, Field(gt=0)] = Field(
        default=100.0, description="Requests one caller may make in the long run; five seconds' worth at once."
    )
    requests_at_once: Annotated[int, Field(ge=1)] = Field(
        default=16, description="Requests of one caller that are answered at the same time."
    )
    uploads_at_once: Annotated[int, Field(ge=1)] = Field(
        default=16, description="Uploads among them: what one caller's clips may take of the disk and of the queue."
    )
    search_depth: Annotated[int, Field(ge=1)] = Field(
        default=10_000, description="Tracks looked at for one answer, all of its pages together."
    )

    @field_validator("allow_anonymous", mode="before")
    @classmethod
    def _nothing_for_empty(cls, value: object) -> object:
        """An empty variable says nothing, so that a compose file's default can be taken back."""
        return None if value == "" else value

    @property
    def catalogue_url(self) -> str:
        """SQLAlchemy URL of the catalogue."""
        return self.database_url or f"sqlite:///{self.data_dir / 'catalogue.db'}"

    @property
    def planned_excerpts(self) -> int | None:
        """Excerpts of every track, None for every one."""
        return None if self.excerpts_per_track == "all" else self.excerpts_per_track

    @property
    def uploads_dir(self) -> Path:
        """Where uploaded tracks lie."""
        return self.data_dir / "uploads"

    @property
    def bundles_dir(self) -> Path:
        """Where copies of the model bundles that were used lie, a folder each."""
        return self.data_dir / "bundles"

    @property
    def snapshots_dir(self) -> Path:
        """Where the index snapshots of every bundle lie, a folder each."""
        return self.data_dir / "snapshots"

    @property
    def peaks_file(self) -> Path:
        """Where the waveforms that were drawn are kept."""
        return self.data_dir / "peaks.db"

    @property
    def maps_dir(self) -> Path:
        """Where the maps of every catalogue lie, a folder each."""
        return self.data_dir / "maps"
