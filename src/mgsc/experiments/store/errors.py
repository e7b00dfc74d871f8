"""What can be wrong with a result folder."""

from __future__ import annotations

from mgsc.errors import UserError


class StoreError(UserError):
    """A result folder cannot be used as asked; the message is one line and says what to do."""


class IncompleteResultError(StoreError):
    """The run that was to fill the folder was stopped before its end; it can be resumed."""
