"""Recommendation as an environment; the import registers "drr/Offline-v0" with Gymnasium."""

import gymnasium

gymnasium.register(id="drr/Offline-v0", entry_point="envs.offline:OfflineEnv")
