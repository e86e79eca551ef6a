"""Every method of WeCom that we can call: its path, and what may be done when it ends unclear.

The class is declared once, here; the transport obeys it. Tests compare the table with the routes
of the sandbox and run every entry against it. Left out are the calls for providers of third-party
apps (conversion of ids between apps) and those that WeCom has retired.
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
    """One endpoint under ``/cgi-bin/``; ``is_outward`` where people or WeCom's state feel it."""

    path: str
    verb: str
    repeat: Repeat
    timeout: float = 10.0
    is_outward: bool = False
    gives_file: bool = False


METHODS: dict[str, Method] = {}
_CUSTOMERS = "externalcontact/"


def _declare(method: Method) -> Method:
    METHODS[method.path] = method
    return method


def _read(verb: str, path: str) -> Method:
    return _declare(Method(path, verb, Repeat.REPEATABLE))


def _ask(name: str) -> Method:
    """A read of customers, groups or tasks; these are POST where they take parameters."""
    return _read("POST", _CUSTOMERS + name)


def _write(path: str, repeat: Repeat, timeout: float = 10.0) -> Method:
    return _declare(Method(path, "POST", repeat, timeout, is_outward=True))


def _set(name: str) -> Method:
    """Says how something shall be; saying it twice changes nothing more."""
    return _write(_CUSTOMERS + name, Repeat.REPEATABLE)


def _make(name: str) -> Method:
    """Makes or removes something that can be looked up afterwards."""
    return _write(_CUSTOMERS + name, Repeat.STATE_CHECKABLE)


def _once(name: str, timeout: float = 10.0) -> Method:
    """Reaches people, or makes something that no list shows."""
    return _write(_CUSTOMERS + name, Repeat.NON_REPEATABLE, timeout)


# 1: tokens and addresses
GET_TOKEN = _read("GET", "gettoken")
CALLBACK_ADDRESSES = _read("GET", "getcallbackip")
API_ADDRESSES = _read("GET", "get_api_domain_ip")

# 2: customers
FOLLOW_USERS = _read("GET", "externalcontact/get_follow_user_list")
CUSTOMER_IDS = _read("GET", "externalcontact/list")
CONTACT = _read("GET", "externalcontact/get")
CONTACTS_OF = _ask("batch/get_by_user")
SERVED_CONTACTS = _ask("contact_list")
OPENID = _ask("convert_to_openid")
UPDATE_REMARK = _set("remark")

# 2.6 and 7.4: rule groups of customers and of Moments
CUSTOMER_STRATEGIES = _ask("customer_strategy/list")
CUSTOMER_STRATEGY = _ask("customer_strategy/get")
CUSTOMER_STRATEGY_RANGE = _ask("customer_strategy/get_range")
CREATE_CUSTOMER_STRATEGY = _make("customer_strategy/create")
EDIT_CUSTOMER_STRATEGY = _set("customer_strategy/edit")
DELETE_CUSTOMER_STRATEGY = _make("customer_strategy/del")
MOMENT_STRATEGIES = _ask("moment_strategy/list")
MOMENT_STRATEGY = _ask("moment_strategy/get")
MOMENT_STRATEGY_RANGE = _ask("moment_strategy/get_range")
CREATE_MOMENT_STRATEGY = _make("moment_strategy/create")
EDIT_MOMENT_STRATEGY = _set("moment_strategy/edit")
DELETE_MOMENT_STRATEGY = _make("moment_strategy/del")

# 3: tags
CORP_TAGS = _ask("get_corp_tag_list")
CREATE_CORP_TAGS = _make("add_corp_tag")
EDIT_CORP_TAG = _set("edit_corp_tag")
DELETE_CORP_TAGS = _make("del_corp_tag")
MARK_TAGS = _set("mark_tag")
STRATEGY_TAGS = _ask("get_strategy_tag_list")
CREATE_STRATEGY_TAGS = _make("add_strategy_tag")
EDIT_STRATEGY_TAG = _set("edit_strategy_tag")
DELETE_STRATEGY_TAGS = _make("del_strategy_tag")

# 4: channel codes
CREATE_CONTACT_WAY = _make("add_contact_way")
CONTACT_WAY = _ask("get_contact_way")
CONTACT_WAYS = _ask("list_contact_way")
UPDATE_CONTACT_WAY = _set("update_contact_way")
DELETE_CONTACT_WAY = _make("del_contact_way")
CLOSE_TEMPORARY_CHAT = _set("close_temp_chat")
CREATE_JOIN_WAY = _once("groupchat/add_join_way")  # No list shows join ways.
JOIN_WAY = _ask("groupchat/get_join_way")
UPDATE_JOIN_WAY = _set("groupchat/update_join_way")
DELETE_JOIN_WAY = _make("groupchat/del_join_way")
LINKS = _ask("customer_acquisition/list_link")
LINK = _ask("customer_acquisition/get")
CREATE_LINK = _make("customer_acquisition/create_link")
UPDATE_LINK = _set("customer_acquisition/update_link")
DELETE_LINK = _make("customer_acquisition/delete_link")
LINK_CUSTOMERS = _ask("customer_acquisition/customer")
LINK_QUOTA = _read("GET", "externalcontact/customer_acquisition_quota")
LINK_FIGURES = _ask("customer_acquisition/statistic")
LINK_CHAT = _ask("customer_acquisition/get_chat_info")

