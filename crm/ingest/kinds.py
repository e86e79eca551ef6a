"""What a row of each kind holds: fields, their parsers, and the column names people give them."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crm.ingest import cells

_BRACKETS = re.compile(r"\([^)]*\)|\[[^\]]*\]")
_SEPARATORS = re.compile(r"[\s_\-.:/*]+")


@dataclass(frozen=True)
class Field:
    """One field of a row. ``column`` is its SQL type, ``aliases`` other names of its column."""

    name: str
    label: str | Promise
    parse: Callable[[Any], Any]
    column: str = "text"
    required: bool = False
    aliases: str = ""


@dataclass(frozen=True)
class RowKind:
    """A kind of rows. ``keeps_extras``: unknown columns become properties."""

    name: str
    fields: tuple[Field, ...]
    keeps_extras: bool = False

    @property
    def required(self) -> list[Field]:
        return [field for field in self.fields if field.required]

    def field(self, name: str) -> Field | None:
        """The field of that name, or None."""
        return next((field for field in self.fields if field.name == name), None)

    @property
    def names(self) -> dict[str, str]:
        """Plain header → field name, for every header that is known."""
        return {alias: field.name for field in self.fields for alias in _aliases(field)}

    def guess(self, headers: Sequence[str]) -> dict[str, str]:
        """Header → field name for the headers that are known; the first of two wins."""
        names, found = self.names, {}
        for header in headers:
            name = names.get(plain(header)) or names.get(plain(_BRACKETS.sub("", _nfkc(header))))
            if name and name not in found.values():
                found[header] = name
        return found


def plain(header: str) -> str:
    """A header without case, blanks and separators: "Customer ID" is customer_id."""
    return _SEPARATORS.sub("", _nfkc(header).lower())


def _nfkc(header: str) -> str:
    return unicodedata.normalize("NFKC", header)


def _aliases(field: Field) -> list[str]:
    return [plain(name) for name in [field.name, *field.aliases.split("|")] if name]


_TIME, _DAY = "timestamptz", "date"
_CUSTOMER = Field(
    "customer_id",
    _("客户编号"),
    cells.identifier(64),
    required=True,
    aliases="customer|customerno|customernumber|member_id|memberno|user_id|uid|external_userid"
    "|客户编号|客户号|客户ID|会员编号|会员号|会员ID|用户ID|用户编号|外部联系人ID|买家ID",
)

CUSTOMERS = RowKind(
    "customers",
    (
        _CUSTOMER,
        Field(
            "name",
            _("昵称"),
            cells.name,
            required=True,
            aliases="nickname|customername|fullname"
            "|昵称|姓名|客户姓名|客户名称|客户昵称|名称|名字|会员姓名",
        ),
        Field(
            "phone",
            _("手机号"),
            cells.phone,
            aliases="mobile|phonenumber|tel|telephone|手机|手机号|手机号码|电话|电话号码|联系电话",
        ),
        Field("unionid", _("unionid"), cells.identifier(64), aliases="wx_unionid|微信unionid"),
        Field("city", _("城市"), cells.words(64), aliases="城市|所在城市|常住城市|居住地"),
        Field("birthday", _("生日"), cells.day, _DAY, aliases="birth_date|dob|生日|出生日期"),
        Field(
            "channel",
            _("来源渠道"),
            cells.words(64),
            aliases="source|channel_code|渠道|来源|来源渠道|渠道代码",
        ),
        Field(
            "created_at",
            _("建档时间"),
            cells.instant,
            _TIME,
            aliases="created|registered_at|create_time|建档时间|注册时间|创建时间|建档日期",
        ),
    ),
)

ORDERS = RowKind(
    "orders",
    (
        Field(
            "order_id",
            _("订单号"),
            cells.identifier(64),
            required=True,
            aliases="order|orderno|ordernumber|order_sn|订单号|订单编号|订单ID|交易号",
        ),
        _CUSTOMER,
        Field(
            "status",
            _("订单状态"),
            cells.order_status,
            required=True,
            aliases="order_status|state|状态|订单状态|交易状态",
        ),
        Field(
            "paid_at",
            _("付款时间"),
            cells.instant,
            _TIME,
            aliases="pay_time|payment_time|paid_time|付款时间|支付时间|付款日期|成交时间",
        ),
        Field(
            "amount",
            _("金额"),
            cells.amount,
            "bigint",
            required=True,
            aliases="total|price|paid_amount|order_amount"
            "|金额|订单金额|实付金额|实付|付款金额|支付金额|总价",
        ),
        Field("currency", _("币种"), cells.currency, aliases="币种|货币"),
        Field(
            "product",
            _("产品"),
            cells.words(128),
            aliases="product_name|route|title|产品|商品|产品名称|商品名称|线路|线路名称",
        ),
        Field("destination", _("目的地"), cells.words(64), aliases="目的地|旅游目的地"),
        Field(
            "start_on",
            _("出发日期"),
            cells.day,
            _DAY,
            aliases="start_date|departure_date|depart_on|出发日期|出行日期|出发时间|开始日期",
        ),
        Field(
            "end_on",
            _("返回日期"),
            cells.day,
            _DAY,
            aliases="end_date|return_date|返回日期|返程日期|结束日期|返回时间",
        ),
        Field(
            "refunded_at",
            _("退款时间"),
            cells.instant,
            _TIME,
            aliases="refund_time|退款时间|退款日期",
        ),
        Field(
            "cancelled_at",
            _("取消时间"),
            cells.instant,
            _TIME,
            aliases="canceled_at|cancel_time|取消时间|关闭时间",
        ),
    ),
)

EVENTS = RowKind(
    "events",
    (
        _CUSTOMER,
        Field(
            "event",
            _("事件"),
            cells.words(200),
            required=True,
            aliases="event_name|event_type|kind|事件|事件名|事件名称|行为|动作",
        ),
        Field(
            "at",
            _("发生时间"),
            cells.instant,
            _TIME,
            required=True,
            aliases="time|timestamp|event_time|occurred_at|happened_at|datetime"
            "|时间|发生时间|事件时间|行为时间",
        ),
        Field("event_id", _("事件编号"), cells.identifier(120), aliases="事件编号|事件ID|流水号"),
        Field(
            "agent_id",
            _("员工"),
            cells.identifier(64),
            aliases="agent|userid|staff_id|employee_id|员工|员工编号|员工账号|员工ID|跟进人",
        ),
        Field(
            "group_id",
            _("客户群"),
            cells.identifier(64),
            aliases="chat_id|group|客户群|群ID|群编号",
        ),
        Field("channel", _("渠道"), cells.words(64), aliases="渠道|来源渠道|渠道代码"),
        Field("amount", _("金额"), cells.amount, "bigint", aliases="金额|价格"),
    ),
    keeps_extras=True,
)

ROUTES = RowKind(
    "routes",
    (
        Field(
            "route_id",
            _("线路号"),
            cells.identifier(64),
            required=True,
            aliases="route|routeno|product_id|线路号|线路编号|线路ID|产品编号",
        ),
        Field(
            "title",
            _("名称"),
            cells.words(255),
            required=True,
            aliases="name|route_name|名称|线路名称|标题|产品名称",
        ),
        Field(
            "destination",
            _("目的地"),
            cells.words(64),
            required=True,
            aliases="目的地|旅游目的地",
        ),
        Field(
            "days",
            _("天数"),
            cells.count(1, 365),
            "smallint",
            required=True,
            aliases="duration|天数|行程天数|游玩天数",
        ),
        Field(
            "price",
            _("价格"),
            cells.amount,
            "bigint",
            required=True,
            aliases="amount|起价|价格|售价|单价|成人价",
        ),
        Field(
            "departure_city",
            _("出发城市"),
            cells.words(64),
            aliases="departure|depart_city|出发城市|出发地",
        ),
        Field(
            "theme",
            _("主题"),
            cells.labels,
            "text[]",
            aliases="themes|tags|主题|标签|主题标签",
        ),
    ),
)

MEMBERS = RowKind(
    "members",
    (
        _CUSTOMER,
        Field(
            "tier",
            _("会员等级"),
            cells.words(32),
            required=True,
            aliases="level|member_level|membership|等级|会员等级|会员级别|会员类型",
        ),
        Field(
            "begins_on",
            _("开始日期"),
            cells.day,
            _DAY,
            required=True,
            aliases="start|start_date|valid_from|开始日期|生效日期|开卡日期|入会日期",
        ),
        Field(
            "ends_on",
            _("结束日期"),
            cells.day,
            _DAY,
            aliases="end|end_date|valid_to|expires_on|expiry|结束日期|到期日期|有效期至|到期日",
        ),
    ),
)

ROW_KINDS: Mapping[str, RowKind] = {
    kind.name: kind for kind in (CUSTOMERS, ORDERS, EVENTS, ROUTES, MEMBERS)
}
