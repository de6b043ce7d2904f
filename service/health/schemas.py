"""What the health calls answer."""

from pydantic import BaseModel, Field

from service.health.readiness import CODES


class Check(BaseModel):
    """Whether one part of the service is ready."""

    ready: bool
    code: str | None = Field(default=None, description=f"What is wrong, for programs, or null: {', '.join(CODES)}.")
    reason: str | None = Field(description="What is wrong, in words, or null.")


class Readiness(BaseModel):
    """Whether the service is ready, and each part of it."""

    ready: bool
    checks: dict[str, Check]
