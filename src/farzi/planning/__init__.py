"""What a distillation will need, before it is run."""

from farzi.planning.forecast import Forecast, plan

__all__ = ["Forecast", "plan"]
