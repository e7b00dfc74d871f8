"""Models of the environment: what they answer when planning asks."""

from mgsc.models.base import Model
from mgsc.models.fixed import fixed
from mgsc.models.learned import learned

__all__ = ["Model", "fixed", "learned"]
