"""The report: one self-contained page and a folder of its tables and figures, from the results of all stages."""
