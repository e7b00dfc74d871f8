"""Hand-written rivals that the JAX code is measured against; none of them imports ``mgsc``."""
