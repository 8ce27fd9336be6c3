"""Listeners: what every task leaves behind."""
