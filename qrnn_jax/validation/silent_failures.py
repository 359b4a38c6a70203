from .experiment import Experiment, Findings
EXPERIMENT = Experiment("E2", "x", "q", lambda s, p: Findings("x"))
