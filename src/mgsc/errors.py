"""The error that a user's mistake raises."""

LONGEST_SHOWN = 60
"""Characters of what was given that a message shows."""


class UserError(Exception):
    """An impossible argument, setting, file or environment; the message is one line that names what is allowed.

    The command line prints the line and ends with exit status 2.
    """


def shown(given: str) -> str:
    """What was given, as a message shows it: of a long text only the beginning."""
    return given if len(given) <= LONGEST_SHOWN else f"{given[:LONGEST_SHOWN]}…"


def shown_value(given: object) -> str:
    """What was given, in one line and as a message shows it."""
    return shown(" ".join(repr(given).split()))


def pip_install(extra: str) -> str:
    """The command that installs the packages of an extra of mgsc: with the package, and in a clone."""
    return f"pip install 'mgsc[{extra}]', or '.[{extra}]' in a clone"


def check_type(name: str, value: object, wanted: type | tuple[type, ...], words: str) -> None:
    """Refuses an argument of another type.

    Args:
        name: of the argument.
        value: what was given.
        wanted: what it must be an instance of.
        words: what it must do, as in ``"be a text"``.

    Raises:
        UserError: naming the argument and its type.
    """
    if not isinstance(value, wanted):
        raise UserError(f"{name} is a {type(value).__name__}: it must {words}")
