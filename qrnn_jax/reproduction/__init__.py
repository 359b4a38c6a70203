"""Reproductions of the source papers: what they report, what we find, and the best control."""

from .registry import REPRODUCTIONS as REPRODUCTIONS
from .write_up import write_reproduction as write_reproduction
