"""Doing: everything that needs torch (modules, tracing, data, training)."""
