"""The one error a user can cause."""


class UserError(Exception):
    """Something asked for cannot be done: one clear line that names what is allowed.

    The command line prints the line and ends with exit status 2.
    """
