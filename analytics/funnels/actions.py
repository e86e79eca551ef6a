"""Keeping questions."""

from datetime import datetime

from django.utils.translation import gettext as _

from analytics.funnels.models import SavedQuestion
from analytics.funnels.question import Question
from crm.agents.actions import audit
from crm.agents.models import User
from crm.shared.errors import DomainError
from crm.shared.text import clean_text


class SavedQuestionRefused(DomainError):
    """A question cannot be kept as asked."""


def save_question(
    *, question: Question, query: str, name: str, by: User, now: datetime
) -> SavedQuestion:
    """Keep a question under a name of the owner's; the same name again keeps the new question."""
    name = clean_text(name, limit=128)
    if not name:
        raise SavedQuestionRefused(_("请为这个问题取一个名称"), field="name")
    saved, _made = SavedQuestion.unsafe_all.update_or_create(
        owner=by, name=name, defaults={"question": question.as_json(), "query": query}
    )
    audit(by, "funnel.save_question", saved, now=now, question=saved.question)
    return saved


def drop_question(*, saved: SavedQuestion, by: User, now: datetime) -> None:
    """Forget a question of one's own."""
    audit(by, "funnel.drop_question", saved, now=now, name=saved.name)
    saved.delete()
