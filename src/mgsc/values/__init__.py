"""Action-value functions: parameters, values, and the semi-gradient update."""

from mgsc.values.base import ValueFunction
from mgsc.values.table import table

__all__ = ["ValueFunction", "table"]
