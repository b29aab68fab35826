# The experiment on real pixels of HLS (workflow/presets/real.yaml, docs/real.md), where the images are at hand.
REAL = [
    dataset.files
    for name in CONFIG.of_target("real").datasets
    if (dataset := CONFIG.datasets[name]).files
]
REAL_FOLDER = REAL[0].folder if REAL else "hls-pairs"


def real_report(wildcards):
    """The report, or nothing and one line where the configuration or the images are not at hand."""
    if REAL and Path(REAL_FOLDER, "index.csv").is_file():
        return "results/real/report.html"
    why = f"{REAL_FOLDER} holds no index.csv: files.folder of its datasets says where the images are"
    if not REAL:
        why = "the target real needs --configfile workflow/presets/real.yaml"
    sys.stderr.write(f"anyband: {why}; nothing is done\n")
    return []


rule hls_pairs:
    input:
        index=f"{REAL_FOLDER}/index.csv",
        pairs=f"{REAL_FOLDER}/pairs.csv",
    output:
        all="results/tables/hls-pairs.csv",
        region="results/tables/hls-pairs-region-a.csv",
    log:
        "results/logs/hls_pairs.log",
    benchmark:
        "results/benchmarks/hls_pairs.jsonl"
    params:
        source=source_hash("hls_pairs"),
    message:
        "Choosing the images of {REAL_FOLDER}"
    shell:
        "step {log:q} python -m anyband.steps.hls_pairs --index={input.index:q} --pairs={input.pairs:q}"
        " --out={output.all:q} --region={output.region:q}"
