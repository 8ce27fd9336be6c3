"""Sensors without heavy imports when a DAG file is parsed."""
