"""The errors of result folders."""

from __future__ import annotations

from mgsc.errors import UserError


class StoreError(UserError):
    """A result folder cannot be used so; the message is one line and names the way out."""


class IncompleteResultError(StoreError):
    """The run that was to fill the folder was stopped before its end; it can be resumed."""
