"""Failure of a command."""


class Failed(Exception):
    """The command failed; the message is one line for the operator that says what to do."""
