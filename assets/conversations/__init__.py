"""Conversations: files of any supported format in, one table of conversations out, bad rows to quarantine.

Assets: conversations and quarantine (read), redacted_conversations (identifiers replaced),
current_conversations.
"""
