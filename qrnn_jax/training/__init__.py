"""Training: the loop and its parts, checkpoints, run folders, and whole experiments."""

from .errors import CheckpointError as CheckpointError
from .errors import CheckpointMismatch as CheckpointMismatch
from .errors import NumericalError as NumericalError
from .errors import RunFolderError as RunFolderError
from .fit import FitResult as FitResult
from .fit import Progress as Progress
from .fit import fit as fit
from .loss import Batch as Batch
from .loss import mean_squared_error as mean_squared_error
from .loss import predict as predict
from .optimizers import make_optimizer as make_optimizer
from .optimizers import optimizer_names as optimizer_names
from .step import StepMetrics as StepMetrics
from .step import TrainState as TrainState
from .step import init_state as init_state
from .step import make_step as make_step
