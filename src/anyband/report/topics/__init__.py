"""Topics of the report: each module has the tables, figures and words of a section, in the order of the page."""
