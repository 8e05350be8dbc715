"""How a command says that it cannot do what was asked."""


class Failed(Exception):
    """The command failed; the message is one clear line that says what to do."""
