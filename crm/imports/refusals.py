"""Why a file as a whole cannot be taken in."""

from crm.shared.errors import DomainError


class FileRefused(DomainError):
    """The file is no table that we can read, or larger than we read."""

    code = "file_refused"
