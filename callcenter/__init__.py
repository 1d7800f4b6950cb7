"""The call centre that internet providers trust: a person answers, and no call is ever lost."""

from importlib.metadata import version

__version__ = version("callcenter")
