"""One module per input format; `registry` knows them all and tells from a file's rows which one fits."""
