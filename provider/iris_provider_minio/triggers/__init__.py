"""Triggers, named by what they watch."""
