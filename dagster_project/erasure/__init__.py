"""Erasure: everything of a person out of every table, file and log of a home (privacy_reliability.md, section 3.3).

`record` keeps tombstones and what is still to be done; `survey` finds the rows; `rewriting` takes them out of the
lake; `residue` and `history` clear what lies around the tables and in Dagster's storage.
"""
