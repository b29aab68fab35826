# anyband: from a STAC search to results/report.html.
#
#   results/archive/{dataset}/{site}/                    simulated scenes (embedded archive only)
#     scenes/{dataset}/{site}/{product}.json             raw STAC items, unsigned
#     pairs/{dataset}/{site}.csv, .json                   Sentinel-2 and Landsat scenes that belong together
#     chips/{dataset}/{site}.zarr                        chips at native resolution
#     splits/{dataset}.csv, .leakage.json                blocks, and the proof that they are apart
#     tuning/{experiment}/ledger.csv, best.yaml          trials of every method, and the settings chosen (target tuning)
#     runs/{experiment}/{method}/seed-{seed}/            weights, then confusion matrices
#     comparison/{experiment}/                           statistics
#     report.html, report_data/                          what people read
#     rivals/, ablations/, unseen/                       the same of the targets of these names
from snakemake.utils import min_version

min_version("9.25")


report: "workflow/report/workflow.rst"


container: "docker://ghcr.io/anyband/anyband:0.1.0"


include: "workflow/rules/common.smk"
include: "workflow/rules/archive.smk"
include: "workflow/rules/scenes.smk"
include: "workflow/rules/chips.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/tuning.smk"
include: "workflow/rules/comparison.smk"
include: "workflow/rules/targets.smk"
include: "workflow/rules/cluster.smk"


rule all:
    default_target: True
    input:
        "results/report.html",
