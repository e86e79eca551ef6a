"""What each event means: ask WeCom for the present state, then say what to apply.

A handler runs outside any transaction, because it calls WeCom. It answers a function that the inbox
runs in one transaction with settling the row, or None when nothing is to be done.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from crm import wecom
from crm.agents.actions import apply_agent
from crm.agents.models import Agent
from crm.callbacks.receiving import Message
from crm.customers import actions as customers
from crm.customers.models import Contact
from crm.groups import actions as groups
from crm.wecom.records import ContactSeen, GroupSeen, TagGroupSeen, Wire

Change = Callable[[datetime], str | None]
Handler = Callable[[Message, datetime], Change | None]

NO_SUCH_CONTACT = {84061, 40096}
NO_SUCH_GROUP = {49008, 40050, 86001, 86003, 90501}
BY_TRANSFER = "DELETE_BY_TRANSFER"
Ended = Contact.Status


@dataclass(frozen=True)
class Looked:
    """What WeCom says about a customer, with whatever it names that we did not know yet."""

    contact: ContactSeen | None
    tags: list[TagGroupSeen] | None
    members: list[Wire]
    asked_at: datetime

    def apply(self, now: datetime, noticed_at: datetime) -> None:
        for member in self.members:
            apply_agent(member, now=now)
        if self.tags is not None:
            customers.apply_tags(self.tags, asked_at=self.asked_at, now=now)
        if self.contact is not None:
            customers.apply_contacts(
                [self.contact], asked_at=self.asked_at, now=now, noticed_at=noticed_at
            )

    def listed_since(self, userid: str) -> datetime | None:
        """When the relation that is listed now began; None where there is none."""
        relations = self.contact.relations if self.contact else ()
        return next((one.added_at for one in relations if one.userid == userid), None)


def look_up(external_userid: str, userid: str, asked_at: datetime) -> Looked:
    """Ask about a customer; None inside when WeCom lists no relation of theirs (any more)."""
    client = wecom.client()
    try:
        contact = client.contact(external_userid)
    except wecom.Refused as refusal:
        if refusal.code not in NO_SUCH_CONTACT:
            raise
        contact = None
    relations = contact.relations if contact else ()
    tag_ids = {tag for relation in relations for tag in relation.tag_ids}
    tags = client.corp_tags() if customers.unknown_tags(tag_ids) else None
    strangers = _unknown_agents({userid, *(relation.userid for relation in relations)})
    return Looked(contact, tags, _members(strangers), asked_at)


def _unknown_agents(userids: set[str]) -> set[str]:
    known = Agent.unsafe_all.filter(userid__in=userids).values_list("userid", flat=True)
    return {userid for userid in userids if userid} - set(known)


def _members(userids: set[str]) -> list[Wire]:
    found = []
    for userid in sorted(userids):
        try:
            found.append(wecom.client().member(userid))
        except wecom.Refused:
            continue  # Outside our scope: the row is made by number only.
    return found


def on_contact_added(message: Message, asked_at: datetime) -> Change | None:
    """``add_external_contact``: friends, both sides done."""
    external_userid, userid = _pair(message)
    looked = look_up(external_userid, userid, asked_at)

    def change(now: datetime) -> None:
        looked.apply(now, message.happened_at)
        customers.note_friend_added(
            external_userid=external_userid,
            userid=userid,
            at=message.happened_at,
            listed_since=looked.listed_since(userid),
            now=now,
        )

    return change


def on_contact_seen(message: Message, asked_at: datetime) -> Change | None:
    """``add_half_…``, ``edit_external_contact``, ``transfer_fail``: take what is listed now."""
    looked = look_up(*_pair(message), asked_at)
    if looked.contact is None:
        return None  # The member has not confirmed yet, or all is over already.
    return lambda now: looked.apply(now, message.happened_at)


def on_contact_ended(status: Contact.Status) -> Handler:
    """``del_external_contact`` and ``del_follow_user``: one side has ended it."""

    def handle(message: Message, asked_at: datetime) -> Change | None:
        external_userid, userid = _pair(message)
        looked = look_up(external_userid, userid, asked_at)
        how = Ended.TRANSFERRED if message.fields.get("Source") == BY_TRANSFER else status

        def change(now: datetime) -> None:
            looked.apply(now, message.happened_at)
            customers.end_contact(
                external_userid=external_userid,
                userid=userid,
                status=how,
                at=message.happened_at,
                now=now,
            )

        return change

    return handle


def on_chat_started(message: Message, asked_at: datetime) -> Change | None:
    """``customer_start_chat``: a customer of an acquisition link wrote."""
    external_userid, userid = _pair(message)
    looked = look_up(external_userid, userid, asked_at)

    def change(now: datetime) -> None:
        looked.apply(now, message.happened_at)
        customers.note_message_received(
            external_userid=external_userid, userid=userid, at=message.happened_at, now=now
        )

    return change


def on_group_changed(message: Message, asked_at: datetime) -> Change | None:
    """``change_external_chat`` create and update: read the group again, unless we have it.

    The versions say whether we do; joins and leaves are told by the event itself.
    """
    chat_id = message.fields["ChatId"]
    detail = message.fields.get("UpdateDetail", "")
    group = None
    if not _is_known_version(message, chat_id, detail):
        group = _group(chat_id)
        if group is None:
            return None  # Dismissed; another event tells since when.
    left = _leavers(message, chat_id, group) if detail == "del_member" else set()
    joined = set(message.items.get("MemChangeList", [])) if detail == "add_member" else set()

    def change(now: datetime) -> None:
        if group is not None:
            groups.apply_groups([group], asked_at=asked_at, now=now, closes_stays=False)
        at = message.happened_at
        if joined:
            scene = _number(message, "JoinScene") or 0
            groups.note_joined(chat_id=chat_id, userids=joined, at=at, scene=scene, now=now)
        if left:
            scene = _number(message, "QuitScene")
            groups.note_left(chat_id=chat_id, userids=left, at=at, scene=scene, now=now)

    return change


def _is_known_version(message: Message, chat_id: str, detail: str) -> bool:
    version = message.fields.get("CurMemVer", "")
    if detail not in ("add_member", "del_member") or "MemChangeList" not in message.items:
        return False
    return bool(version) and version == groups.version_of(chat_id)


def _leavers(message: Message, chat_id: str, group: GroupSeen | None) -> set[str]:
    """Who left: named by the event, or else whoever is missing from the group now."""
    named = message.items.get("MemChangeList")
    if named is not None or group is None:
        return set(named or ())
    return groups.open_stays(chat_id) - {member.userid for member in group.members}


def _group(chat_id: str) -> GroupSeen | None:
    try:
        return wecom.client().group(chat_id)
    except wecom.Refused as refusal:
        if refusal.code not in NO_SUCH_GROUP:
            raise
        return None


def on_group_dismissed(message: Message, asked_at: datetime) -> Change | None:
    """``change_external_chat`` dismiss."""
    chat_id = message.fields["ChatId"]

    def change(now: datetime) -> None:
        groups.dismiss_groups([chat_id], at=message.happened_at, now=now)

    return change


def on_tags_changed(message: Message, asked_at: datetime) -> Change | None:
    """``change_external_tag``: the catalogue comes whole in one answer, so read it whole."""
    if message.fields.get("StrategyId"):
        return None  # Tags of rule groups are not in the catalogue of the corporation.
    catalogue = wecom.client().corp_tags()

    def change(now: datetime) -> None:
        customers.apply_tags(catalogue, asked_at=asked_at, now=now)

    return change


def _pair(message: Message) -> tuple[str, str]:
    return message.fields["ExternalUserID"], message.fields["UserID"]


def _number(message: Message, name: str) -> int | None:
    text = message.fields.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else None
