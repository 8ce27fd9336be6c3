"""DAG files to copy."""
