"""What of all that goes out is a persona account's: what its agents send, or its people get."""

from django.db.models import Exists, OuterRef, Q

from crm.faces.models import Face
from crm.moments.models import Moment, MomentTask
from crm.outreach.models import MassBatch


def posted_by(face: Face) -> Q:
    """Moments that one of its agents was chosen for, or has the task of."""
    agents = face.members.values("agent_id")
    chosen = Moment.senders.through.objects.filter(moment=OuterRef("pk"), agent__in=agents)
    tasks = MomentTask.unsafe_all.filter(moment=OuterRef("pk"), agent__in=agents)
    return Q(Exists(chosen)) | Q(Exists(tasks))


def sent_for(face: Face) -> Q:
    """Sends to its audience, and those that one of its agents sends."""
    agents = face.members.values("agent_id")
    parts = MassBatch.unsafe_all.filter(send=OuterRef("pk"), agent__in=agents)
    meant = Q(Exists(parts))
    return meant | Q(audience=face.audience_id) if face.audience_id else meant
