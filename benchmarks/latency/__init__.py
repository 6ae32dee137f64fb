"""How old predictions of cameras are, and what makes them so, in calm, with a silent camera, and under overload."""
