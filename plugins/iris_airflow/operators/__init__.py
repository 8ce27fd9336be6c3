"""Operators: verb and noun, one core call each."""
