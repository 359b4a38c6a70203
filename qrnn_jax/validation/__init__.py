"""The gradient laboratory: rules beside rules, on the user's own model and in ten experiments."""

from .check_gradients import check_gradients as check_gradients
from .device_counts import DeviceReport as DeviceReport
from .device_counts import DeviceRow as DeviceRow
from .device_counts import compare_device as compare_device
from .device_counts import draw_device as draw_device
from .experiment import Check as Check
from .experiment import Experiment as Experiment
from .experiment import Findings as Findings
from .experiment import Settings as Settings
from .experiment import Table as Table
from .report import GradientReport as GradientReport
from .report import GradientRow as GradientRow
