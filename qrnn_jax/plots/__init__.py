"""Pictures of a run, as PNG files: training curves, the forecast, the circuit."""

from .circuit import circuit as circuit
from .curves import curves as curves
from .forecast import forecast as forecast
from .shot_curve import shot_curve as shot_curve
