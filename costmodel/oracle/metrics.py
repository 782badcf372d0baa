"""What the server counts, for Prometheus. Durations in seconds."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

__all__ = [
    "BATCH",
    "CALLS",
    "DEATHS",
    "QUEUED",
    "RECORDED",
    "SCORES",
    "SECONDS",
    "TUNES",
    "UNDER_WAY",
    "WAITING",
]

#: From a look-up in memory to a large ranking.
_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0, 60.0)

CALLS = Counter("costmodel_oracle_calls", "Calls that have ended.", ["method", "code"])
SECONDS = Histogram(
    "costmodel_oracle_call_seconds", "How long calls took.", ["method"], buckets=_BUCKETS
)
UNDER_WAY = Gauge("costmodel_oracle_calls_under_way", "Calls that are being answered.")
WAITING = Gauge("costmodel_oracle_waiting", "Questions that wait for a process that scores.")
QUEUED = Histogram(
    "costmodel_oracle_queued_seconds", "How long questions waited.", buckets=_BUCKETS
)
BATCH = Histogram(
    "costmodel_oracle_batch_schedules", "Schedules that were scored together.",
    buckets=(1, 4, 16, 64, 256, 1024, 4096),
)  # fmt: skip
SCORES = Counter("costmodel_oracle_scores", "Schedules that were scored.")
DEATHS = Counter("costmodel_oracle_process_deaths", "Scoring processes that a question ended.")
RECORDED = Counter("costmodel_oracle_measurements_recorded", "Measurements that were stored.")
TUNES = Counter("costmodel_oracle_tunes", "Tuning runs that have ended.", ["state"])
