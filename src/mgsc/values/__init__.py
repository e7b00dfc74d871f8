"""Action-value functions: parameters, values, and the semi-gradient update."""

from mgsc.values import mlp
from mgsc.values.base import ValueFunction
from mgsc.values.row import ValuesRow
from mgsc.values.table import TableSettings, table

__all__ = ["TableSettings", "ValueFunction", "ValuesRow", "mlp", "table"]
