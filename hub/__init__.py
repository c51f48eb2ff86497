"""The hub: one report by a resident reaches every system of the city that needs to know."""

__version__ = "0.1.0"
