"""The sample city: Moriguchi's systems, rules, stand-ins and generated residents."""
