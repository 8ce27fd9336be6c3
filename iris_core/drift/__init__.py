"""Has what a model is given changed? Pure statistics of two tables, and one verdict.

`of_batches` computes exact statistics of every row (count, missing, mean, std, min, max and the moments that
say how noisy these are; Chan et al. 1979, Pébay 2008): they give the size of a change. Whether chance alone
makes as much is asked of the ranks of a bounded sample, by tests that hold for every distribution of
independent rows. Each term has a share of a 5 % error rate for the whole report (`thresholds.ALPHA`),
divided among the columns:

- mean: normal scores, `location`; std: their squares, `scale`; both by `permutation`
- shape: Kolmogorov-Smirnov, `shape`; rows beyond the reference's extremes: exact ranks, `beyond`
- missing, infinite and refused rows, a column that was constant, wrong answers: Fisher's exact test, `share`
- whole rows: kernel two-sample test, `joint`; predicted classes: permutation of their counts, `mix`
- the model's last batches together, and small batches: scores that merge, `placement` and `pooling`

`judge` makes the verdict, `debounce` says when batches alert, `evidently_report` makes Evidently's page
beside it. `benchmarks/backtest.py` measures false alarms and detection.

Pure: takes polars frames, returns frozen models. Imports Evidently and pandas only when the page is made.
"""
