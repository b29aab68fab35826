rule compare:
    input:
        run_files("results/runs/{experiment}/{method}/seed-{seed}/confusion.csv"),
        run_files("results/runs/{experiment}/{method}/seed-{seed}/calibration.csv"),
        run_files(
            "results/runs/{experiment}/{method}/seed-{seed}/class_calibration.csv"
        ),
        run_files("results/runs/{experiment}/{method}/seed-{seed}/image_scores.csv"),
        run_files("results/runs/{experiment}/{method}/seed-{seed}/cost.json"),
        run_files("results/runs/{experiment}/{method}/seed-{seed}/history.csv"),
        pairs=pair_tables,
        split=split_file,
    output:
        directory("results/comparison/{experiment}"),
    log:
        "results/logs/compare/{experiment}.log",
    benchmark:
        "results/benchmarks/compare/{experiment}.jsonl"
    params:
        settings=comparison_settings,
        runs=subpath(input[0], ancestor=3),
        pairs=pairs_option,
        source=source_hash("compare"),
    message:
        "Comparing the methods of {wildcards.experiment}"
    shell:
        "step {log:q} python -m anyband.steps.compare --settings={params.settings:q}"
        " --runs={params.runs:q} {params.pairs} --out={output:q}"


# One report for each target: that of `all` in results itself, the others in results/rivals and so on.
rule report:
    input:
        report_inputs,
    output:
        page=report(
            "results/{folder}report.html",
            caption="../report/report.rst",
            category="Report",
            labels=page_labels,
        ),
        data=report(
            directory("results/{folder}report_data"),
            patterns=["{kind,figures}/{name}.svg", "{kind,tables}/{name}.csv"],
            caption="../report/report_data.rst",
            category="Figures and tables",
            labels={"name": "{name}", "kind": "{kind}"},
        ),
    log:
        "results/logs/report/{folder}report.log",
    benchmark:
        "results/benchmarks/report/{folder}report.jsonl"
    params:
        settings=report_settings,
        results=subpath(input[0], ancestor=2),
        ledgers=ledgers,
        source=source_hash("report"),
    message:
        "Writing {output.page}"
    shell:
        "step {log:q} python -m anyband.steps.report --settings={params.settings:q}"
        " --results={params.results:q} --out={output.page:q} --data={output.data:q}"
