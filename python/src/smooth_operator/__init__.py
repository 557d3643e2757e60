"""Client for smooth-operator: conversations with agents over one WebSocket."""

from ._client import SmoothAgentClient as SmoothAgentClient
from ._errors import ClosedError as ClosedError
from ._errors import ServerError as ServerError
from ._errors import SmoothConnectionError as SmoothConnectionError
from ._errors import SmoothError as SmoothError
from ._errors import SmoothTimeoutError as SmoothTimeoutError
from ._errors import TurnCancelledError as TurnCancelledError
from ._generated.actions import *  # noqa: F403
from ._generated.errors import *  # noqa: F403
from ._generated.events import *  # noqa: F403
from ._generated.settings import Timeouts as Timeouts
from ._generated.types import *  # noqa: F403
from ._generated.wire import UNSET as UNSET
from ._generated.wire import DecodeError as DecodeError
from ._generated.wire import Json as Json
from ._generated.wire import JsonObject as JsonObject
from ._generated.wire import Unset as Unset
from ._generated.wire import Violation as Violation
from ._socket import Backoff as Backoff
from ._socket import Token as Token
from ._socket import TokenBy as TokenBy
from ._turn import Turn as Turn
