"""The report: one module per chapter, and what chapters share (charts, tables, wording, numbers with their source).

May import: nothing else of the project; it reads what stages wrote and computes no result.
Used by: report.
"""
