"""What page, file, API and command ask: retention within the viewer's scope."""

from importlib import import_module
from types import ModuleType

from analytics.events.source import Source
from analytics.funnels.queries import source_for
from analytics.retention.answer import RetentionAnswer
from analytics.retention.question import RetentionQuestion
from crm.agents.models import User


def _engine() -> ModuleType:
    """numba takes half a second and 100 MB: only processes that answer questions load it."""
    return import_module("analytics.retention.engine")


def ask(
    question: RetentionQuestion, *, user: User | None, source: Source | None = None
) -> RetentionAnswer:
    """The answer within the user's scope; without a user (a command) of all customers."""
    return _engine().answer(question, source or source_for(user))


def people_behind(question: RetentionQuestion, *, user: User | None, **figure) -> list[int]:
    """Ids of exactly the customers whom a figure counts for this user."""
    return _engine().people(question, source_for(user), **figure).tolist()
