"""Behaviour statistics of members, made once a day: never of today (reference, section 10)."""

import json

from .api import Call, endpoint
from .clock import DAY, day_start
from .people import follower
from .routes_directory import expand_departments, known_departments
from .routes_group_statistics import is_late
from .wire import Refused, integers, number, strings

LONGEST = 30
OLDEST = 180


@endpoint("POST", "externalcontact/get_user_behavior_data")
def get_user_behavior_data(call: Call) -> dict:
    """Several ids are summed into one row per day."""
    userids = strings(call.body, "userid", most=100)
    parties = integers(call.body, "partyid", most=100)
    if not userids and not parties:
        raise Refused(40035, "userid and partyid are empty")
    for userid in userids:
        follower(call, userid)
    if known_departments(call.db, parties) != set(parties):
        raise Refused(60003)
    first, last = _span(call)
    everyone = sorted({*userids, *expand_departments(call.db, parties)})
    found = call.db.execute(
        "select day, sum(new_apply) new_apply, sum(new_contact) new_contact, sum(chat) chat,"
        " sum(message) message, sum(opened) opened, sum(answered) answered,"
        " sum(answer_seconds) answer_seconds, sum(negative) negative from behavior"
        " where day between ? and ? and userid in (select value from json_each(?)) group by day",
        (first, last, json.dumps(everyone)),
    )
    by_day = {row["day"]: dict(row) for row in found}
    days = range(first, min(last, day_start(call.now) - DAY) + 1, DAY)
    by_day = {day: row for day, row in by_day.items() if not is_late(call, day)}
    return {"behavior_data": [_day_json(day, by_day.get(day)) for day in days]}


def _span(call: Call) -> tuple[int, int]:
    first = day_start(number(call.body, "start_time"))
    last = day_start(number(call.body, "end_time"))
    too_old = first < day_start(call.now) - OLDEST * DAY
    if last < first or last - first >= LONGEST * DAY or too_old:
        raise Refused(40058, "start_time and end_time")
    return first, last


def _day_json(day: int, row: dict | None) -> dict:
    figures = {
        "stat_time": day,
        "new_apply_cnt": row["new_apply"] if row else 0,
        "new_contact_cnt": row["new_contact"] if row else 0,
        "chat_cnt": row["chat"] if row else 0,
        "message_cnt": row["message"] if row else 0,
        "negative_feedback_cnt": row["negative"] if row else 0,
    }
    if row and row["opened"]:
        figures["reply_percentage"] = round(100 * row["answered"] / row["opened"], 2)
    if row and row["answered"]:
        figures["avg_reply_time"] = round(row["answer_seconds"] / row["answered"] / 60)
    return figures
