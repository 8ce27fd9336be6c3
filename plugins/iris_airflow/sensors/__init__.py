"""Sensors that cost nothing while a DAG file is parsed."""
