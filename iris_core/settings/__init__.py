"""What does this deployment say? Variables, project.json, and secrets that must not be seen."""
