"""Listeners: record every task's end."""
