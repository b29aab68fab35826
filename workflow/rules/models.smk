rule pretrain:
    input:
        split="results/splits/{dataset}.csv",
        chips=site_files("results/chips/{dataset}/{site}.zarr"),
    output:
        weights="results/pretrained/{dataset}/{method}/seed-{seed}/model.safetensors",
        settings="results/pretrained/{dataset}/{method}/seed-{seed}/settings.json",
        history="results/pretrained/{dataset}/{method}/seed-{seed}/history.csv",
    log:
        "results/logs/pretrain/{dataset}/{method}/seed-{seed}.log",
    benchmark:
        "results/benchmarks/pretrain/{dataset}/{method}/seed-{seed}.jsonl"
    threads: ONE_CORE
    resources:
        mem_mb=2000,
    params:
        settings=pretraining_settings,
        source=pretraining_source_hash,
        launcher=launcher,
        folder=subpath(output.weights, parent=True),
    message:
        "Pretraining {wildcards.method}, seed {wildcards.seed}"
    shell:
        "step {log:q} {params.launcher} anyband.steps.pretrain --settings={params.settings:q} --seed={wildcards.seed}"
        " --split={input.split:q} --chips {input.chips:q} --threads={threads}"
        " --out={params.folder:q}"


rule train:
    input:
        split=split_file,
        chips=site_files("results/chips/{dataset}/{site}.zarr"),
        pretrained=pretrained_files,
    output:
        weights="results/runs/{experiment}/{method}/seed-{seed}/model.safetensors",
        settings="results/runs/{experiment}/{method}/seed-{seed}/settings.json",
        history=report(
            "results/runs/{experiment}/{method}/seed-{seed}/history.csv",
            caption="../report/history.rst",
            category="Methods",
            subcategory="{method}",
            labels=run_labels("learning"),
        ),
    log:
        "results/logs/train/{experiment}/{method}/seed-{seed}.log",
    benchmark:
        "results/benchmarks/train/{experiment}/{method}/seed-{seed}.jsonl"
    threads: ONE_CORE
    resources:
        mem_mb=2000,
    params:
        settings=training_settings,
        source=model_source_hash("train"),
        launcher=launcher,
        folder=subpath(output.weights, parent=True),
        start=start_option,
    message:
        "Training {wildcards.method}, seed {wildcards.seed}"
    shell:
        "step {log:q} {params.launcher} anyband.steps.train --settings={params.settings:q} --seed={wildcards.seed}"
        " --split={input.split:q} --chips {input.chips:q} --threads={threads} {params.start}"
        " --out={params.folder:q}"


rule evaluate:
    input:
        split=split_file,
        chips=site_files("results/chips/{dataset}/{site}.zarr"),
        weights="results/runs/{experiment}/{method}/seed-{seed}/model.safetensors",
        settings="results/runs/{experiment}/{method}/seed-{seed}/settings.json",
        history="results/runs/{experiment}/{method}/seed-{seed}/history.csv",
    output:
        confusion="results/runs/{experiment}/{method}/seed-{seed}/confusion.csv",
        calibration="results/runs/{experiment}/{method}/seed-{seed}/calibration.csv",
        class_calibration="results/runs/{experiment}/{method}/seed-{seed}/class_calibration.csv",
        images="results/runs/{experiment}/{method}/seed-{seed}/image_scores.csv",
        cost=report(
            "results/runs/{experiment}/{method}/seed-{seed}/cost.json",
            caption="../report/cost.rst",
            category="Methods",
            subcategory="{method}",
            labels=run_labels("cost"),
        ),
        predictions="results/runs/{experiment}/{method}/seed-{seed}/predictions.npz",
    log:
        "results/logs/evaluate/{experiment}/{method}/seed-{seed}.log",
    benchmark:
        "results/benchmarks/evaluate/{experiment}/{method}/seed-{seed}.jsonl"
    threads: ONE_CORE
    resources:
        mem_mb=2000,
    params:
        settings=evaluation_settings,
        source=model_source_hash("evaluate"),
        folder=subpath(input.weights, parent=True),
    message:
        "Evaluating {wildcards.method}, seed {wildcards.seed}"
    shell:
        "step {log:q} python -m anyband.steps.evaluate --settings={params.settings:q} --split={input.split:q}"
        " --chips {input.chips:q} --threads={threads}"
        " --run={params.folder:q}"
