# Functions that the rules share. The configuration is read and checked here, before any job starts.
import gc
import hashlib
import re
import sys
from functools import cache
from pathlib import Path
from shlex import quote

from snakemake.exceptions import WorkflowError

# Planning makes millions of objects and keeps them. Looking through them all for cycles each time some hundreds are
# new is a sixth of the time for ten thousand jobs.
gc.set_threshold(50_000, 10, 10)

# The folder above workflow is a clone, whose own package is used. Else the rules are those of the installed package,
# which holds the whole folder, or come alone from a git source: the package has the sites.
ROOT = Path(str(workflow.current_basedir)).parents[1]
IS_CLONE, IS_GIT_SOURCE = (ROOT / "src/anyband").is_dir(), not ROOT.is_dir()
if IS_CLONE:
    sys.path.insert(0, str(ROOT / "src"))
try:
    import anyband
except ModuleNotFoundError:
    sys.exit(
        f"anyband: the package is not beside Snakemake: {sys.executable} -m pip install anyband"
    )
if not IS_CLONE:
    ROOT = Path(anyband.__file__).parent

from anyband import config as settings_model
from anyband.simulation.places import check_sites
from anyband.products import CATALOGUED, EXTRA
from anyband.catalog.sites import load_sites
from anyband.runtime import UserError, visible_cores
from anyband.fingerprint import step_fingerprint

if IS_GIT_SOURCE:
    source = Path(workflow.source_path("../../src/anyband/__init__.py"))
    version = re.search(r'^__version__ = "(.+)"', source.read_text(), re.M)[1]
    if version != anyband.__version__:
        sys.exit(
            f"anyband: the rules are of version {version}, the package beside Snakemake is of {anyband.__version__}: "
            f"{sys.executable} -m pip install anyband=={version}"
        )


def read_sites(name):
    """Coordinates by site of one dataset."""
    dataset = CONFIG.datasets[name]
    if dataset.source == "folder":
        return {"files": (0.0, 0.0)}
    spec = (
        dataset.sites if isinstance(dataset.sites, str) else dataset.sites.model_dump()
    )
    sites = load_sites(spec, ROOT, name, dataset.extent_m)
    if dataset.catalog == "embedded":
        check_sites(sites)
    return sites


# Snakemake's own reading gives a traceback, and keeps the last of two equal keys without a word.
try:
    documents = {
        file: settings_model.read_document(file)
        for file in {Path("config.yaml"), *map(Path, workflow.configfiles)}
        if file.exists()
    }
except UserError as error:
    sys.exit(f"anyband: {error}")

# Snakemake refuses a file of comments alone; it changes nothing. The settings of a module come from who imports it.
if documents.get(Path("config.yaml"), True):

    configfile: "config.yaml"


try:
    CONFIG, LEFT_OUT = settings_model.without_missing(settings_model.load(config))
    SITES = {name: read_sites(name) for name in CONFIG.datasets}
except UserError as error:
    sys.exit(f"anyband: {error}")


if workflow.is_main_process:
    for line in LEFT_OUT:
        print(f"anyband: {line}", file=sys.stderr)


def named_cores():
    """What the user gave as --cores; 1 for commands that run nothing, such as --unlock."""
    try:
        return workflow.cores
    except WorkflowError:
        return 1


CORES = named_cores()
# The share of --cores that is one core of this machine: small trainings side by side, a core each, are sooner done than
# one after the other with all cores. With `--cores 8` on a machine of two, two of them run.
ONE_CORE = max(1, round(CORES / visible_cores()))


# After a provider did not answer. Not in the Snakemake of a cluster's job: the first one tries again.
TRIES_AGAIN = 2 if workflow.is_main_process else 0


DEPLOYED = [
    method.name
    for method in getattr(workflow.deployment_settings, "deployment_method", ())
]
if "CONDA" in DEPLOYED and workflow.is_main_process:
    print(
        "anyband: --sdm conda makes no environment: all steps run in the one of Snakemake, see envs/environment.yaml",
        file=sys.stderr,
    )

# Steps run in Snakemake's own environment, activated or not, or in that of the container.
PYTHON = (
    ""
    if "APPTAINER" in DEPLOYED
    else f"PATH='{Path(sys.executable).parent}':\"$PATH\" "
)
# PASSIVE: waiting threads sleep instead of spinning, which costs several times the speed on a busy machine.
# `step LOG COMMAND` keeps what a command prints in its log; at a terminal it is shown too, with its progress bars,
# elsewhere only the end of it when the command fails.
shell.prefix(
    f"export {PYTHON}"
    + (f"PYTHONPATH='{ROOT}/src' " if IS_CLONE else "")
    + f"OMP_WAIT_POLICY=PASSIVE ANYBAND_CORES={CORES} ANYBAND_SCHEDULER='{CONFIG.extract.scheduler}'; "
    # Bash waits for the step when it is told to stop: a training then saves its state.
    'trap : TERM; step() {{ local log="$1"; shift; if [ -t 2 ]; then "$@" 2>&1 | tee "$log" >&2; return; fi; '
    '"$@" >"$log" 2>&1 || {{ local code=$? line=""; '
    # torchrun ends with a traceback of its own, whatever its processes say.
    'if [ "$1" = torchrun ]; then line="$(grep "^anyband: " "$log" | tail -n 1)" || true; fi; '
    'if [ -n "$line" ]; then echo "$line"; else tail -n 3 "$log"; fi >&2; return "$code"; }}; }}; '
)


