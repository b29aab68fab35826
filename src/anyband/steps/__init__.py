"""One module per Snakemake rule: parse the arguments, call one function, write the outputs."""
