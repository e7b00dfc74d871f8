"""Models of the environment, which planning queries."""

from mgsc.models import mlp
from mgsc.models.base import Model
from mgsc.models.fixed import fixed
from mgsc.models.fixed_tables import FixedModel, model_tables
from mgsc.models.learned import LearnedModel, learned, learned_model, slots_of
from mgsc.models.row import BuiltModel, ModelRow
from mgsc.models.simulated import SimulatedModel, simulated

__all__ = [
    "BuiltModel",
    "FixedModel",
    "LearnedModel",
    "Model",
    "ModelRow",
    "SimulatedModel",
    "model_tables",
    "fixed",
    "learned",
    "learned_model",
    "mlp",
    "simulated",
    "slots_of",
]
