rule search:
    input:
        archive=archive_folder,
    output:
        expand(
            "results/scenes/{{dataset}}/{{site}}/{product}.json",
            product=CATALOGUED,
        ),
    log:
        "results/logs/search/{dataset}/{site}.log",
    benchmark:
        "results/benchmarks/search/{dataset}/{site}.jsonl"
    retries: TRIES_AGAIN
    params:
        settings=dataset_settings("catalog", "start", "end", "extent_m"),
        place=coordinates,
        server=server,
        products=CATALOGUED,
        folder=subpath(output[0], parent=True),
        source=source_hash("search"),
    message:
        "Searching scenes of {wildcards.site}"
    shell:
        "step {log:q} {params.server} python -m anyband.steps.search --site={wildcards.site:q} {params.place}"
        " --settings={params.settings:q} --products {params.products:q} --out-dir={params.folder:q}"


# Products of sensors that training never sees, where a dataset names them.
use rule search as search_extra with:
    output:
        expand(
            "results/scenes/{{dataset}}/{{site}}/{product}.json",
            product=EXTRA,
        ),
    log:
        "results/logs/search_extra/{dataset}/{site}.log",
    benchmark:
        "results/benchmarks/search_extra/{dataset}/{site}.jsonl"
    params:
        products=EXTRA,
    message:
        "Searching scenes of extra sensors of {wildcards.site}"


rule pair:
    input:
        scenes=manifests,
        archive=archive_folder,
    output:
        pairs="results/pairs/{dataset}/{site}.csv",
        dropped="results/pairs/{dataset}/{site}.dropped.csv",
        acquisitions="results/pairs/{dataset}/{site}.json",
    log:
        "results/logs/pair/{dataset}/{site}.log",
    benchmark:
        "results/benchmarks/pair/{dataset}/{site}.jsonl"
    retries: TRIES_AGAIN
    params:
        settings=dataset_settings(
            "catalog", "simulation", "extent_m", "exclude", "max_day_gap", "min_clear"
        ),
        place=coordinates,
        server=server,
        scenes=subpath(input[0], parent=True),
        source=source_hash("pair"),
    message:
        "Pairing scenes of {wildcards.site}"
    shell:
        "step {log:q} {params.server} python -m anyband.steps.pair --site={wildcards.site:q} {params.place}"
        " --settings={params.settings:q} --scenes={params.scenes:q}"
        " --pairs={output.pairs:q} --dropped={output.dropped:q} --acquisitions={output.acquisitions:q}"
