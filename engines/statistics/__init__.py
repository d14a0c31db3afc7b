"""What turns latency samples into numbers: summaries, intervals, verdicts, and live views.

Samples are latencies in milliseconds in the order they were taken: their order tells how much
they depend on each other, and so how far an interval can be trusted. Nothing is ever dropped.
"""

from engines.statistics.comparison import (
    MIN_BLOCKS,
    Comparison,
    Reason,
    Verdict,
    compare,
    judge,
    limits,
)
from engines.statistics.live import Box, DecimatedSeries, LatencyHistogram
from engines.statistics.percentiles import (
    PERCENTILES,
    Percentile,
    interval_floor,
    interval_ranks,
    nearest_rank,
    sample_floor,
)
from engines.statistics.rules import Settled, Stop, StopRule, WarmUpRule
from engines.statistics.summary import Outliers, Summary, median_known, summarise

__all__ = [
    "MIN_BLOCKS",
    "PERCENTILES",
    "Box",
    "Comparison",
    "DecimatedSeries",
    "LatencyHistogram",
    "Outliers",
    "Percentile",
    "Reason",
    "Settled",
    "Stop",
    "StopRule",
    "Summary",
    "Verdict",
    "WarmUpRule",
    "compare",
    "interval_floor",
    "interval_ranks",
    "judge",
    "limits",
    "median_known",
    "nearest_rank",
    "sample_floor",
    "summarise",
]