wildcard_constraints:
    dataset="|".join(CONFIG.datasets),
    site="[^/]+",
    experiment="|".join(CONFIG.experiments),
    method="|".join(CONFIG.methods),
    seed=r"\d+",
    trial=r"\d+",
    folder="(rivals/|ablations/|unseen/|real/)?",


@cache
def source_hash(step, model=None):
    """Fingerprint of the code that a step runs, so that a rule runs again when that code changes.

    Read once: the files do not change while jobs are planned, and there may be thousands of them.
    """
    return step_fingerprint(step, model) if CONFIG.track_source else ""


def model_source_hash(step):
    """Input function: as above, for the model of the rule's method; other models may come and change."""

    def fingerprint(wildcards):
        return source_hash(step, CONFIG.methods[wildcards.method].model)

    return fingerprint


def dataset_settings(*keys):
    """Input function: the named settings of a dataset as sorted JSON. A rule reruns when one of them changes."""

    def settings(wildcards):
        return CONFIG.datasets[wildcards.dataset].as_json(*keys)

    return settings


def experiment_of(wildcards):
    """The experiment of a run, a comparison or an evaluation."""
    return CONFIG.experiments[wildcards.experiment]


def training_settings(wildcards):
    """What a training depends on: the loop's settings and the scored classes, not the other methods."""
    return CONFIG.run(wildcards.experiment, wildcards.method).as_json()


def pretraining_settings(wildcards):
    """What learning without labels depends on: the method, its steps, and the classes by which chips are read."""
    return CONFIG.pretraining(wildcards.dataset, wildcards.method).as_json()


def pretraining_source_hash(wildcards):
    """Fingerprint of the code of a pretraining."""
    return source_hash("pretrain", "reconstruction")


def pretrained_files(wildcards):
    """Input function: the pretraining that a training starts from, if its method asks for one."""
    if not CONFIG.methods[wildcards.method].pretraining_steps:
        return []
    dataset = experiment_of(wildcards).dataset
    folder = f"results/pretrained/{dataset}/{wildcards.method}/seed-{wildcards.seed}"
    return [f"{folder}/model.safetensors", f"{folder}/settings.json"]


def start_option(wildcards, input):
    """The option that names the folder of a pretraining, or nothing."""
    files = input.get("pretrained")
    return f"--pretrained={quote(str(Path(files[0]).parent))}" if files else ""


def evaluation_settings(wildcards):
    """What an evaluation depends on besides the trained run."""
    return settings_model.Evaluation(
        conditions=experiment_of(wildcards).conditions
    ).as_json()


def comparison_settings(wildcards):
    """What a comparison depends on besides the confusion matrices."""
    experiment = experiment_of(wildcards)
    model = CONFIG.methods[experiment.proposed].model
    others = [name for name in experiment.methods if name != experiment.proposed]
    return settings_model.ComparisonSettings(
        name=wildcards.experiment,
        experiment=experiment,
        variants=[name for name in others if CONFIG.methods[name].model == model],
        classes=CONFIG.datasets[experiment.dataset].classes,
    ).as_json()


def site_files(pattern):
    """Input function: `pattern` for every site of the rule's dataset."""

    def files(wildcards):
        name = wildcards.get("dataset") or experiment_of(wildcards).dataset
        return expand(pattern, dataset=name, site=SITES[name])

    return files


def split_file(wildcards):
    """The split of the experiment's dataset."""
    return f"results/splits/{experiment_of(wildcards).dataset}.csv"


def pair_tables(wildcards):
    """The tables of pairs of an experiment's dataset; a folder of one's own has none."""
    name = experiment_of(wildcards).dataset
    pattern = "results/pairs/{dataset}/{site}.csv"
    return expand(pattern, dataset=catalogued([name]), site=SITES[name])


def pairs_option(wildcards, input):
    """The options that name the tables of pairs and the split, or nothing."""
    if not input.pairs:
        return ""
    folder = Path(input.pairs[0]).parent
    return f"--pairs={quote(str(folder))} --split={quote(str(input.split))}"


def usual_datasets():
    """All datasets but those that only a target other than `all` reads."""
    others = [e.dataset for e in CONFIG.experiments.values() if e.target != "all"]
    own = CONFIG.of_target("all").datasets
    return [name for name in SITES if name in own or name not in others]


def all_sites(pattern, datasets):
    """`pattern` for every site of the datasets, and for every usual product where it names one."""
    return [
        file
        for name in datasets
        for file in expand(pattern, dataset=name, site=SITES[name], product=CATALOGUED)
    ]


def all_runs(pattern, target="all"):
    """`pattern` for every method and seed of every experiment of a target."""
    return [
        file
        for name, experiment in CONFIG.of_target(target).experiments.items()
        for file in expand(
            pattern, experiment=name, method=experiment.methods, seed=experiment.seeds
        )
    ]


