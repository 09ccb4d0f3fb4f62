"""One self-contained HTML page that says what a distillation gave and what it cost. No JAX."""

from farzi.report.data import ReportData
from farzi.report.page import write_report

__all__ = ["ReportData", "write_report"]
