"""Records of runs for TensorBoard or Weights & Biases: one run for each seed, grouped by agent."""
