"""The error that a user's mistake raises."""


class UserError(Exception):
    """An impossible argument, setting, file or environment; the message is one line that names what is allowed.

    The command line prints the line and ends with exit status 2.
    """
