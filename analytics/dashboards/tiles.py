"""The tiles of an agent's card: each figure with the time before, the team, and its people."""

from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _

from analytics.dashboards.agents import AgentFigures, Range
from crm.shared.formatting import ABSENT, digits, duration


@dataclass(frozen=True)
class Tile:
    """What ``components/tile.html`` shows."""

    label: str
    value: str
    href: str
    definition: str
    change: str
    direction: str
    better: str
    note: str
    few: bool = False


def card_tiles(
    now: AgentFigures, before: AgentFigures, team: AgentFigures | None, days: Range
) -> list[Tile]:
    """All tiles, in the order of the conversation: come, stay, talk, go."""

    def tile(name: str, label: str, meaning: str, *, good: str = "", events: tuple[str, ...] = ()):
        return _tile(now, before, team, days, name, label, meaning, good, events)

    friends = Tile(
        label=_("现有好友"),
        value=digits(now.friends),
        href=f"{reverse('crm:customers:list')}?agent={now.agent_id}&friend=friend",
        definition=_("此刻仍是好友的客户数，不受时间范围影响"),
        change="",
        direction="flat",
        better="",
        note=_team_note(team, "friends"),
    )
    return [
        friends,
        tile("added", _("加微"), _("成为好友的次数"), good="up", events=("friend_added",)),
        tile(
            "lost",
            _("客户删除员工"),
            _("客户删除这位员工的次数"),
            good="down",
            events=("friend_deleted_by_customer",),
        ),
        tile(
            "dropped",
            _("员工删除客户"),
            _("这位员工删除客户的次数"),
            good="down",
            events=("friend_deleted_by_agent",),
        ),
        tile("received", _("客户消息"), _("客户发来的消息条数"), events=("message_received",)),
        tile("sent", _("员工消息"), _("员工发出的消息条数"), events=("message_sent",)),
        _wait_tile(now, before, team),
        _open_tile(now, team),
    ]


def _tile(now, before, team, days, name, label, meaning, good, events) -> Tile:
    value, past = getattr(now, name), getattr(before, name)
    change, direction, better = _compared(value, past, good)
    listed = "&".join(f"event={code}" for code in events)
    return Tile(
        label=label,
        value=digits(value),
        href=f"{reverse('crm:customers:list')}?{listed}&event_from={days.first}"
        f"&event_to={days.last}&event_agent={now.agent_id}",
        definition=meaning,
        change=change,
        direction=direction,
        better=better,
        note=_team_note(team, name),
    )


def _wait_tile(now: AgentFigures, before: AgentFigures, team: AgentFigures | None) -> Tile:
    change, direction, better = "", "flat", ""
    if now.median_wait is not None and before.median_wait is not None:
        gap = now.median_wait - before.median_wait
        change = duration(abs(gap))
        direction = "up" if gap > 0 else "down" if gap < 0 else "flat"
        better = {"up": "no", "down": "yes"}.get(direction, "")
    notes = [_("共 %(n)s 轮得到回复") % {"n": digits(now.answered)}]
    if now.p90_wait is not None:
        notes.append(_("九成在 %(time)s 内") % {"time": duration(now.p90_wait)})
    if team is not None and team.median_wait is not None:
        notes.append(_("团队中位数 %(n)s") % {"n": duration(team.median_wait)})
    return Tile(
        label=_("首次回复中位数"),
        value=duration(now.median_wait),
        href="",
        definition=_(
            "客户连续发来的消息算一轮，从这一轮第一条消息到员工下一条消息的时间；"
            "沉默超过 7 天另起一轮，7 天内没有回复算未回复，不计入中位数"
        ),
        change=change,
        direction=direction,
        better=better,
        note=" · ".join(notes),
        few=now.is_small,
    )


def _open_tile(now: AgentFigures, team: AgentFigures | None) -> Tile:
    return Tile(
        label=_("未回复轮次"),
        value=digits(now.unanswered),
        href=f"{reverse('crm:customers:list')}?agent={now.agent_id}&waiting=1",
        definition=_("时间范围内没有在 7 天内得到回复的轮次；点开是此刻仍在等的客户"),
        change="",
        direction="flat",
        better="",
        note=_("共 %(n)s 轮来话") % {"n": digits(now.turns)},
    )


def _compared(value: float, past: float, good: str) -> tuple[str, str, str]:
    if value == past:
        return "0", "flat", ""
    direction = "up" if value > past else "down"
    better = ("yes" if direction == good else "no") if good else ""
    return digits(abs(value - past)), direction, better


def _team_note(team: AgentFigures | None, name: str) -> str:
    value = getattr(team, name) if team is not None else None
    if value is None:
        return ""
    shown = digits(value, 0 if value == int(value) else 1)
    return _("团队中位数 %(n)s") % {"n": shown} if shown != ABSENT else ""
