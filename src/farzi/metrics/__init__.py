"""How well held-out events are ranked, among ALL tokens, and how likely held-out text is."""

from farzi.metrics.language import Text, language_metrics
from farzi.metrics.ranking import Questions, rank_targets, ranking_metrics, ranks

__all__ = ["Questions", "Text", "language_metrics", "rank_targets", "ranking_metrics", "ranks"]
