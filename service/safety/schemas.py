"""What the calls about sessions answer."""

from pydantic import BaseModel, Field


class SessionState(BaseModel):
    """How a browser stands with the service."""

    is_signed_in: bool = Field(description="Whether it has a session; where no key is needed it needs none.")
