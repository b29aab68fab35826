rule simulate:
    output:
        directory("results/archive/{dataset}/{site}"),
    log:
        "results/logs/simulate/{dataset}/{site}.log",
    benchmark:
        "results/benchmarks/simulate/{dataset}/{site}.jsonl"
    resources:
        mem_mb=600,
    params:
        settings=dataset_settings("simulation", "extent_m"),
        source=source_hash("simulate"),
    message:
        "Simulating the scenes of {wildcards.site}"
    shell:
        "step {log:q} python -m anyband.steps.simulate --site={wildcards.site:q}"
        " --settings={params.settings:q} --out={output:q}"
