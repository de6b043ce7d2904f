"""What the health calls answer."""

from pydantic import BaseModel, Field


class Check(BaseModel):
    """Whether one part of the service is ready."""

    ready: bool
    reason: str | None = Field(description="What is wrong, or null.")


class Readiness(BaseModel):
    """Whether the service is ready, and each part of it."""

    ready: bool
    checks: dict[str, Check]
