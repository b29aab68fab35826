"""The report: tables, figures, maps and ledgers on one self-contained page."""
