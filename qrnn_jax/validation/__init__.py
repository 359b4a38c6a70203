"""The gradient laboratory: rules beside rules, on the user's own model and in ten experiments."""

from .check_gradients import check_gradients as check_gradients
from .experiment import Check as Check
from .experiment import Experiment as Experiment
from .experiment import Findings as Findings
from .experiment import Settings as Settings
from .experiment import Table as Table
from .report import GradientReport as GradientReport
from .report import GradientRow as GradientRow
