"""Every method of WeCom that we call: its path, and what may be done when its outcome is unclear.

The class is declared once, here; the transport obeys it. A test compares the table with the routes
of the sandbox.
"""

from dataclasses import dataclass
from enum import Enum


class Repeat(Enum):
    """What a caller may do when it cannot know whether a call was applied."""

    REPEATABLE = "repeatable"  # Applying it twice is the same as once.
    STATE_CHECKABLE = "state-checkable"  # WeCom can be asked whether it happened.
    NON_REPEATABLE = "non-repeatable"  # Nobody can tell; a person decides.


@dataclass(frozen=True)
class Method:
    """One endpoint under ``/cgi-bin/``."""

    path: str
    verb: str
    repeat: Repeat
    timeout: float = 10.0


METHODS: dict[str, Method] = {}


def _declare(verb: str, path: str, repeat: Repeat, timeout: float = 10.0) -> Method:
    METHODS[path] = Method(path, verb, repeat, timeout)
    return METHODS[path]


def _read(verb: str, path: str) -> Method:
    return _declare(verb, path, Repeat.REPEATABLE)


GET_TOKEN = _read("GET", "gettoken")
DEPARTMENTS = _read("GET", "department/list")
MEMBERS = _read("GET", "user/list")
MEMBER = _read("GET", "user/get")
FOLLOW_USERS = _read("GET", "externalcontact/get_follow_user_list")
CORP_TAGS = _read("POST", "externalcontact/get_corp_tag_list")
CONTACT = _read("GET", "externalcontact/get")
CONTACTS_OF = _read("POST", "externalcontact/batch/get_by_user")
GROUPS = _read("POST", "externalcontact/groupchat/list")
GROUP = _read("POST", "externalcontact/groupchat/get")
BEHAVIOR = _read("POST", "externalcontact/get_user_behavior_data")

CREATE_MOMENT = _declare("POST", "externalcontact/add_moment_task", Repeat.STATE_CHECKABLE)
MOMENT_JOB = _read("GET", "externalcontact/get_moment_task_result")
MOMENTS = _read("POST", "externalcontact/get_moment_list")
MOMENT_TASKS = _read("POST", "externalcontact/get_moment_task")
MOMENT_CUSTOMERS = _read("POST", "externalcontact/get_moment_customer_list")
MOMENT_VISIBLE_TO = _read("POST", "externalcontact/get_moment_send_result")
MOMENT_COMMENTS = _read("POST", "externalcontact/get_moment_comments")
# Stops those who have not published yet; saying it twice stops nobody else.
CANCEL_MOMENT = _declare("POST", "externalcontact/cancel_moment_task", Repeat.REPEATABLE)

# A second upload gives a second id of the same picture: waste, no harm.
UPLOAD_ATTACHMENT = _declare("POST", "media/upload_attachment", Repeat.REPEATABLE, 40.0)
SEND_APP_MESSAGE = _declare("POST", "message/send", Repeat.NON_REPEATABLE)

MARK_TAGS = _declare("POST", "externalcontact/mark_tag", Repeat.REPEATABLE)

CREATE_MASS_SEND = _declare("POST", "externalcontact/add_msg_template", Repeat.STATE_CHECKABLE)
MASS_SENDS = _read("POST", "externalcontact/get_groupmsg_list_v2")
MASS_SEND_TASKS = _read("POST", "externalcontact/get_groupmsg_task")
MASS_SEND_RESULTS = _read("POST", "externalcontact/get_groupmsg_send_result")
# Each one reaches people and counts against three a day.
REMIND_MASS_SEND = _declare("POST", "externalcontact/remind_groupmsg_send", Repeat.NON_REPEATABLE)
CANCEL_MASS_SEND = _declare("POST", "externalcontact/cancel_groupmsg_send", Repeat.REPEATABLE)

# A second call with the same code tells "used" or "too late", never by whom.
SEND_WELCOME = _declare("POST", "externalcontact/send_welcome_msg", Repeat.NON_REPEATABLE)

TRANSFER_CUSTOMERS = _declare("POST", "externalcontact/transfer_customer", Repeat.STATE_CHECKABLE)
TRANSFER_RESULTS = _read("POST", "externalcontact/transfer_result")
TRANSFER_RESIGNED = _declare(
    "POST", "externalcontact/resigned/transfer_customer", Repeat.STATE_CHECKABLE
)
RESIGNED_RESULTS = _read("POST", "externalcontact/resigned/transfer_result")
UNASSIGNED = _read("POST", "externalcontact/get_unassigned_list")
TRANSFER_GROUPS = _declare(
    "POST", "externalcontact/groupchat/onjob_transfer", Repeat.STATE_CHECKABLE
)
TRANSFER_RESIGNED_GROUPS = _declare(
    "POST", "externalcontact/groupchat/transfer", Repeat.STATE_CHECKABLE
)

# The archive's own secret opens these, and no other does.
ARCHIVE_SEATS = _read("POST", "msgaudit/get_permit_user_list")
ARCHIVE_CONSENT = _read("POST", "msgaudit/check_single_agree")
ARCHIVE_ROOM_CONSENT = _read("POST", "msgaudit/check_room_agree")
