"""Files: what is uploaded works for three days, in the scene it was uploaded for."""

import hashlib
from typing import Literal

from crm.shared.times import from_unix
from crm.wecom import files, methods
from crm.wecom.calls.base import Calls
from crm.wecom.records import File, Media, UploadJob, Wire

MOMENTS, ALBUM = 1, 2
DONE, FAILED = 2, 3
FOR_MESSAGES = 1


class MediaCalls(Calls):
    def upload_media(
        self, content: bytes, *, name: str, kind: Literal["image", "voice", "video", "file"]
    ) -> Media:
        """A file for welcomes, mass sends and messages, for all applications of the company."""
        files.check_media(content, kind=kind, name=name)
        wire = self._call(
            methods.UPLOAD_MEDIA, query={"type": kind}, files={"media": (name, content)}
        )
        return _media(wire)

    def upload_picture(self, content: bytes, *, name: str) -> str:
        """A picture by its lasting address; 1000 a day and 3000 a month at most."""
        files.check_picture(content, name=name)
        return self._call(methods.UPLOAD_PICTURE, files={"media": (name, content)})["url"]

    def upload_attachment(self, content: bytes, *, name: str, kind: str = "image") -> Media:
        """Upload a picture or video for a moment; the id works for three days."""
        return self._upload_attachment(content, name, kind, MOMENTS)

    def upload_album_picture(self, content: bytes, *, name: str) -> Media:
        """A picture for the product album."""
        return self._upload_attachment(content, name, "image", ALBUM)

    def _upload_attachment(self, content: bytes, name: str, kind: str, scene: int) -> Media:
        files.check_attachment(content, kind=kind, name=name)
        wire = self._call(
            methods.UPLOAD_ATTACHMENT,
            query={"media_type": kind, "attachment_type": scene},
            files={"media": (name, content)},
        )
        return _media(wire)

    def download_media(self, media_id: str) -> File:
        """A file that was uploaded in the last three days."""
        wire = self._call(methods.DOWNLOAD_MEDIA, query={"media_id": media_id})
        return File(wire["content"], wire["content_type"])

    def upload_by_url(
        self, url: str, content: bytes, *, name: str, kind: Literal["video", "file"]
    ) -> str:
        """Let WeCom fetch a file from our address; returns the job. ``content`` is summed only."""
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        body = {"scene": FOR_MESSAGES, "type": kind, "filename": name, "url": url, "md5": md5}
        return self._call(methods.UPLOAD_BY_URL, body=body)["jobid"]

    def upload_job(self, jobid: str) -> UploadJob:
        """How such a job goes; known for an hour."""
        wire = self._call(methods.UPLOAD_JOB, body={"jobid": jobid})
        detail = wire.get("detail") or {}
        if wire["status"] == DONE:
            return UploadJob(is_finished=True, media=_media(detail))
        return UploadJob(wire["status"] == FAILED, int(detail.get("errcode") or 0))


def _media(wire: Wire) -> Media:
    # A string in one answer, a number in the other.
    return Media(wire["media_id"], from_unix(int(wire["created_at"])))
