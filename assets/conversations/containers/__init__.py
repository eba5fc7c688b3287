"""What rows come in: JSON lines, JSON arrays, delimited text, plain lines and Parquet, each read row by row."""
