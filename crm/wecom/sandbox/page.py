"""What a person sees at `/`: the other side of the wire, refreshed every few seconds."""

from html import escape
from typing import TYPE_CHECKING

from .clock import stamp as full_stamp
from .page_parts import bdi, query, section, stamp
from .page_tasks import SECTIONS
from .words import WORDS

if TYPE_CHECKING:
    from .core import Sandbox

REFRESH_SECONDS = 5

STYLE = """
:root{color-scheme:light dark;--line:#8884;--quiet:#8a8f98;--good:#16803c;--bad:#c0392b}
body{font:14px/1.5 system-ui,"PingFang SC","Noto Sans CJK SC",sans-serif;margin:0 auto;
max-width:1280px;padding:16px}
h1{font-size:20px;margin:0}h2{font-size:15px;margin:0 0 8px}
header{display:flex;gap:16px;align-items:baseline;flex-wrap:wrap;margin-bottom:12px}
.tiles{display:flex;align-items:baseline;flex-wrap:wrap;gap:8px 24px;
margin-bottom:16px}.tiles b{font-size:18px}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:16px}
section{border:1px solid var(--line);border-radius:8px;padding:12px;overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:3px 10px 3px 0;border-bottom:1px solid var(--line);
white-space:nowrap;max-width:260px;overflow:hidden;text-overflow:ellipsis}
th{color:var(--quiet);font-weight:500}.good{color:var(--good)}.bad{color:var(--bad)}
.quiet{color:var(--quiet)}a{color:inherit}
"""

MARKS = {"delivered": "good", "lost": "bad"}


def render(sandbox: "Sandbox", *, english: bool) -> str:
    """The whole page; everything that people could have typed is escaped."""
    language = "en" if english else "zh"
    words = WORDS[language]
    sandbox.settle()
    sections = [
        _recent_people(sandbox, words),
        _moments(sandbox, words),
        _callbacks(sandbox, words),
        _calls(sandbox, words),
        _groups(sandbox, words),
        _members(sandbox, words),
        _faults(sandbox, words),
        _messages(sandbox, words),
        *(make(sandbox, words) for make in SECTIONS),
    ]
    other = f'<a href="/?lang={"zh" if english else "en"}">{"中文" if english else "English"}</a>'
    return (
        f'<!doctype html><html lang="{"en" if english else "zh-CN"}"><head><meta charset="utf-8">'
        f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{words['title']}</title><style>{STYLE}</style></head><body>"
        f"<header><h1>{words['title']}</h1><span>{words['intro']}</span>"
        f'<span class="quiet">{full_stamp(sandbox.clock.now())}</span>{other}</header>'
        f'<main>{_tiles(sandbox, words)}<div class="grid">{"".join(sections)}</div></main>'
        "</body></html>"
    )


def _tiles(sandbox, words: dict) -> str:
    from_store = sandbox.summary()
    shown = [f"<span>{words[name]} <b>{value:,}</b></span>" for name, value in from_store.items()]
    life = words["lives"] if sandbox.life.on else words["rests"]
    return f'<div class="tiles">{"".join(shown)}<span>{life}</span></div>'


def _recent_people(sandbox, words: dict) -> str:
    found = query(
        sandbox,
        "select c.name, m.name as member, r.state, r.createtime, r.lost_by, r.half"
        " from relations r join contacts c using (external_userid) join members m using (userid)"
        " order by max(r.createtime, coalesce(r.lost_at, 0)) desc limit 12",
    )
    body = []
    for row in found:
        fate = words[f"lost_{row['lost_by']}"] if row["lost_by"] else words["friend"]
        mark = "bad" if row["lost_by"] else "good"
        fate = words["half"] if row["half"] else fate
        body.append(
            [
                bdi(row["name"]),
                bdi(row["member"]),
                escape(row["state"]) or "—",
                stamp(row["createtime"]),
                f'<span class="{mark}">{fate}</span>',
            ]
        )
    header = [words[name] for name in ("customer", "member", "channel", "added", "now")]
    return section(words["people"], header, body, words["nobody"])


