"""Strategy tags (reference, section 3): tags of a rule group, for relations and mass messages."""

from .api import Call, endpoint
from .routes_strategies import named_strategy
from .routes_tags import STRATEGY, add_tags, drop_tags, edit_tag, list_tags
from .wire import Refused


@endpoint("POST", "externalcontact/get_strategy_tag_list")
def get_strategy_tag_list(call: Call) -> dict:
    strategy_id = int(named_strategy(call).id) if "strategy_id" in call.body else 0
    return list_tags(call, STRATEGY, strategy_id)


@endpoint("POST", "externalcontact/add_strategy_tag")
def add_strategy_tag(call: Call) -> dict:
    strategy = named_strategy(call)
    if strategy.body["parent_id"]:
        raise Refused(40058, "strategy_id: first-level rule groups only")
    return add_tags(call, STRATEGY, int(strategy.id))


@endpoint("POST", "externalcontact/edit_strategy_tag")
def edit_strategy_tag(call: Call) -> dict:
    return edit_tag(call, STRATEGY)


@endpoint("POST", "externalcontact/del_strategy_tag")
def del_strategy_tag(call: Call) -> dict:
    return drop_tags(call, STRATEGY)
