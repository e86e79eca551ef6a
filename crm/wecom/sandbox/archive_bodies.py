"""Bodies of archived messages, one function for each kind of the reference (14.7).

Where sources disagree on a shape, the sandbox sends one of the two and the receiver should take
both. `note` stands for kinds that appear some day: unknown ones are to be kept whole.
"""

import json
from collections.abc import Callable
from typing import Any

from . import names
from .dice import Dice

Media = Callable[[int], dict[str, Any]]
Body = dict[str, Any]


def make(kind: str, dice: Dice, media: Media, at: float, *, large: bool = False) -> Body:
    """The fields beside the common ones, under the key that the platform uses."""
    place, theme = dice.choice(names.DESTINATIONS), dice.choice(names.THEMES)
    if kind in FILES:
        return {kind: _file(kind, dice, media, large=large)}
    if kind in CALLS:
        return _call(kind, dice, media, at)
    if kind in ("mixed", "chatrecord"):
        return {kind: _nested(kind, dice, media, at)}
    return _plain(place, theme, dice, at)[kind]


FILES = ("image", "voice", "video", "emotion", "file")
CALLS = ("meeting_voice_call", "voip_doc_share")


def _file(kind: str, dice: Dice, media: Media, *, large: bool) -> Body:
    made = media(1_300_000 if large else dice.randint(600, 6000))
    size = made.pop("size")
    if kind == "voice":
        return {**made, "voice_size": size, "play_length": dice.randint(1, 60)}
    if kind == "emotion":
        return {**made, "type": dice.choice((1, 2)), "width": 240, "height": 240, "imagesize": size}
    if kind == "video":
        return {**made, "filesize": size, "play_length": dice.randint(3, 30)}
    if kind == "file":
        return {**made, "filesize": size, "filename": "行程.pdf", "fileext": "pdf"}
    return {**made, "filesize": size}


def _call(kind: str, dice: Dice, media: Media, at: float) -> Body:
    made = media(dice.randint(600, 6000))
    size = made.pop("size")
    if kind == "voip_doc_share":
        body = {**made, "filename": "行程.pdf", "filesize": size}
        return {"voipid": dice.key("voip", 12), kind: body}
    start = int(at) - 600
    body = {
        "endtime": int(at),
        "sdkfileid": made["sdkfileid"],
        "demofiledata": [
            {
                "filename": "报价.pdf",
                "demooperator": "li.ting",
                "starttime": start,
                "endtime": start,
            }
        ],
        "sharescreendata": [{"share": "li.ting", "starttime": start, "endtime": int(at)}],
    }
    return {"voiceid": dice.key("voice", 12), kind: body}


def _nested(kind: str, dice: Dice, media: Media, at: float) -> Body:
    """The `content` of an item is JSON in a string."""
    picture = media(dice.randint(600, 6000))
    picture["filesize"] = picture.pop("size")
    said = json.dumps({"content": "看这张图"}, ensure_ascii=False)
    shown = json.dumps(picture, ensure_ascii=False)
    if kind == "mixed":
        return {"item": [{"type": "text", "content": said}, {"type": "image", "content": shown}]}
    more = {"msgtime": int(at), "from_chatroom": False}
    return {
        "title": "群聊的聊天记录",
        "item": [
            {"type": "ChatRecordText", "content": said, **more},
            {"type": "ChatRecordImage", "content": shown, **more},
        ],
    }


def _plain(place: str, theme: str, dice: Dice, at: float) -> dict[str, Body]:
    """Kinds without a file."""
    money = {"type": 1, "wish": "一路顺风", "totalcnt": 1, "totalamount": dice.randint(1, 20_000)}
    soon = int(at) + 86_400
    return {
        "text": {"text": {"content": f"{place}还有{theme}的位置吗？"}},
        "revoke": {"revoke": {"pre_msgid": ""}},
        "agree": {"agree": {"userid": "", "agree_time": int(at * 1000)}},
        "disagree": {"disagree": {"userid": "", "disagree_time": int(at * 1000)}},
        "card": {"card": {"corpname": "常客旅行", "userid": "li.ting"}},
        "location": {
            "location": {
                "longitude": 109.51,
                "latitude": 18.25,
                "address": f"{place}机场",
                "title": place,
                "zoom": 15,
            }
        },
        "link": {
            "link": {
                "title": f"{place} 5 日",
                "description": theme,
                "link_url": "https://ota.example/p/1",
                "image_url": "https://ota.example/p/1.png",
            }
        },
        "weapp": {
            "weapp": {
                "title": place,
                "description": theme,
                "username": "gh_0000demo",
                "displayname": "常客旅行",
            }
        },
        "todo": {"todo": {"title": "跟进", "content": f"{place}报价"}},
        "vote": {
            "vote": {
                "votetitle": "去哪里",
                "voteitem": [place, "待定"],
                "votetype": 101,
                "voteid": dice.key("vote", 12),
            }
        },
        "collect": {
            "collect": {
                "room_name": f"{place}群",
                "creator": "li.ting",
                "create_time": "2026-05-01 09:30:00",
                "title": "集合信息",
                "details": [{"id": 1, "ques": "人数", "type": "Number"}],
            }
        },
        "redpacket": {"redpacket": money},
        "external_redpacket": {"redpacket": money},
        "meeting": {
            "meeting": {
                "topic": f"{place}行前会",
                "starttime": soon,
                "endtime": soon + 3600,
                "address": "",
                "remarks": "",
                "meetingtype": 102,
                "meetingid": dice.randint(10**9, 10**10),
                "status": dice.randint(1, 7),
            }
        },
        "meeting_notification": {
            "info": {"content": "会议已取消", "meeting_id": "1", "notification_type": 1}
        },
        "docmsg": {
            "doc": {
                "title": f"{place}行程表",
                "doc_creator": "li.ting",
                "link_url": "https://doc.example/1",
            }
        },
        "markdown": {"info": {"content": f"**{place}** {theme}"}},
        "news": {
            "info": {
                "item": [
                    {
                        "title": place,
                        "description": theme,
                        "url": "https://ota.example/1",
                        "picurl": "https://ota.example/1.png",
                    }
                ]
            }
        },
        "calendar": {
            "calendar": {
                "title": "出发",
                "creatorname": "li.ting",
                "attendeename": ["li.ting"],
                "starttime": soon,
                "endtime": soon + 3600,
                "place": place,
                "remarks": "",
            }
        },
        "voiptext": {"info": {"callduration": dice.randint(5, 900), "invitetype": 2}},
        "qydiskfile": {"info": {"filename": "行程.pdf"}},
        "sphfeed": {"sphfeed": {"feed_type": 4, "sph_name": "常客旅行", "feed_desc": place}},
        "note": {"note": {"title": place, "paragraphs": [theme]}},
    }


KINDS = (
    *("text", "image", "revoke", "agree", "disagree", "voice", "video", "card", "location"),
    *("emotion", "file", "link", "weapp", "chatrecord", "todo", "vote", "collect", "redpacket"),
    *("external_redpacket", "meeting", "meeting_notification", "docmsg", "markdown", "news"),
    *("calendar", "mixed", "meeting_voice_call", "voip_doc_share", "voiptext", "qydiskfile"),
    *("sphfeed", "note"),
)
