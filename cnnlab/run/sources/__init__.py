"""The data sets: a file for each kind of source. pictures.py says what a source is, names.py finds the one wanted."""
