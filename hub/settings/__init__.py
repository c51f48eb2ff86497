"""The city's folder read into frozen models: `load_city(folder)` is the one way in."""
