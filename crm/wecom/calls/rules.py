"""Sensitive-word rules (聊天敏感词). WeCom's client enforces them; hits are told to nobody."""

from django.utils.translation import gettext as _

from crm.wecom import methods
from crm.wecom.calls.base import Calls, at_most, some
from crm.wecom.errors import NothingToSend
from crm.wecom.limits import limits
from crm.wecom.shelf_records import RuleSeen, WordRule
from crm.wecom.words import no_longer_than


class RuleCalls(Calls):
    def rules(self) -> list[RuleSeen]:
        """All rules of the corporation by name."""
        return [RuleSeen.from_wire(row) for row in self._call(methods.RULES)["rule_list"]]

    def rule(self, rule_id: str) -> WordRule:
        """One rule with its words."""
        return WordRule.from_wire(self._call(methods.RULE, body={"rule_id": rule_id})["rule"])

    def create_rule(self, rule: WordRule) -> str:
        """Make a rule. State-checkable: names are unique, look it up with ``rules()``."""
        _check(rule)
        body = {"rule_name": rule.name, "word_list": list(rule.words)}
        # Here at the top; on reading and updating inside extra_rule.
        body |= {"semantics_list": list(rule.semantics), "intercept_type": rule.wire_type}
        body["applicable_range"] = rule.applies_to.to_wire()
        return str(self._call(methods.CREATE_RULE, body=body)["rule_id"])

    def update_rule(self, rule_id: str, rule: WordRule, *, before: WordRule) -> None:
        """Make a rule like ``rule``; ``before`` is how it stands at WeCom. Repeatable.

        The range is added to and taken from, hence the comparison. Words cannot be emptied.
        """
        _check(rule)
        body = {"rule_id": rule_id, "rule_name": rule.name, "word_list": list(rule.words)}
        body |= {"extra_rule": {"semantics_list": list(rule.semantics)}}
        body["intercept_type"] = rule.wire_type
        body["add_applicable_range"] = rule.applies_to.minus(before.applies_to).to_wire()
        body["remove_applicable_range"] = before.applies_to.minus(rule.applies_to).to_wire()
        self._call(methods.UPDATE_RULE, body=body)

    def delete_rule(self, rule_id: str) -> None:
        self._call(methods.DELETE_RULE, body={"rule_id": rule_id})


def _check(rule: WordRule) -> None:
    if not rule.words and not rule.semantics:
        raise NothingToSend(_("规则既没有敏感词也没有识别类型"))
    some([*rule.applies_to.userids, *map(str, rule.applies_to.department_ids)])
    no_longer_than(rule.name, limits().rule_name_ch, _("名称"))
    at_most(rule.words, limits().rule_words, _("敏感词"))
    for word in rule.words:
        no_longer_than(word, limits().rule_word_ch, _("敏感词"))
    at_most(rule.applies_to.userids, limits().rule_range, _("员工"))
