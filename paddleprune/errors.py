"""The one exception that stands for a user's mistake."""


class UserError(Exception):
    """A mistake of the user's: a wrong path, value, file or combination.

    The message is ONE line: what is wrong, the value, what is valid, what to do.
    The commands print it to stderr and exit with code 2; no traceback is shown.
    """

    def __init__(self, message: str):
        super().__init__(" ".join(str(message).split()))
