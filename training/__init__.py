"""The training loop around the agent: run folder, checkpoints, logs, plots."""
