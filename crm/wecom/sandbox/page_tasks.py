"""The page's sections of what apps and members have under way: codes, sends, transfers, archive."""

import json
from html import escape

from . import links, mass, transfers
from .page_parts import bdi, query, section, stamp
from .routes_links import LINK
from .routes_ways import JOIN_WAY, WAY


def _channels(sandbox, words: dict) -> str:
    found = query(
        sandbox,
        "select kind, id, create_time, body,"
        " (select count(*) from way_scans w where w.config_id = shelf.id)"
        " + (select count(*) from link_customers k where k.link_id = shelf.id) as people"
        " from shelf where kind in (?, ?, ?) order by create_time desc, id limit 10",
        (WAY, JOIN_WAY, LINK),
    )
    body = []
    for row in found:
        made = json.loads(row["body"])
        name = made.get("remark") or made.get("link_name") or made.get("state") or row["id"]
        people = "—" if row["kind"] == JOIN_WAY else str(row["people"])
        body.append([words[row["kind"]], bdi(name), people, stamp(row["create_time"])])
    header = [words[name] for name in ("kind", "text", "people_came", "created")]
    with sandbox.store.write() as db:
        left = sum(packet["balance"] for packet in links.packets(sandbox, db))
    title = f'{words["channels_title"]} <span class="quiet">{words["quota_left"]} {left:,}</span>'
    return section(title, header, body, words["no_channels"])


def _mass(sandbox, words: dict) -> str:
    found = query(
        sandbox,
        "select m.*, (select name from members where userid = m.creator) as member,"
        " (select count(*) from mass_tasks t where t.msgid = m.msgid) as members,"
        " (select count(sent_at) from mass_tasks t where t.msgid = m.msgid) as done,"
        " (select count(*) from mass_targets g where g.msgid = m.msgid) as people,"
        " (select count(*) from mass_targets g where g.msgid = m.msgid and status = 1) as arrived,"
        " (select count(*) from mass_targets g where g.msgid = m.msgid and status = 3) as full,"
        " (select count(*) from mass_targets g where g.msgid = m.msgid and status = 2) as lost"
        " from mass_messages m order by m.create_time desc, m.msgid desc limit 8",
    )
    body = [
        [
            bdi(row["text"]) if row["text"] else "—",
            bdi(row["member"]) if row["create_type"] == mass.PERSONAL else words["corp"],
            stamp(row["create_time"]),
            f"{row['done']} / {row['members']}",
            f"{row['arrived']} / {row['people']}",
            str(row["full"]),
            str(row["lost"]),
            _state(sandbox, row, words),
        ]
        for row in found
    ]
    names = ("text", "by", "created", "sent_by", "arrived", "over_cap", "not_friends", "now")
    return section(words["mass_title"], [words[n] for n in names], body, words["no_mass"])


def _state(sandbox, row: dict, words: dict) -> str:
    if row["cancelled_at"] is not None:
        return f'<span class="bad">{words["cancelled"]}</span>'
    name = "dispatching" if sandbox.clock.now() < row["ready_at"] else "live"
    return f'<span class="good">{words[name]}</span>'


def _transfers(sandbox, words: dict) -> str:
    found = query(
        sandbox,
        "select c.name, a.name as giver, b.name as taker, t.started_at, t.status"
        " from transfers t join contacts c using (external_userid)"
        " join members a on a.userid = t.handover join members b on b.userid = t.takeover"
        " order by t.id desc limit 8",
    )
    marks = {transfers.DONE: "good", transfers.WAITING: "quiet"}
    body = [
        [
            bdi(row["name"]),
            bdi(row["giver"]),
            bdi(row["taker"]),
            stamp(row["started_at"]),
            f'<span class="{marks.get(row["status"], "bad")}">'
            f"{words['transfer_' + str(row['status'])]}</span>",
        ]
        for row in found
    ]
    header = [words[n] for n in ("customer", "from_member", "to_member", "started", "now")]
    return section(words["transfers_title"], header, body, words["no_transfers"])


def _archive(sandbox, words: dict) -> str:
    found = query(sandbox, "select seq, at, plain from archive order by seq desc limit 8")
    (agreed,) = query(
        sandbox,
        "select count(distinct external_userid) as people from consents where status = 'Agree'",
    )
    body = []
    for row in found:
        said = json.loads(row["plain"])
        kind = said.get("msgtype", said["action"])
        who = said.get("from", said.get("user", ""))
        text = said["text"]["content"] if kind == "text" else "—"
        body.append([str(row["seq"]), stamp(row["at"]), escape(who), escape(kind), bdi(text)])
    header = [words[name] for name in ("sequence", "at", "sender", "kind", "text")]
    count = f"{words['agreed_people']} {agreed['people']:,}"
    title = f'{words["archive_title"]} <span class="quiet">{count}</span>'
    return section(title, header, body, words["no_archive"])


SECTIONS = (_channels, _mass, _transfers, _archive)
