"""The rooms: one package per paper, plus the shared conversations, evaluation and warehouse rooms."""
