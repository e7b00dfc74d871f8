"""Action-value functions: parameters, values, and the semi-gradient update."""

from mgsc.values import mlp
from mgsc.values.base import Actor, ValueFunction
from mgsc.values.row import ValuesRow
from mgsc.values.sac import SacSettings, sac
from mgsc.values.table import TableSettings, table

__all__ = ["Actor", "SacSettings", "TableSettings", "ValueFunction", "ValuesRow", "mlp", "sac", "table"]
