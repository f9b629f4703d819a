"""Preference tuning: pairs as tokens, the methods and their recipes, adapters, training in several processes.

May import: models.
Used by: train_dpo; prepare_pairs tokenises pairs here.
"""
