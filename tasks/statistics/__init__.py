"""Toxicity metrics over continuations, and the statistics of the study: intervals, tests, correlation, agreement.

May import: nothing else of the project.
Used by: compare_scorers, measure_retrieval, measure_transfer, measure_mechanism.
"""
