"""Files: what is uploaded works for three days, in the scene it was uploaded for."""

from crm.shared.times import from_unix
from crm.wecom import methods
from crm.wecom.calls.base import Calls
from crm.wecom.records import Media


class MediaCalls(Calls):
    def upload_attachment(self, content: bytes, *, name: str, kind: str = "image") -> Media:
        """Upload a picture or video for a moment; the id works for three days."""
        wire = self._call(
            methods.UPLOAD_ATTACHMENT,
            query={"media_type": kind, "attachment_type": 1},
            files={"media": (name, content)},
        )
        return Media(wire["media_id"], from_unix(int(wire["created_at"])))
