"""Bilingual sentence retrieval: embeddings of every layer, and the measures taken on them.

May import: models.
Used by: embed_parallel, measure_retrieval.
"""
