"""Experience replay: a sum tree, and the buffers that draw from it."""
