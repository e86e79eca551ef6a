"""Messages that were said before somebody was erased and are pulled after it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from crm.archive.opening import Opened
from crm.customers.forgetting import erased_since

GONE = "erased"


def forgetful(batch: Sequence[Opened], now: datetime) -> Callable[[Opened], Opened | None]:
    """What is kept of a message of this batch: None of an erased person's own talk.

    What others said in a group stays, without the person's number.
    """
    names = {name for one in batch if one.said for name in (one.said.sender, *one.said.receivers)}
    erased = erased_since(name for name in names if name)
    return lambda one: _kept(one, erased, now)


def _kept(one: Opened, erased: dict[str, datetime], now: datetime) -> Opened | None:
    if one.said is None or not erased:
        return one
    said_at = one.said.said_at or now
    gone = {name for name, at in erased.items() if said_at <= at}
    is_single = not one.said.room
    if one.said.sender in gone or (is_single and gone.intersection(one.said.receivers)):
        return None
    if not gone.intersection(one.said.receivers):
        return one
    receivers = tuple(GONE if name in gone else name for name in one.said.receivers)
    content = json.dumps(one.content, ensure_ascii=False)
    for name in gone:
        content = content.replace(f'"{name}"', f'"{GONE}"')
    return replace(one, said=replace(one.said, receivers=receivers), content=json.loads(content))
