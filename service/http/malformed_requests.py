"""What is no HTTP at all is answered as a problem, too. uvicorn parses; `serving` has it use this connection."""

import json
from typing import cast
from uuid import uuid4

from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.http.problems import MEDIA_TYPE, problem_content
from service.http.request_record import REQUEST_ID_HEADER
from service.operations.logs import get_logger
from service.operations.metrics import Metrics

log = get_logger(__name__)


class AnsweringConnection(HttpToolsProtocol):
    """uvicorn's own connection, with an answer that programs understand."""

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be parsed, and close.

        Args:
            msg: Why, in uvicorn's words; ASCII.
        """
        request_id = uuid4().hex
        detail = f"{msg.rstrip('.')}: what came is no HTTP request"
        content = json.dumps({**problem_content("malformed_request", detail), "request_id": request_id}).encode()
        head = (
            f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(content)}\r\n"
            f"{REQUEST_ID_HEADER}: {request_id}\r\nconnection: close\r\n\r\n"
        )
        log.info("request_not_understood", request_id=request_id)
        # `config.app` is what `serving` serves; around it uvicorn may have wrapped others.
        metrics: Metrics = cast(FastAPI, self.config.app).state.metrics
        metrics.count_problem("malformed_request")
        self.transport.write(STATUS_LINE[400] + head.encode("ascii") + content)
        self.transport.close()
