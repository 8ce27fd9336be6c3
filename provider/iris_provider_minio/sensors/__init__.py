"""Sensors, named by what they wait for."""
