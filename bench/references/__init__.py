"""What the hub is measured against. Kept as they are, so that figures of different days can be compared."""
