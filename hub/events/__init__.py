"""Events: the envelope, the catalogue of types, the codec. Pure: no input, no output, no clock."""
