"""The page of metrics: what is counted, what is read when somebody scrapes, and what a process shows of itself."""

from ostiary.app.metrics.page import Metrics, MetricsSite

__all__ = ["Metrics", "MetricsSite"]
