"""Benches: the hub and its references side by side, on a Kafka and a database of their own. See docs/performance.md."""
