"""The connection: opened when it is needed, with heartbeats, and opened again when it is lost."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException
from websockets.typing import Subprotocol

from ._errors import ClosedError, SmoothConnectionError, SmoothError, SmoothTimeoutError
from ._generated.settings import FIRST_PAUSE, LONGEST_PAUSE, Limit

T = TypeVar("T")

Token: TypeAlias = str | Callable[[], Awaitable[str]]
"""A token, or a function that gets one: for every connection, and again when the server refused one."""

TokenBy: TypeAlias = Literal["header", "subprotocol"]
"""How a token travels: in the `Authorization` header, or as the subprotocol `bearer.<token>`."""

LONGEST_FRAME = 1024 * 1024
"""The longest frame in either direction, in bytes."""

_BURST = 1024
"""How many frames are read before others have their turn."""

logger = logging.getLogger("smooth_operator")
logger.addHandler(logging.NullHandler())

# At the level DEBUG the library would log the headers, and the token with them.
_silent = logging.Logger("smooth_operator.websockets", logging.CRITICAL + 1)


async def within(
    limit: Limit, seconds: float, work: Coroutine[object, object, T], connection: Connection | None = None
) -> T:
    """The result of the work, or a `SmoothTimeoutError`. Cancellation gets through to the work."""
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=None if math.isinf(seconds) else seconds)
        if done:
            return task.result()
        raise SmoothTimeoutError(limit, seconds, connection.trouble if connection else None)
    finally:
        # A result that came too late is nobody's: it must not be reported as never retrieved.
        task.add_done_callback(lambda late: late.cancelled() or late.exception())
        task.cancel()


@dataclass(frozen=True)
class Backoff:
    """The pauses between attempts to connect: drawn from 0 to a span that doubles, in seconds."""

    first: float = FIRST_PAUSE
    longest: float = LONGEST_PAUSE

    def draw(self, failures: int) -> float:
        return random.uniform(0, min(self.longest, self.first * 2 ** min(failures, 32)))


@dataclass(frozen=True)
class Target:
    """Where and how to connect."""

    url: str
    token: Token | None
    token_by: TokenBy
    connect: float
    """Seconds for one attempt."""
    heartbeat: float
    """Seconds between two pings; twice as long without a pong is a lost connection."""
    backoff: Backoff


class _Handshake(connect):
    """One that follows no redirect, which would take the token elsewhere."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class Connection:
    """One WebSocket at a time, and a task that keeps it."""

    def __init__(
        self, target: Target, frame: Callable[[str], None], lost: Callable[[SmoothError], None]
    ) -> None:
        self._target = target
        self._frame = frame
        self._lost = lost
        self._socket: ClientConnection | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._waiting: dict[asyncio.Future[None], bool] = {}
        self._patience = target.connect
        """The limit of the next attempt in seconds."""
        self._closed = False
        self.trouble: SmoothError | None = None
        """Why there is no connection, while there is none."""

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    async def open(self, *, once: float | None = None) -> None:
        """Returns when there is a connection. With `once`, a limit in seconds, the first attempt that fails
        is an error.
        """
        if self._closed:
            raise ClosedError
        if self._socket:
            return
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[opened] = once is not None
        self._patience = self._patience if once is None else once
        if not self._keeper:
            self._keeper = asyncio.create_task(self._keep(), name="smooth_operator connection")
        try:
            await opened
        finally:
            self._waiting.pop(opened, None)

    async def send(self, text: str) -> None:
        """Sends a frame."""
        if not self._socket:
            raise SmoothConnectionError("CONNECTION_LOST", "there is no connection")
        try:
            await self._socket.send(text)
        except ConnectionClosed as error:
            raise _ended(error) from error

    async def close(self) -> None:
        """Ends the connection with its closing handshake, and fails who waits for one."""
        self._closed = True
        self._settle(ClosedError())
        keeper, self._keeper = self._keeper, None
        if keeper:
            keeper.cancel()
            await asyncio.wait({keeper})

    def _settle(self, error: SmoothError | None, *, only_once: bool = False) -> None:
        for opened, once in list(self._waiting.items()):
            if not opened.done() and (once or not only_once):
                opened.set_exception(error) if error else opened.set_result(None)
                del self._waiting[opened]

    async def _keep(self) -> None:
        failures, connected, refused = 0, False, False
        try:
            while True:
                heard = False
                try:
                    limit, self._patience = self._patience, self._target.connect
                    socket = await within("connect", limit, self._dial())
                    connected = True
                    ended, heard = await self._use(socket)
                except SmoothError as error:
                    ended = error
                    if error.code != "UNAUTHENTICATED":
                        hopeless = not (connected or error.retryable)
                        self._settle(error, only_once=not hopeless)
                        if hopeless or not (connected or failures or self._waiting):
                            return None
                        logger.warning("an attempt to connect failed: %s", error)
                self.trouble = ended
                again, refused = refused and not heard, ended.code == "UNAUTHENTICATED"
                # A server that accepts and ends at once is not asked at full speed.
                failures = 0 if heard else failures
                if not refused:
                    await asyncio.sleep(self._target.backoff.draw(failures))
                    failures += 1
                elif again or not callable(self._target.token):
                    return self._settle(ended)
        except Exception as error:
            logger.exception("the connection ended unexpectedly")
            failure = SmoothConnectionError("CONNECTION_FAILED", f"cannot connect: {error}")
            failure.__cause__ = error
            self._settle(failure)
        finally:
            if self._keeper is asyncio.current_task():
                self._keeper = None

    async def _dial(self) -> ClientConnection:
        target = self._target
        try:
            token = await target.token() if callable(target.token) else target.token
        except Exception as error:
            raise SmoothConnectionError("CONNECTION_FAILED", f"there is no token: {error}") from error
        by_header = token is not None and target.token_by == "header"
        by_subprotocol = token is not None and not by_header
        try:
            return await _Handshake(
                target.url,
                additional_headers={"Authorization": f"Bearer {token}"} if by_header else None,
                subprotocols=[Subprotocol("smooth-operator"), Subprotocol(f"bearer.{token}")]
                if by_subprotocol
                else None,
                logger=_silent,
                max_size=LONGEST_FRAME,
                open_timeout=None,
                ping_interval=target.heartbeat,
                ping_timeout=2 * target.heartbeat,
                close_timeout=1,
            )
        except InvalidStatus as error:
            status = error.response.status_code
            code = "UNAUTHENTICATED" if status == 401 else "CONNECTION_FAILED"
            failure = SmoothConnectionError(code, f"cannot connect: HTTP {status}", status)
            if not failure.retryable:
                failure.args = (f"{failure}; are the address of the WebSocket endpoint and the token right?",)
            raise failure from error
        except (InvalidURI, ValueError):
            # What they say repeats the address, which may hold a token.
            raise SmoothError("BAD_URL", "cannot connect: the url must begin with ws:// or wss://") from None
        except (OSError, WebSocketException) as error:
            raise SmoothConnectionError("CONNECTION_FAILED", f"cannot connect: {error}") from error

    async def _use(self, socket: ClientConnection) -> tuple[SmoothError, bool]:
        """Reads frames until the connection ends; why it did, and whether the server said anything."""
        frames = 0
        self._socket, self.trouble = socket, None
        parts = urlsplit(self._target.url)
        logger.debug("connected to %s://%s%s", parts.scheme, parts.netloc.rpartition("@")[2], parts.path)
        self._settle(None)
        try:
            while True:
                frame = await socket.recv()
                frames += 1
                if isinstance(frame, str):
                    self._frame(frame)
                if frames % _BURST == 0:
                    # Frames that are there already are read without a pause: let those who wait for them run.
                    await asyncio.sleep(0)
        except ConnectionClosed as error:
            self._socket = None
            ended = _ended(error)
            logger.warning("%s", ended)
            self._lost(ended)
            return ended, frames > 0
        finally:
            self._socket = None
            await socket.close()


def _ended(error: ConnectionClosed) -> SmoothConnectionError:
    code = error.rcvd.code if error.rcvd else None
    refused = code == 4401
    ended = SmoothConnectionError(
        "UNAUTHENTICATED" if refused else "CONNECTION_LOST", f"the connection was lost: {error}", code
    )
    ended.__cause__ = error
    return ended
