"""LM Observatory: how AI is used, and how models behave on what people ask."""
