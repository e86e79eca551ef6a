"""The one family of errors that an operator may read."""


class DomainError(Exception):
    """A refusal in words for the person who asked: what was refused, where, and the remedy.

    Views put ``str(error)`` on the form, the API answers it with 422. Subclasses stand beside the
    function that raises them.
    """

    code = "refused"

    def __init__(self, message: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code or self.code
        self.field = field
