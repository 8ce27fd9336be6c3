"""Drift of a scored batch against the data that its model learnt from.

Method. `of_batches` computes exact statistics of every row (count, missing, mean, std, min, max and the
moments that say how noisy these are; Chan et al. 1979, Pébay 2008). `judge` compares them term by term, each
against what chance allows at its share of a 5 % error rate for the whole report (Bonferroni over columns and
terms; `thresholds.ALPHA`):

- mean: pooled t with a skewness correction (Johnson 1978), `location`
- std: F test with kurtosis-corrected degrees of freedom (Shoemaker 2003), `scale`
- range: the reference's range, padded by what order statistics of its size allow, `extent`
- missing and infinite share: exact intervals of two shares (Clopper-Pearson 1934; MOVER 2008), `share`
- a column that was constant: least share of rows that left its value (Cauchy-Schwarz), `constant`

A change that is beyond chance has a level by its size (`thresholds.THRESHOLDS`): that is the basic severity,
and it needs nothing else. `evidently_report` adds Evidently's tests and page from a bounded sample; they can
raise none to low (`verdict`). `benchmarks/drift_backtest.py` measures false alarms and detection.

Pure: takes polars frames, returns frozen models. Imports Evidently and pandas only when the report is run.
"""

from iris_core.drift.evidently_plan import SAMPLE_ROWS, EvidentlyColumn
from iris_core.drift.evidently_report import EvidentlyReport, evidently_report
from iris_core.drift.severity import (
    ColumnEvidence,
    TermEvidence,
    column_severity,
    table_evidence,
    table_severity,
)
from iris_core.drift.statistics import (
    FeatureStatistics,
    TableStatistics,
    merge,
    merge_tables,
    of_batches,
    of_frame,
)
from iris_core.drift.thresholds import ALPHA, EVIDENTLY_ALPHA, MINIMUM_ROWS, THRESHOLDS, Severity, Thresholds
from iris_core.drift.verdict import DriftVerdict, judge

__all__ = [
    "ALPHA",
    "EVIDENTLY_ALPHA",
    "MINIMUM_ROWS",
    "SAMPLE_ROWS",
    "THRESHOLDS",
    "ColumnEvidence",
    "DriftVerdict",
    "EvidentlyColumn",
    "EvidentlyReport",
    "FeatureStatistics",
    "Severity",
    "TableStatistics",
    "TermEvidence",
    "Thresholds",
    "column_severity",
    "evidently_report",
    "judge",
    "merge",
    "merge_tables",
    "of_batches",
    "of_frame",
    "table_evidence",
    "table_severity",
]
