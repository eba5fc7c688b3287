"""Whether a model corrects its own bias when it is told to (arXiv 2302.07459): BBQ, Winogender and law-school admissions.

Assets: the tables of the suite `moral_self_correction`. Pure modules: `bbq`, `targets`, `winogender` and `admissions` (what is
asked), `items`, `bias`, `pronouns` and `parity` (what the answers amount to), `correction` and `emergence` (what telling changes).
"""
