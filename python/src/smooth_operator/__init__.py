"""Client for smooth-operator: conversations with agents over one WebSocket."""

from ._generated.actions import *  # noqa: F403
from ._generated.errors import *  # noqa: F403
from ._generated.events import *  # noqa: F403
from ._generated.types import *  # noqa: F403
from ._generated.wire import UNSET as UNSET
from ._generated.wire import DecodeError as DecodeError
from ._generated.wire import Json as Json
from ._generated.wire import JsonObject as JsonObject
from ._generated.wire import Unset as Unset
from ._generated.wire import Violation as Violation
