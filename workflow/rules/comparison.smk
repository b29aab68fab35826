rule compare:
    input:
        run_files("results/runs/{experiment}/{method}/seed-{seed}/confusion.csv"),
        run_files("results/runs/{experiment}/{method}/seed-{seed}/calibration.csv"),
        run_files("results/runs/{experiment}/{method}/seed-{seed}/image_scores.csv"),
        run_files("results/runs/{experiment}/{method}/seed-{seed}/cost.json"),
    output:
        directory("results/comparison/{experiment}"),
    log:
        "results/logs/compare/{experiment}.log",
    benchmark:
        "results/benchmarks/compare/{experiment}.jsonl"
    params:
        settings=comparison_settings,
        source=source_hash("compare"),
    message:
        "Comparing the methods of {wildcards.experiment}"
    shell:
        "step {log:q} python -m anyband.steps.compare --settings={params.settings:q}"
        " --runs=results/runs/{wildcards.experiment} --out={output:q}"


rule report:
    input:
        comparisons=expand(
            "results/comparison/{experiment}", experiment=CONFIG.experiments
        ),
        predictions=all_runs(
            "results/runs/{experiment}/{method}/seed-{seed}/predictions.npz"
        ),
        scenes=all_sites("results/pairs/{dataset}/{site}.csv"),
        splits=expand("results/splits/{dataset}.leakage.json", dataset=CONFIG.datasets),
    output:
        page=report(
            "results/report.html", caption="../report/report.rst", category="Report"
        ),
        data=directory("results/report_data"),
    log:
        "results/logs/report.log",
    benchmark:
        "results/benchmarks/report.jsonl"
    params:
        settings=CONFIG.as_json(),
        source=source_hash("report"),
    message:
        "Writing results/report.html"
    shell:
        "step {log:q} python -m anyband.steps.report --settings={params.settings:q}"
        " --results=results --out={output.page:q} --data={output.data:q}"
