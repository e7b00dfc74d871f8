"""Action-value functions: parameters, values, and the semi-gradient update."""

from mgsc.values import mlp, sac
from mgsc.values.base import Actor, ValueFunction
from mgsc.values.network import network
from mgsc.values.row import ValuesRow
from mgsc.values.table import TableSettings, table

__all__ = ["Actor", "TableSettings", "ValueFunction", "ValuesRow", "mlp", "network", "sac", "table"]
