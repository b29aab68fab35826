# Only the training and validation splits are read here; the weights of a trial are of no further use.
rule trial:
    input:
        split=split_file,
        chips=site_files("results/chips/{dataset}/{site}.zarr"),
    output:
        weights=temp(
            "results/tuning/{experiment}/{method}/trial-{trial}/model.safetensors"
        ),
        settings="results/tuning/{experiment}/{method}/trial-{trial}/settings.json",
        history="results/tuning/{experiment}/{method}/trial-{trial}/history.csv",
    log:
        "results/logs/trial/{experiment}/{method}/trial-{trial}.log",
    benchmark:
        "results/benchmarks/trial/{experiment}/{method}/trial-{trial}.jsonl"
    threads: ONE_CORE
    resources:
        mem_mb=2000,
    params:
        settings=training_settings,
        seed=CONFIG.tuning.seed,
        source=model_source_hash("trial"),
        launcher=launcher,
        folder=subpath(output.weights, parent=True),
    message:
        "Trial {wildcards.trial} of {wildcards.method}"
    shell:
        "step {log:q} {params.launcher} anyband.steps.trial --settings={params.settings:q} --seed={params.seed}"
        " --trial={wildcards.trial} --split={input.split:q} --chips {input.chips:q} --threads={threads}"
        " --out={params.folder:q}"


rule ledger:
    input:
        all_trials("results/tuning/{experiment}/{method}/trial-{trial}/settings.json"),
        all_trials("results/tuning/{experiment}/{method}/trial-{trial}/history.csv"),
    output:
        ledger="results/tuning/{experiment}/ledger.csv",
        best="results/tuning/{experiment}/best.yaml",
    log:
        "results/logs/ledger/{experiment}.log",
    benchmark:
        "results/benchmarks/ledger/{experiment}.jsonl"
    params:
        methods=lambda wildcards: experiment_of(wildcards).methods,
        trials=CONFIG.tuning.trials,
        folder=subpath(output.ledger, parent=True),
        source=source_hash("ledger"),
    message:
        "Choosing settings for the methods of {wildcards.experiment}"
    shell:
        "step {log:q} python -m anyband.steps.ledger --experiment={wildcards.experiment}"
        " --trials-dir={params.folder:q} --methods {params.methods} --trials={params.trials}"
        " --out={output.ledger:q} --best={output.best:q}"
