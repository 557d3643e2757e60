"""Everything that a call or a turn can fail with.

SmoothError
├── ServerError              the server refused an action or failed a turn
├── TurnCancelledError       the turn was cancelled
├── SmoothTimeoutError       a limit has passed (also a TimeoutError)
├── SmoothConnectionError    there is no connection (also a ConnectionError)
└── ClosedError              the client is closed
"""

from __future__ import annotations

from ._generated.errors import error_info
from ._generated.events import ErrorEvent, InteractionInvalidEvent
from ._generated.settings import Limit


class SmoothError(Exception):
    """The base of all errors of this package. What caused it is its `__cause__`."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        """The protocol's code, or one of this package's own (`TIMEOUT`, `CONNECTION_LOST`, …)."""
        self.retryable = retryable
        """Whether the same call may succeed when it is made again."""
        self.retry_after = retry_after
        """How long to wait before that, in seconds."""
        self.request_id = request_id
        """The request that failed."""


class ServerError(SmoothError):
    """The server refused an action or failed a turn. Values that a form does not take have the code
    `INTERACTION_INVALID`: `event` says what is wrong with each, and the form still waits.
    """

    def __init__(self, event: ErrorEvent | InteractionInvalidEvent) -> None:
        if isinstance(event, ErrorEvent):
            code, message, details = event.error.code, event.error.message, event.data.details
        else:
            code, message, details = "INTERACTION_INVALID", event.data.data.message, None
        known = error_info(code)
        wait = details.retry_after_ms if details else None
        super().__init__(
            code,
            f"{code}: {message}",
            retryable=details.retryable if details else bool(known and known.retryable),
            retry_after=None if wait is None else wait / 1000,
            request_id=event.request_id,
        )
        self.event = event
        """The event that said so."""
        self.status = details.status if details else known and known.status
        """The HTTP status that says the same."""
        self.field = details.field if details else None
        """The field that is wrong, as a JSON pointer into the action."""
        self.hint = details.hint if details and details.hint else known.hint if known else None
        """What the caller should do."""


class TurnCancelledError(SmoothError):
    """The turn was cancelled. Its code is `CANCELLED`."""

    def __init__(self, request_id: str) -> None:
        super().__init__("CANCELLED", f"the turn {request_id} was cancelled", request_id=request_id)


class SmoothTimeoutError(SmoothError, TimeoutError):
    """Something took longer than its limit. Its code is `TIMEOUT`. What was asked for may still happen. Where
    there was no connection, the error tells why.
    """

    def __init__(self, limit: Limit, seconds: float, trouble: SmoothError | None = None) -> None:
        why = f"; {trouble}" if trouble else ""
        super().__init__("TIMEOUT", f"the {limit} limit of {seconds:g} s has passed{why}", retryable=True)
        self.__cause__ = trouble
        self.limit: Limit = limit
        """Which limit it was."""


class SmoothConnectionError(SmoothError, ConnectionError):
    """There is no connection. The code is `CONNECTION_FAILED` when none could be made, `CONNECTION_LOST` when
    it ended under a call or turn, and `UNAUTHENTICATED` when the server did not accept the token.
    """

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        passing = status is None or status in (408, 425, 429) or status >= 500
        super().__init__(code, message, retryable=passing and code != "UNAUTHENTICATED")
        self.status = status
        """The HTTP status that refused the connection, or the code that closed it, where it is known."""


class ClosedError(SmoothError):
    """The client is closed. Its code is `CLOSED`."""

    def __init__(self) -> None:
        super().__init__("CLOSED", "the client is closed")
