# Names without wildcards for what people build by hand: snakemake --cores 8 chips
localrules:
    scenes,
    chips,
    models,
    tuning,
    rivals,
    ablations,
    unseen,
    real,
    hls_pairs,


rule scenes:
    input:
        all_sites("results/pairs/{dataset}/{site}.csv", catalogued(usual_datasets())),


rule chips:
    input:
        expand("results/splits/{dataset}.csv", dataset=usual_datasets()),


rule models:
    input:
        all_runs("results/runs/{experiment}/{method}/seed-{seed}/confusion.csv"),


rule tuning:
    input:
        expand(
            "results/tuning/{experiment}/ledger.csv",
            experiment=CONFIG.of_target("all").experiments,
        ),


rule rivals:
    input:
        "results/rivals/report.html",


rule ablations:
    input:
        "results/ablations/report.html",


rule unseen:
    input:
        "results/unseen/report.html",


rule real:
    input:
        real_report,
