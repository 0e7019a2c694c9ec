"""Baselines: every one an `evaluation.policy.Policy`, built by name in `baselines.registry`."""
