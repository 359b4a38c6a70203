"""The gradient laboratory: rules beside rules, on the user's own model."""

from .check_gradients import check_gradients as check_gradients
from .report import GradientReport as GradientReport
from .report import GradientRow as GradientRow
