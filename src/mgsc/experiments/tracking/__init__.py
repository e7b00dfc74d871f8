"""What is recorded of each run, given to TensorBoard or Weights & Biases: one run for each seed, grouped by agent."""
