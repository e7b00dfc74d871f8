"""Models of the environment: what they answer when planning asks."""

from mgsc.models.base import Model
from mgsc.models.fixed import fixed

__all__ = ["Model", "fixed"]
