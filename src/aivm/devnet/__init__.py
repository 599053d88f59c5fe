"""The whole network on one machine, the demo that runs on it, and the demo's model."""
