"""What page, file, API and command ask: transitions within the viewer's scope."""

from analytics.events.source import Source, engine_of
from analytics.figures.lasting import lasting
from analytics.funnels.queries import source_for
from analytics.transitions.answer import TransitionAnswer
from analytics.transitions.question import TransitionQuestion
from crm.agents.models import User


def ask(
    question: TransitionQuestion, *, user: User | None, source: Source | None = None
) -> TransitionAnswer:
    """The answer within the user's scope; without a user (a command) of all customers."""

    def answer() -> TransitionAnswer:
        asked = source or source_for(user)
        return engine_of(asked, "transitions").answer(question, asked)

    if source or not user:
        return answer()
    return lasting("transitions", question.as_json(), user=user, ask=answer)


def stages_by_key(question: TransitionQuestion, *, source: Source) -> dict[str, tuple[str, str]]:
    """Both stages of everybody, by customer number or a file's own key."""
    found = engine_of(source, "transitions").stage_of_each(question, source)
    keys = source.keys(found)
    return {keys[pk]: stages for pk, stages in found.items() if pk in keys}


def people_behind(
    question: TransitionQuestion, *, user: User | None, **figure: str | None
) -> list[int]:
    """Ids of exactly the customers whom a figure counts for this user."""
    source = source_for(user)
    return engine_of(source, "transitions").people(question, source, **figure).tolist()