# 5: welcomes. A second call with a code tells "used" or "too late", never by whom it was used.
# The code lives for 20 seconds: a short wait leaves time for a second try.
SEND_WELCOME = _once("send_welcome_msg", 5.0)
CREATE_GROUP_WELCOME = _once("group_welcome_template/add")  # No list shows templates.
GROUP_WELCOME = _ask("group_welcome_template/get")
EDIT_GROUP_WELCOME = _set("group_welcome_template/edit")
DELETE_GROUP_WELCOME = _make("group_welcome_template/del")

# 6: mass sends
CREATE_MASS_SEND = _make("add_msg_template")
MASS_SENDS = _ask("get_groupmsg_list_v2")
MASS_SEND_TASKS = _ask("get_groupmsg_task")
MASS_SEND_RESULTS = _ask("get_groupmsg_send_result")
REMIND_MASS_SEND = _once("remind_groupmsg_send")  # Counts against three a day.
CANCEL_MASS_SEND = _set("cancel_groupmsg_send")

# 7: Moments
CREATE_MOMENT = _make("add_moment_task")
MOMENT_JOB = _read("GET", "externalcontact/get_moment_task_result")
MOMENTS = _ask("get_moment_list")
MOMENT_TASKS = _ask("get_moment_task")
MOMENT_CUSTOMERS = _ask("get_moment_customer_list")
MOMENT_VISIBLE_TO = _ask("get_moment_send_result")
MOMENT_COMMENTS = _ask("get_moment_comments")
# Stops those who have not published yet; saying it twice stops nobody else.
CANCEL_MOMENT = _set("cancel_moment_task")

# 8: groups
GROUPS = _ask("groupchat/list")
GROUP = _ask("groupchat/get")
GROUP_FIGURES = _ask("groupchat/statistic")
GROUP_DAYS = _ask("groupchat/statistic_group_by_day")
GROUP_OF_OPENGID = _ask("opengid_to_chatid")
TRANSFER_GROUPS = _make("groupchat/onjob_transfer")
TRANSFER_RESIGNED_GROUPS = _make("groupchat/transfer")

# 9: transfers of customers
UNASSIGNED = _ask("get_unassigned_list")
TRANSFER_CUSTOMERS = _make("transfer_customer")
TRANSFER_RESULTS = _ask("transfer_result")
TRANSFER_RESIGNED = _make("resigned/transfer_customer")
RESIGNED_RESULTS = _ask("resigned/transfer_result")

# 10: statistics
BEHAVIOR = _ask("get_user_behavior_data")

# 11: sensitive words
CREATE_RULE = _make("add_intercept_rule")
RULES = _read("GET", "externalcontact/get_intercept_rule_list")
RULE = _ask("get_intercept_rule")
UPDATE_RULE = _set("update_intercept_rule")
DELETE_RULE = _make("del_intercept_rule")

# 12.1: products
CREATE_PRODUCT = _make("add_product_album")
PRODUCT = _ask("get_product_album")
PRODUCTS = _ask("get_product_album_list")
UPDATE_PRODUCT = _set("update_product_album")
DELETE_PRODUCT = _make("delete_product_album")

# 12.2: files. A second upload gives a second id of the same file: waste, no harm.
UPLOAD_MEDIA = _write("media/upload", Repeat.REPEATABLE, 40.0)
UPLOAD_PICTURE = _write("media/uploadimg", Repeat.REPEATABLE, 40.0)
UPLOAD_ATTACHMENT = _write("media/upload_attachment", Repeat.REPEATABLE, 40.0)
DOWNLOAD_MEDIA = _declare(Method("media/get", "GET", Repeat.REPEATABLE, 40.0, gives_file=True))
UPLOAD_BY_URL = _write("media/upload_by_url", Repeat.REPEATABLE)
UPLOAD_JOB = _read("POST", "media/get_upload_by_url_result")

# 12.3: directory and sign-in
DEPARTMENTS = _read("GET", "department/list")
DEPARTMENT_IDS = _read("GET", "department/simplelist")
DEPARTMENT = _read("GET", "department/get")
MEMBER = _read("GET", "user/get")
MEMBER_NAMES = _read("GET", "user/simplelist")
MEMBERS = _read("GET", "user/list")
MEMBER_IDS = _read("POST", "user/list_id")
SIGNED_IN = _read("GET", "auth/getuserinfo")
MEMBER_DETAILS = _read("POST", "auth/getuserdetail")
PAGE_TICKET = _read("GET", "get_jsapi_ticket")
APP_TICKET = _read("GET", "ticket/get")

# 12.4: messages to agents
SEND_APP_MESSAGE = _write("message/send", Repeat.NON_REPEATABLE)
RECALL_APP_MESSAGE = _write("message/recall", Repeat.NON_REPEATABLE)
UPDATE_APP_CARD = _write("message/update_template_card", Repeat.NON_REPEATABLE)

# 14.8: chat archive, with the token of its own secret
ARCHIVED_MEMBERS = _read("POST", "msgaudit/get_permit_user_list")
CONSENTS = _read("POST", "msgaudit/check_single_agree")
GROUP_CONSENTS = _read("POST", "msgaudit/check_room_agree")
INTERNAL_GROUP = _read("POST", "msgaudit/groupchat/get")
ROBOT = _read("GET", "msgaudit/get_robot_info")
