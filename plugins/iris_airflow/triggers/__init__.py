"""Triggers, named after what they watch."""
