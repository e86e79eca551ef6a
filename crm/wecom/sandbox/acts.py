"""What people do in front of the platform: each act changes the world and tells the receiver.

An act takes what the caller wishes to fix (userid, external_userid, state, chat_id, name …) and
draws the rest. It returns what happened, as JSON. Acts are the only source of callbacks: changes
made over the API are silent.
"""

from typing import TYPE_CHECKING

from . import moments, names
from .acts_base import CannotAct
from .acts_groups import TagActs
from .acts_links import LinkActs
from .dice import Dice

if TYPE_CHECKING:
    from .core import Sandbox


class Acts(LinkActs, TagActs):
    """Every act there is."""

    def publish_moment(self, *, moment_id: str = "", userid: str = "", text: str = "") -> dict:
        """Members confirm a corp moment now; without an id, one posts something of their own."""
        if moment_id:
            done = moments.publish_now(self.sandbox, self.db, moment_id, userid)
            return {"moment_id": moment_id, "published": done}
        creator = userid or self._member()["userid"]
        moment_id = self.sandbox.new_id("mom")
        self.db.execute(
            "insert into moments (moment_id, creator, create_type, create_time, ready_at, text,"
            " attachments, visible_type) values (?, ?, 1, ?, ?, ?, '[]', 1)",
            (moment_id, creator, self.now, self.now, text or self.dice.choice(names.THEMES)),
        )
        return {"moment_id": moment_id, "creator": creator}


KINDS = sorted(name for name in dir(Acts) if not name.startswith("_"))


def perform(sandbox: "Sandbox", kind: str, dice: Dice, **given) -> dict:
    """One act now, in one transaction with its callbacks."""
    if kind not in KINDS:
        raise CannotAct(f"kind is one of {', '.join(KINDS)}")
    with sandbox.store.write() as db:
        happened = getattr(Acts(sandbox, db, dice), kind)(**given)
    sandbox.postman.wake()
    return happened
