"""The viewer's scope inside statements of our own."""

from typing import Any

from crm.agents.models import Agent, User
from crm.customers.models import Customer


def scope_sql(user: User, column: str) -> tuple[str, dict[str, Any]]:
    """A condition on ``column`` that holds for customers whom the user may see, and its values."""
    seen = Customer.objects.for_user(user).order_by().values("pk")
    if not seen.query.where:
        return "true", {}
    statement, params = seen.query.sql_with_params()
    named = {f"scope{place}": value for place, value in enumerate(params)}
    holes = tuple(f"%({name})s" for name in named)
    return f"{column} in ({statement % holes})", named


def scope_name(user: User) -> list[Any]:
    """Names which customers and agents the user may see: the same name, the same rows."""
    found: list[Any] = [user.role]
    for seen in (Customer.objects.for_user(user), Agent.objects.for_user(user)):
        if seen.query.is_empty():
            found.append("none")
            continue
        statement, params = seen.order_by().values("pk").query.sql_with_params()
        found.append([statement, [str(one) for one in params]])
    return found
