"""Weights, base rates, settlement of cases and comparison of payment methods.

A year goes: `weights` from the history of cases, `rates` from the budget, `settling` case by case, `closing`
of the year by institution; `reports` and `simulation` beside them. Cases are rows of `reading.COLUMNS`. Batch
work over cases is jobs of SQL beside these files, on DuckDB or Spark; what is decided once a group or once an
institution is exact arithmetic of whole numbers in Python. Weights, factors and ratios are whole
ten-thousandths, money is whole fen.
"""
