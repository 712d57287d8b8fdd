"""Thinking: architectures, graphs and what they cost. NumPy and pandas only, never torch."""
