"""Prefect flows: what a person runs or schedules. They read the graph from dvc.yaml and let DVC run its stages."""
