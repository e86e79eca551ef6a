"""The operator's hand: faults, clock, life, callbacks and inspection, as JSON under /_sandbox/."""

import json
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import faults, world
from .acts import KINDS, perform
from .acts_base import CannotAct
from .routes_auth import spoil_tokens
from .store import rows

if TYPE_CHECKING:
    from .core import Sandbox

Answer = dict | list
# Settings that are a number, kept until the next reset.
NUMBERS = {"group_size", "receive_rule", "refusals", "statistics_hour"}
