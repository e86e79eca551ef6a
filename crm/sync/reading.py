"""What every reader is made of."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm import wecom
from crm.sync.models import SyncRun
from crm.wecom.records import Page


class NothingListed(Exception):
    """WeCom listed nothing where something must be: its scope setting, not our data, is wrong."""


@dataclass
class Outcome:
    """What applying a complete set came to."""

    changed: int = 0
    ended: int = 0
    repaired: int = 0


@dataclass(frozen=True)
class Reader:
    """``parts`` splits the work, ``page`` reads one page of a part, ``apply`` takes all pages."""

    parts: Callable[[wecom.Client, datetime], list[Any]]
    page: Callable[[wecom.Client, Any, str], Page]
    apply: Callable[[SyncRun, datetime], Outcome]


def items_of(run: SyncRun) -> Iterator[tuple[datetime, list[Any]]]:
    """The staged pages of a run in their order, with the time of asking."""
    for page in run.staged.order_by("part", "number").iterator(chunk_size=20):
        yield page.asked_at, page.items
