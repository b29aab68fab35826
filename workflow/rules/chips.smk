rule cut:
    input:
        own_files,
    output:
        directory("results/chips/{dataset}/{site}.zarr"),
    log:
        "results/logs/cut/{dataset}/{site}.log",
    benchmark:
        "results/benchmarks/cut/{dataset}/{site}.jsonl"
    wildcard_constraints:
        dataset="|".join(set(CONFIG.datasets) - set(catalogued(CONFIG.datasets)))
        or "no dataset",
    resources:
        mem_mb=1000,
    params:
        settings=dataset_settings("source", "files", "chip_m", "chip_min_clear"),
        source=source_hash("cut"),
    message:
        "Cutting the chips of {wildcards.dataset} from files"
    shell:
        "step {log:q} python -m anyband.steps.cut --site={wildcards.site:q} --settings={params.settings:q}"
        " --out={output:q}"


rule extract:
    input:
        pairs="results/pairs/{dataset}/{site}.json",
        archive=archive_folder,
    output:
        directory("results/chips/{dataset}/{site}.zarr"),
    log:
        "results/logs/extract/{dataset}/{site}.log",
    benchmark:
        "results/benchmarks/extract/{dataset}/{site}.jsonl"
    wildcard_constraints:
        dataset="|".join(catalogued(CONFIG.datasets)) or "no dataset",
    retries: TRIES_AGAIN
    threads: 4
    resources:
        mem_mb=1000,
    params:
        settings=dataset_settings("extent_m", "chip_m", "chip_min_clear"),
        place=coordinates,
        server=server,
        source=source_hash("extract"),
    message:
        "Cutting the chips of {wildcards.site}"
    shell:
        "step {log:q} {params.server} python -m anyband.steps.extract --site={wildcards.site:q} {params.place}"
        " --settings={params.settings:q} --pairs={input.pairs:q}"
        " --threads={threads} --out={output:q}"


rule audit:
    input:
        site_files("results/chips/{dataset}/{site}.zarr"),
    output:
        "results/audit/{dataset}.json",
    log:
        "results/logs/audit/{dataset}.log",
    benchmark:
        "results/benchmarks/audit/{dataset}.jsonl"
    params:
        settings=dataset_settings("source", "files", "chip_m"),
        source=source_hash("audit"),
    message:
        "Comparing the products of {wildcards.dataset} with each other: offsets, bands, scales, grids"
    shell:
        "step {log:q} python -m anyband.steps.audit --settings={params.settings:q} --chips {input:q}"
        " --out={output:q}"


rule split:
    input:
        chips=site_files("results/chips/{dataset}/{site}.zarr"),
        # A gate: nothing is trained on pixels that contradict their metadata.
        audit="results/audit/{dataset}.json",
    output:
        split="results/splits/{dataset}.csv",
        certificate="results/splits/{dataset}.leakage.json",
    log:
        "results/logs/split/{dataset}.log",
    benchmark:
        "results/benchmarks/split/{dataset}.jsonl"
    params:
        settings=dataset_settings("source", "files", "chip_m", "classes", "split"),
        source=source_hash("split"),
    message:
        "Dividing the chips of {wildcards.dataset} into training, validation and test blocks"
    shell:
        "step {log:q} python -m anyband.steps.split --settings={params.settings:q} --chips {input.chips:q}"
        " --out={output.split:q} --certificate={output.certificate:q}"