def proposed_runs(pattern, target):
    """`pattern` for every seed of the proposed method of every experiment of a target."""
    return [
        file
        for name, experiment in CONFIG.of_target(target).experiments.items()
        for file in expand(
            pattern, experiment=name, method=experiment.proposed, seed=experiment.seeds
        )
    ]


def all_trials(pattern):
    """Input function: `pattern` for every method and trial of an experiment, the same number for each method."""

    def files(wildcards):
        return expand(
            pattern,
            experiment=wildcards.experiment,
            method=experiment_of(wildcards).methods,
            trial=range(CONFIG.tuning.trials),
        )

    return files


def run_labels(name):
    """What Snakemake's report shows of a file of a run."""
    return {"file": name, "experiment": "{experiment}", "seed": "{seed}"}


def target_of(wildcards):
    """The target of a report, whose folder is empty for the target `all`."""
    return Path(wildcards.folder).name or "all"


def page_labels(wildcards):
    """What Snakemake's report shows of a page."""
    return {"page": "report.html", "target": target_of(wildcards)}


def report_inputs(wildcards):
    """What the report of a target is made of."""
    target = target_of(wildcards)
    part = CONFIG.of_target(target)
    if not part.experiments:
        sys.exit(
            f"anyband: no experiment has target {target}: give one `target: {target}`"
        )
    run = "results/runs/{experiment}/{method}/seed-{seed}"
    names = part.datasets
    searched = catalogued(names)
    return [
        *expand("results/comparison/{experiment}", experiment=part.experiments),
        *all_runs(f"{run}/predictions.npz", target),
        *all_runs(f"{run}/history.csv", target),
        *proposed_runs(f"{run}/model.safetensors", target),
        *proposed_runs(f"{run}/settings.json", target),
        *proposed_runs(f"{run}/cost.json", target),
        *all_sites("results/scenes/{dataset}/{site}/{product}.json", searched),
        *all_sites("results/pairs/{dataset}/{site}.csv", searched),
        *all_sites("results/pairs/{dataset}/{site}.dropped.csv", searched),
        *all_sites("results/chips/{dataset}/{site}.zarr", names),
        *expand("results/audit/{dataset}.json", dataset=names),
        *expand("results/splits/{dataset}.csv", dataset=names),
        *expand("results/splits/{dataset}.leakage.json", dataset=names),
    ]


def report_settings(wildcards):
    """The part of the configuration that the report of a target depends on."""
    return CONFIG.of_target(target_of(wildcards)).as_json()


def run_files(pattern):
    """Input function: `pattern` for every method and seed of an experiment."""

    def files(wildcards):
        experiment = experiment_of(wildcards)
        return expand(
            pattern,
            experiment=wildcards.experiment,
            method=experiment.methods,
            seed=experiment.seeds,
        )

    return files


def ledgers(wildcards):
    """Fingerprint of the ledgers that a report shows if they exist; as inputs they would start their trials."""
    names = CONFIG.of_target(target_of(wildcards)).experiments
    files = [Path(f"results/tuning/{name}/ledger.csv") for name in names]
    content = b"".join(file.read_bytes() for file in files if file.is_file())
    return hashlib.sha256(content).hexdigest()[:12] if content else ""


def manifests(wildcards):
    """The manifests of a site's scenes: of the usual products, and of the extra ones that the dataset names."""
    folder = f"results/scenes/{wildcards.dataset}/{wildcards.site}"
    extra = CONFIG.datasets[wildcards.dataset].extra_products
    return [f"{folder}/{product}.json" for product in (*CATALOGUED, *extra)]


def launcher(wildcards, resources):
    """What starts a training: torchrun with a process for each GPU that a profile or --set-resources gives the job."""
    gpus = resources.get("gpu") or 0
    return f"torchrun --standalone --nproc-per-node={gpus} -m" if gpus else "python -m"


def archive_folder(wildcards):
    """The simulated scenes of a site; nothing when the dataset comes from a real catalogue."""
    embedded = CONFIG.datasets[wildcards.dataset].catalog == "embedded"
    return f"results/archive/{wildcards.dataset}/{wildcards.site}" if embedded else []


def server(wildcards, input):
    """Words before a command that make the embedded archive reachable over HTTP while it runs."""
    if not input.archive:
        return ""
    return f"python -m anyband.steps.serve {quote(str(Path(input.archive).parent))} --"


def catalogued(names):
    """Of datasets those that come from a catalogue."""
    return [name for name in names if CONFIG.datasets[name].source == "catalog"]


def own_files(wildcards):
    """Input function: the table of a folder of one's own, if it has one."""
    files = CONFIG.datasets[wildcards.dataset].files
    return files.table or str(files.root)


def coordinates(wildcards):
    """Longitude and latitude of a site as command-line options."""
    longitude, latitude = SITES[wildcards.dataset][wildcards.site]
    return f"--longitude={longitude} --latitude={latitude}"


# The images of the experiment on real pixels (real.smk).
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
