"""Recurrent circuits on devices: templates, the device protocol, jobs and adapters."""

from qrnn_jax.hardware.build import templates as templates
from qrnn_jax.hardware.engine import Device as Device
from qrnn_jax.hardware.errors import BudgetError as BudgetError
from qrnn_jax.hardware.errors import DeviceError as DeviceError
from qrnn_jax.hardware.errors import JournalError as JournalError
from qrnn_jax.hardware.journal import Journal as Journal
from qrnn_jax.hardware.local import LocalDevice as LocalDevice
from qrnn_jax.hardware.named import named as named
from qrnn_jax.hardware.named import snapshot as snapshot
from qrnn_jax.hardware.protocol import GATES as GATES
from qrnn_jax.hardware.protocol import AbstractDevice as AbstractDevice
from qrnn_jax.hardware.protocol import Capabilities as Capabilities
from qrnn_jax.hardware.qasm import to_openqasm3 as to_openqasm3
from qrnn_jax.hardware.qiskit_device import QiskitDevice as QiskitDevice
from qrnn_jax.hardware.qiskit_device import to_qiskit as to_qiskit
from qrnn_jax.hardware.queue import Queue as Queue
from qrnn_jax.hardware.template import Angle as Angle
from qrnn_jax.hardware.template import Instruction as Instruction
from qrnn_jax.hardware.template import Template as Template
