"""Workers: one loop a role, and the process around it.

`python -m mpipeline.workers ROLE …` starts any of them by hand.
"""
