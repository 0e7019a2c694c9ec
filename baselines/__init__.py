"""Baselines: every one a `data.policy.Policy`, built by name in `baselines.registry`."""
