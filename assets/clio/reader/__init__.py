"""The extractive reader: what a conversation is about, read from its redacted text without any model."""
