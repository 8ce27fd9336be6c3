"""Which models are there, what did each learn from, and how is one loaded safely? MLflow's side."""
