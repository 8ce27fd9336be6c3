"""How often is the drift verdict wrong? Its false alarms and detections on drawn tables."""
