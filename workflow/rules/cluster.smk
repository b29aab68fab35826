# What clusters need: one line for settings that can never work, before anything is sent, and signals that arrive.
import os
import re
import signal
import subprocess
import threading

import psutil


def check_storage():
    """Stop where the bucket of a profile is still a placeholder or has no keys: Snakemake says so in 3000 lines."""
    given = workflow.storage_settings
    if not workflow.is_main_process or given.default_storage_provider != "s3":
        return
    prefix = given.default_storage_prefix or ""
    if prefix.startswith("s3://BUCKET"):
        sys.exit(
            f"anyband: {prefix} is a placeholder: set default-storage-prefix in the profile to a bucket of yours"
        )
    if workflow.storage_provider_settings["s3"].get_settings().access_key:
        return
    import boto3

    if boto3.Session().get_credentials() is None:
        keys = "SNAKEMAKE_STORAGE_S3_ACCESS_KEY and SNAKEMAKE_STORAGE_S3_SECRET_KEY"
        sys.exit(f"anyband: no keys for {prefix}: set {keys}; the plan needs them too")


def partitions():
    """What one node of a partition may give, by partition: [(CPUs, MB, GPUs, minutes)]. Empty where SLURM does not say."""
    command = ["sinfo", "--noheader", "--exact", "--format=%P|%c|%m|%G|%l"]
    try:
        listed = subprocess.run(
            command, capture_output=True, text=True, timeout=60
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return {}
    found = {}
    for name, cpus, memory, gpus, limit in (
        line.split("|") for line in listed.splitlines() if line.count("|") == 4
    ):
        counts = re.findall(r"gpu(?::[^:,(]+)?:(\d+)(?=[,(]|$)", gpus)
        sizes = [size.rstrip("+") for size in (cpus, memory)]
        if not all(size.isdigit() for size in sizes):
            continue
        node = (*map(int, sizes), sum(map(int, counts)))
        for key in {name.rstrip("*"), "" if name.endswith("*") else name}:
            found.setdefault(key, []).append((*node, minutes(limit)))
    return found


def minutes(limit):
    """SLURM's [days-][hours:]minutes:seconds; no limit is infinite."""
    days, _, clock = limit.rpartition("-")
    if not re.fullmatch(r"[\d:]+", clock):
        return float("inf")
    hours, mins, seconds = ([0, 0] + [int(part) for part in clock.split(":")])[-3:]
    return int(days or 0) * 1440 + hours * 60 + mins + seconds // 60


def check_requests():
    """Stop where SLURM would let a job wait for ever: more than any node of its partition has, or than its time limit."""
    known = partitions()
    one_of_each = {
        job.rule.name: job for job in workflow.dag.needrun_jobs() if not job.is_local
    }
    for name, job in one_of_each.items() if known else ():
        for attempt in (1, 1 + job.restart_times):
            asked = job.rule.expand_resources(job.wildcards_dict, job.input, attempt)
            wanted = [
                asked.get(key) or 0 for key in ("_cores", "mem_mb", "gpu", "runtime")
            ]
            partition = asked.get("slurm_partition") or ""
            names = [part.strip() for part in partition.split(",")]
            for missing in (part for part in names if part and part not in known):
                sys.exit(
                    f"anyband: SLURM has no partition {missing}, which {name} asks for; it has {', '.join(filter(None, known))}"
                )
            nodes = [node for part in names for node in known.get(part, ())]
            if nodes and not any(
                all(map(lambda need, has: need <= has, wanted, node)) for node in nodes
            ):
                words = "{} CPUs, {} MB, {} GPUs, {} minutes".format
                most = words(*(max(values) for values in zip(*nodes)))
                sys.exit(
                    f"anyband: SLURM could never start {name} (try {attempt}): it asks for {words(*wanted)}, and a job in "
                    f"partition {partition or '(the default)'} can have {most}: lower set-threads or set-resources in the profile"
                )


def hand_on_sigterm():
    """Give SIGTERM to all processes below this one, so that a training saves its state.

    Clusters that track jobs by control groups signal only the first process of a step, which is Snakemake; it waits
    for its job and tells it nothing.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def wait():
        while number := os.read(reader, 1):
            if number[0] == signal.SIGTERM:
                for child in psutil.Process().children(recursive=True):
                    child.terminate()

    threading.Thread(target=wait, daemon=True).start()


check_storage()
if not workflow.is_main_process and "SLURM_STEP_ID" in os.environ:
    hand_on_sigterm()


onstart:
    if workflow.executor_plugin and workflow.executor_plugin.name == "slurm":
        check_requests()
