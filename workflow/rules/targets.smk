# Names without wildcards for what people build by hand: snakemake --cores 8 chips
localrules:
    scenes,
    chips,
    models,


rule scenes:
    input:
        all_sites("results/pairs/{dataset}/{site}.csv"),


rule chips:
    input:
        expand("results/splits/{dataset}.csv", dataset=CONFIG.datasets),


rule models:
    input:
        all_runs("results/runs/{experiment}/{method}/seed-{seed}/confusion.csv"),
