# The experiment on real pixels of HLS (workflow/presets/real.yaml, docs/real.md), where the images are at hand.
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
