"""What people do in front of the platform: each act changes the world and tells the receiver.

An act takes what the caller wishes to fix (userid, external_userid, state, chat_id, name …) and
draws the rest. It returns what happened, as JSON. Acts are the only source of callbacks: changes
made over the API are silent.
"""

from typing import TYPE_CHECKING

from .acts_archive import ArchiveActs
from .acts_base import CannotAct
from .acts_company import CompanyActs
from .acts_groups import TagActs
from .acts_outreach import OutreachActs
from .dice import Dice

if TYPE_CHECKING:
    from .core import Sandbox


class Acts(ArchiveActs, OutreachActs, TagActs, CompanyActs):
    """Every act there is."""


KINDS = sorted(name for name in dir(Acts) if name[0].islower())


def perform(sandbox: "Sandbox", kind: str, dice: Dice, **given) -> dict:
    """One act now, in one transaction with its callbacks."""
    if kind not in KINDS:
        raise CannotAct(f"kind is one of {', '.join(KINDS)}")
    with sandbox.store.write() as db:
        happened = getattr(Acts(sandbox, db, dice), kind)(**given)
    sandbox.postman.wake()
    return happened
