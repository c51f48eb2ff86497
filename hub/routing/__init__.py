"""Routing: rules in CEL, planning, projection, lint and explanation. Pure: same inputs, same plan."""
