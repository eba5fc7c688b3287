"""What stands between conversations and what is released: pseudonyms, redaction, thresholds, suppression, leak scan."""
