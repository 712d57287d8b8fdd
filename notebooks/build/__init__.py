"""How the lessons are made: `notebooks/source/*.py` is what people write, the notebooks are derived from it.

See notebooks/source/README.md for how to write one.
"""
