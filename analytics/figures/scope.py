"""The viewer's scope inside statements of our own."""

from typing import Any

from crm.agents.models import User
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
