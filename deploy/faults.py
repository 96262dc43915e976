"""What the Python clients say of a user's mistake."""


class Fault(Exception):
    """A mistake of the user: one line, exit code 2."""
