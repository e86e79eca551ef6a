"""What page, file, API and command ask: paths within the viewer's scope."""

from typing import Any

from analytics.events.source import Source, engine_of
from analytics.figures.lasting import lasting
from analytics.funnels.queries import source_for
from analytics.paths.answer import PathAnswer
from analytics.paths.question import PathQuestion
from crm.agents.models import User


def ask(question: PathQuestion, *, user: User | None, source: Source | None = None) -> PathAnswer:
    """The answer within the user's scope; without a user (a command) of all customers."""

    def answer() -> PathAnswer:
        asked = source or source_for(user)
        return engine_of(asked, "paths").answer(question, asked)

    if source or not user:
        return answer()
    return lasting("paths", question.as_json(), user=user, ask=answer)


def people_behind(question: PathQuestion, *, user: User | None, **figure: Any) -> list[int]:
    """Ids of exactly the customers whom a figure counts for this user."""
    source = source_for(user)
    return engine_of(source, "paths").people(question, source, **figure).tolist()
