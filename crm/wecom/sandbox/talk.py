"""What was said in the last days before a world began, where customers had agreed to the archive.

It stands in the archive instead of in events.csv, so that nobody hears of a message twice.
"""

import json
import sqlite3
import zlib
from typing import TYPE_CHECKING

from . import archive, archive_bodies, archive_crypto, names
from .clock import DAY
from .dice import Dice

if TYPE_CHECKING:
    from .past import Past

SPAN = 4.5 * DAY  # Less than the archive keeps: who starts late finds the first of it still there.
AGREED_AFTER = 90

ASKED = (
    "{place}现在去合适吗？",
    "{place}{theme}还有位置吗？",
    "两大一小去{place}大概多少钱？",
    "老人去{place}会不会太累？",
    "酒店离海边近吗？",
    "每天要坐多久的车？",
    "可以改成下周出发吗？",
    "有没有不进店的团？",
    "发票怎么开？",
    "好的，我和家里商量一下",
    "图片里的酒店叫什么？",
    "上次的导游还在吗？",
)
ANSWERED = (
    "有的，{place}这周还有 6 个位置",
    "您好，我查一下，马上回您",
    "{place}最近天气很好，早晚带件外套就行",
    "每天车程不超过两小时，路上会停",
    "可以改，离出发三天以上不收手续费",
    "老人小孩都合适，步行每天三四公里",
    "行程发您了，您看看有没有要调整的",
    "这条线不进店，住宿都是四星",
    "好的，需要我先帮您留位吗？",
    "不着急，您慢慢商量，有变化随时找我",
)


def agrees(share: float, userid: str, external_userid: str) -> bool:
    """Whether a customer agreed for this member: the same in every run, and no draw of the dice."""
    return zlib.crc32(f"{userid}/{external_userid}".encode()) / 2**32 < share


def write(db: sqlite3.Connection, past: "Past", dice: Dice) -> None:
    """Consents of everybody who agreed, and the messages of the last days in their order."""
    if not past.agreeing:
        return
    db.executemany(
        "insert into consents values ('', ?, ?, ?, ?)",
        [
            (userid, external, archive.AGREE, int(since + AGREED_AFTER))
            for userid, external, since, *_rest in past.relations
            if agrees(past.agreeing, userid, external)
        ],
    )
    key = archive.keys(db, past.epoch)[-1]
    rows, seq = [], 0
    for number, (at, userid, external, by_customer) in enumerate(sorted(past.talk), start=1):
        seq += 1 if dice.happens(0.9) else dice.randint(2, 5)
        message = _message(db, dice, at, userid, external, by_customer)
        msgid = f"{7_600_000_000_000_000_000 + number}_{int(at)}_external"
        plain = json.dumps({"msgid": msgid, **message}, ensure_ascii=False)
        sealed = archive_crypto.seal(key["public_pem"], plain)
        rows.append((seq, msgid, at, key["version"], *sealed, plain))
    db.executemany("insert into archive values (?, ?, ?, ?, ?, ?, ?)", rows)


def _message(
    db: sqlite3.Connection, dice: Dice, at: float, userid: str, external: str, by_customer: bool
) -> dict:
    sender, receiver = (external, userid) if by_customer else (userid, external)
    kind = "text" if dice.happens(0.93) else dice.choice(("image", "voice", "link", "emotion"))
    if kind == "text":
        place, theme = dice.choice(names.DESTINATIONS), dice.choice(names.THEMES)
        words = dice.choice(ASKED if by_customer else ANSWERED)
        body = {"text": {"content": words.format(place=place, theme=theme)}}
    else:
        body = archive_bodies.make(kind, dice, lambda size: _file(db, dice, at, size), at)
    return {
        "action": "send",
        "from": sender,
        "tolist": [receiver],
        "roomid": "",
        "msgtime": int(at * 1000),
        "msgtype": kind,
        **body,
    }


def _file(db: sqlite3.Connection, dice: Dice, at: float, size: int) -> dict:
    return archive.keep_file(db, dice.key("sdk", 30), size, at)
