"""What page, file, API and command ask: retention within the viewer's scope."""

from analytics.events.source import Source, engine_of
from analytics.figures.lasting import lasting
from analytics.funnels.queries import source_for
from analytics.retention.answer import RetentionAnswer
from analytics.retention.question import RetentionQuestion
from crm.agents.models import User


def ask(
    question: RetentionQuestion, *, user: User | None, source: Source | None = None
) -> RetentionAnswer:
    """The answer within the user's scope; without a user (a command) of all customers."""

    def answer() -> RetentionAnswer:
        asked = source or source_for(user)
        return engine_of(asked, "retention").answer(question, asked)

    if source or not user:
        return answer()
    return lasting("retention", question.as_json(), user=user, ask=answer)


def people_behind(question: RetentionQuestion, *, user: User | None, **figure) -> list[int]:
    """Ids of exactly the customers whom a figure counts for this user."""
    source = source_for(user)
    return engine_of(source, "retention").people(question, source, **figure).tolist()
