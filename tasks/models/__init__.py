"""Language models: where they come from, how they are loaded, encode text, and rate it.

May import: nothing else of the project.
Used by: every stage that runs a model.
"""
