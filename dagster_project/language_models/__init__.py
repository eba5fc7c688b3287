"""Language models: one protocol, backends chosen by one string, a cache of answers and a budget.

Source: design 3 and 4; specs/privacy_reliability.md 2.
"""

from dagster_project.language_models.asking import Asker
from dagster_project.language_models.budget import BudgetSpentError, Limits, Meter, Price
from dagster_project.language_models.cache import CallCache
from dagster_project.language_models.protocol import (
    Fault,
    LanguageModel,
    Message,
    OptionLogprobs,
    Request,
    Response,
    Sampling,
    Usage,
)
from dagster_project.language_models.specification import Specification, parse

__all__ = [
    "Asker",
    "BudgetSpentError",
    "CallCache",
    "Fault",
    "LanguageModel",
    "Limits",
    "Message",
    "Meter",
    "OptionLogprobs",
    "Price",
    "Request",
    "Response",
    "Sampling",
    "Specification",
    "Usage",
    "parse",
]
