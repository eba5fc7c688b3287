"""What rows come in: JSON lines and arrays, delimited text, plain lines, Parquet; each read row by row."""
