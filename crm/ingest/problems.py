"""What can be wrong with a row, worded for the person who has to mend it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from crm.shared.errors import DomainError
from crm.shared.text import clean_text

KEPT = 10_000
_SHOWN = 120


class Collision(DomainError):
    """Others keep writing the very rows that are to be written."""

    code = "busy"


class BadCell(Exception):
    """One value that its field cannot take; ``code`` names the sentence in ``SENTENCES``."""

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


# code: (what is wrong, what to do about it)
SENTENCES: dict[str, tuple[Any, Any]] = {
    "missing": (_("必填项为空"), _("请填写后重新导入")),
    "too_long": (_("内容超过 %(limit)s 个字符"), _("请缩短内容")),
    "wrong_type": (_("应为文字或数字"), _("请改为文字或数字")),
    "not_an_object": (_("应为 JSON 对象"), _("每一项应写作 {字段: 值}")),
    "excel_error": (_("单元格是公式错误值"), _("请在表格中修正公式，或改为实际内容")),
    "abbreviated": (
        _("长数字被表格软件缩写成了科学计数法"),
        _("请将该列设为文本格式后重新导出"),
    ),
    "not_a_time": (
        _("无法识别的日期或时间"),
        _("请使用 2026-11-03 09:05 或 2026/11/3 9:05 这样的格式"),
    ),
    "time_out_of_range": (_("年份不在合理范围内"), _("请核对日期")),
    "not_an_amount": (_("无法识别的金额"), _("请使用 1234.50 这样的格式")),
    "negative": (_("金额不能为负数"), _("退款请保留原金额，并将状态改为已退款")),
    "too_precise": (_("金额最多两位小数"), _("请四舍五入到分")),
    "too_large": (_("数值过大"), _("请核对单位")),
    "not_a_count": (
        _("应为 %(low)s 到 %(high)s 之间的整数"),
        _("请填写整数"),
    ),
    "not_a_phone": (_("不是手机号"), _("请填写 5 到 20 位数字，可带国家代码")),
    "not_a_currency": (_("无法识别的币种"), _("请使用三位字母代码，如 CNY")),
    "unknown_status": (
        _("无法识别的订单状态"),
        _("请使用 paid、completed、refunded、cancelled、pending 或对应的中文"),
    ),
    "bad_event_name": (
        _("事件名不符合要求"),
        _("请使用 1 到 64 个小写字母、数字、下划线、点或连字符，或内置事件的中文名"),
    ),
    "too_many_names": (
        _("新的事件名超过 %(limit)s 个"),
        _("请检查事件列是否对应错了列"),
    ),
    "bad_properties": (_("属性应为名称与值的集合"), _("请使用 JSON 对象，层数不超过 5")),
    "unknown_field": (_("没有这个字段"), _("请去掉该字段，或放入 properties")),
    "surplus_cells": (_("单元格比列名多"), _("请检查该行是否有多余的分隔符或缺少引号")),
    "end_before_start": (_("返回日期早于出发日期"), _("请核对两个日期")),
    "refund_before_payment": (_("退款时间早于付款时间"), _("请核对两个时间")),
    "paid_without_time": (
        _("已付款的订单没有付款时间"),
        _("请填写付款时间，或将状态改为待付款"),
    ),
    "duplicate": (_("与第 %(first)s 行重复"), _("请只保留一行")),
    "same_unionid": (_("unionid 与第 %(first)s 行相同"), _("同一个人请只保留一行")),
    "same_person": (_("与第 %(first)s 行是同一位客户"), _("同一个人请只保留一行")),
    "other_customers_order": (
        _("该订单已登记在另一位客户（%(other)s）名下"),
        _("订单不能换客户：请核对客户编号，或使用新的订单号"),
    ),
    "unionid_taken": (
        _("该 unionid 属于另一位客户（%(other)s）"),
        _("请核对 unionid；确认有误时去掉本行的 unionid"),
    ),
    "unionid_differs": (
        _("该客户已有不同的 unionid"),
        _("请核对客户编号与 unionid；不改动时请留空"),
    ),
    "number_differs": (
        _("该 unionid 的客户已有另一个客户编号（%(other)s）"),
        _("请核对客户编号与 unionid"),
    ),
    "bad_field": ("%(why)s", _("请改成这个字段可以填写的内容，或留空")),
    "unknown_customer": (_("没有这位客户"), _("请先导入客户，或核对客户编号")),
    "unknown_tier": (_("没有这个会员等级"), _("请使用系统配置里启用的等级的代码或名称")),
    "ends_before_beginning": (_("结束日期早于开始日期"), _("请核对两个日期")),
    "card_is_over": (_("这张会员卡已经到期"), _("到期的卡不再改动：请另写一行新的开始日期")),
    "event_id_reused": (
        _("该事件编号已用于另一个事件"),
        _("已记录的事件不会改动：请使用新的事件编号"),
    ),
}


@dataclass(frozen=True)
class Problem:
    """One thing to mend: where it is, what it says, what is wrong, what to do."""

    line: int
    field: str
    value: str
    code: str
    problem: str
    remedy: str


class Problems:
    """The problems found so far; the first ten thousand are kept, all are counted."""

    def __init__(self) -> None:
        self.kept: list[Problem] = []
        self.count = 0

    def __bool__(self) -> bool:
        return self.count > 0

    def __iter__(self) -> Iterator[Problem]:
        return iter(sorted(self.kept, key=lambda problem: problem.line))

    @property
    def is_full(self) -> bool:
        """Whether further problems are only counted."""
        return len(self.kept) >= KEPT

    def add(self, line: int, field: str, value: Any, code: str, **params: Any) -> None:
        self.count += 1
        if self.is_full:
            return
        problem, remedy = (str(sentence) for sentence in SENTENCES[code])
        self.kept.append(
            Problem(line, field, _shown(value), code, problem % params, remedy % params)
        )


def _shown(value: Any) -> str:
    text = "" if value is None else clean_text(str(value)[: _SHOWN * 2])
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
