# anyband, as a clone runs it: the rules stand in workflow/Snakefile, which is also what other workflows import.
include: "workflow/Snakefile"


# An include does not bring its default target along.
workflow.default_target = "all"
