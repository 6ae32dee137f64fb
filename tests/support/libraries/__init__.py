"""The families' own libraries: what they make of models with random weights, to compare the families with."""
