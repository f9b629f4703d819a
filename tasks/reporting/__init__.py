"""The report: one module per chapter with its sentences, figures and tables, and what chapters share.

Shared: charts, row_charts and xy_charts (only these import matplotlib), page (sections and tables),
rows and study (looking numbers up), sourced (numbers with their source), wording, published (the paper).

May import: nothing else of the project; it reads what stages wrote and computes no result.
Used by: report.
"""