def _moments(sandbox, words: dict) -> str:
    found = query(
        sandbox,
        "select m.text, m.create_time, m.cancelled_at, count(t.userid) as members,"
        " count(t.published_at) as published,"
        " (select count(*) from moment_audience a where a.moment_id = m.moment_id and a.sees)"
        "   as seen,"
        " (select count(*) from moment_reactions x where x.moment_id = m.moment_id and x.at <= ?)"
        "   as reactions"
        " from moments m left join moment_tasks t using (moment_id) where m.create_type = 0"
        " group by m.moment_id order by m.create_time desc limit 8",
        (sandbox.clock.now(),),
    )
    body = [
        [
            escape(row["text"][:24]) or "—",
            stamp(row["create_time"]),
            f"{row['published']} / {row['members']}",
            str(row["seen"]),
            str(row["reactions"]),
            words["cancelled"] if row["cancelled_at"] else words["live"],
        ]
        for row in found
    ]
    header = [words[n] for n in ("text", "created", "published", "seen", "reactions", "now")]
    return section(words["moments_title"], header, body, words["no_moments"])


def _callbacks(sandbox, words: dict) -> str:
    found = query(
        sandbox, "select event, at, tries, state, detail from callbacks order by id desc limit 12"
    )
    body = [
        [
            f'<span title="{escape(row["event"])}">{escape(row["event"].partition("/")[2])}</span>',
            stamp(row["at"]),
            str(row["tries"]),
            f'<span class="{MARKS.get(row["state"], "quiet")}">{words[row["state"]]}</span>',
            escape(row["detail"]),
        ]
        for row in found
    ]
    url = escape(sandbox.postman.url) or words["no_url"]
    check = words["verified"] if sandbox.postman.verified else words["unverified"]
    header = [words[name] for name in ("event", "at", "tries", "now", "reason")]
    title = f'{words["callbacks_title"]} <span class="quiet">{url} · {check}</span>'
    return section(title, header, body, words["nothing"])


def _calls(sandbox, words: dict) -> str:
    body = [
        [
            stamp(seen.at),
            escape(seen.method),
            f'<span class="{"bad" if seen.errcode else "good"}">{seen.errcode}</span>',
            f"{seen.seconds * 1000:.0f} ms",
        ]
        for seen in list(sandbox.recent)[-12:][::-1]
    ]
    header = [words["at"], words["method"], "errcode", words["took"]]
    return section(words["calls"], header, body, words["nothing"])


def _groups(sandbox, words: dict) -> str:
    found = query(
        sandbox,
        "select c.name, m.name as owner, count(x.member) as people, max(x.join_time) as joined"
        " from chats c join members m on m.userid = c.owner"
        " left join chat_members x using (chat_id) where c.dismissed_at is null"
        " group by c.chat_id order by joined desc limit 10",
    )
    body = [
        [
            bdi(row["name"]) if row["name"] else words["unnamed"],
            bdi(row["owner"]),
            str(row["people"]),
            stamp(row["joined"] or 0),
        ]
        for row in found
    ]
    header = [words[name] for name in ("group", "owner", "people_count", "last_join")]
    return section(words["groups_title"], header, body, words["nobody"])


def _members(sandbox, words: dict) -> str:
    found = query(
        sandbox,
        "select m.name, d.name as team, m.reply_minutes, m.diligence, m.pushy,"
        " (select count(*) from listed l where l.userid = m.userid) as customers"
        " from members m join departments d on d.id = m.department where m.visible"
        " order by customers desc limit 10",
    )
    body = [
        [
            bdi(row["name"]),
            escape(row["team"]),
            str(row["customers"]),
            f"{row['reply_minutes']:.0f} min",
            f"{row['diligence']:.0%}",
            f"{row['pushy']:.1f}",
        ]
        for row in found
    ]
    names = ("member", "team", "customers", "replies", "diligence", "pushy")
    return section(words["members_title"], [words[n] for n in names], body, words["nobody"])


def _faults(sandbox, words: dict) -> str:
    body = [
        [escape(rule["method"]), rule["kind"], f"{rule['probability']:.0%}", str(rule["hits"])]
        for rule in sandbox.faults.summary()
    ]
    header = [words[name] for name in ("method", "kind", "probability", "hits")]
    return section(words["faults_title"], header, body, words["no_faults"])


def _messages(sandbox, words: dict) -> str:
    found = query(
        sandbox,
        "select a.at, m.name, a.msgtype, a.outcome from app_messages a"
        " join members m using (userid) order by a.id desc limit 8",
    )
    body = [
        [stamp(row["at"]), bdi(row["name"]), row["msgtype"], words[row["outcome"]]] for row in found
    ]
    header = [words[name] for name in ("at", "member", "kind", "now")]
    return section(words["messages_title"], header, body, words["nothing"])
