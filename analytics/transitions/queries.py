"""What page, file, API and command ask: transitions within the viewer's scope."""

from importlib import import_module
from types import ModuleType

from analytics.events.source import Source
from analytics.figures.lasting import lasting
from analytics.funnels.queries import source_for
from analytics.transitions.answer import TransitionAnswer
from analytics.transitions.question import TransitionQuestion
from crm.agents.models import User


def _engine() -> ModuleType:
    """numba takes half a second and 100 MB: only processes that answer questions load it."""
    return import_module("analytics.transitions.engine")


def ask(
    question: TransitionQuestion, *, user: User | None, source: Source | None = None
) -> TransitionAnswer:
    """The answer within the user's scope; without a user (a command) of all customers."""

    def answer() -> TransitionAnswer:
        return _engine().answer(question, source or source_for(user))

    if source or not user:
        return answer()
    return lasting("transitions", question.as_json(), user=user, ask=answer)


def stages_by_key(question: TransitionQuestion, *, source: Source) -> dict[str, tuple[str, str]]:
    """Both stages of everybody, by customer number or a file's own key."""
    found = _engine().stage_of_each(question, source)
    keys = source.keys(found)
    return {keys[pk]: stages for pk, stages in found.items() if pk in keys}


def people_behind(
    question: TransitionQuestion, *, user: User | None, **figure: str | None
) -> list[int]:
    """Ids of exactly the customers whom a figure counts for this user."""
    return _engine().people(question, source_for(user), **figure).tolist()
