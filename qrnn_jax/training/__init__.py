"""Training: the loop and its parts, checkpoints, run folders, and whole experiments."""

from .checkpoint import Checkpoint as Checkpoint
from .checkpoint import load_checkpoint as load_checkpoint
from .checkpoint import save_checkpoint as save_checkpoint
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
from .metrics import append_metrics as append_metrics
from .metrics import read_metrics as read_metrics
from .metrics import strict_json as strict_json
from .metrics import truncate_metrics as truncate_metrics
from .optimizers import make_optimizer as make_optimizer
from .optimizers import optimizer_names as optimizer_names
from .run_folder import RunFolder as RunFolder
from .step import StepMetrics as StepMetrics
from .step import TrainState as TrainState
from .step import init_state as init_state
from .step import make_step as make_step
