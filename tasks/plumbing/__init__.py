"""Files, parameters, progress and the MLflow mirror: knows paths and formats, not what they mean."""
