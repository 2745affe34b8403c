# The contents page: one rule per result, in the order of the report.
# A rule names its files and says in a sentence what it does; analysis/<rule>.py does it. Its memory in MB is
# half as much again as was measured with config/full.yaml, its time in minutes several times that there.
from pathlib import Path

from workings.workflow import open_report

paper = open_report(workflow)

# The embedded digits, and where the whole data set is asked for, what of it stands in its folder;
# what torchvision downloads it keeps in a folder of its own below, and checks by its own sums.
DIGITS = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"]
chosen = paper.config["digits"]
FOUND = []
if chosen["source"] == "full":
    FOUND = sorted(map(str, Path(chosen["folder"]).expanduser().glob("*-ubyte*")))


# Settled before any job is planned: what `auto` comes to decides the network, so it is in the jobs' keys.
if paper.config["classifier"]["device"] == "auto":
    paper.config["classifier"]["device"] = "cuda" if Path("/dev/nvidiactl").exists() else "cpu"


# Into how many jobs a long one is divided; the results are the same bytes for any number.
scattergather:
    **paper.config["shards"],


rule all:
    input:
        paper.editions,


# Problem 1: what the convolutional network sees.


rule digits:
    input:
        embedded=[f"analysis/data/{name}-ubyte.gz" for name in DIGITS],
        found=FOUND,
    output:
        digits="build/data/digits.npz",
        measurements="build/measurements/digits.json",
        figure="build/figures/digits.pdf",
    resources:
        mem_mb=700,
        runtime=10,
    params:
        **paper.job("digits"),
    message:
        "Load the handwritten digits."
    shell:
        paper.RUN


rule classifier:
    input:
        digits="build/data/digits.npz",
    output:
        model="build/model/classifier.safetensors",
        measurements="build/measurements/classifier.json",
        figure="build/figures/classifier.pdf",
        confusion="build/figures/classifier_confusion.pdf",
    resources:
        mem_mb=1600,
        runtime=20,
    params:
        **paper.job("classifier"),
    message:
        "Train the convolutional network and test it."
    shell:
        paper.RUN


rule filters:
    input:
        digits="build/data/digits.npz",
        model="build/model/classifier.safetensors",
    output:
        measurements="build/measurements/filters.json",
        figure="build/figures/filters.pdf",
    resources:
        mem_mb=1200,
        runtime=10,
    params:
        **paper.job("filters", "classifier"),
    message:
        "Draw the filters of the three convolutions, and what excites each."
    shell:
        paper.RUN


rule feature_maps:
    input:
        digits="build/data/digits.npz",
        model="build/model/classifier.safetensors",
    output:
        measurements="build/measurements/feature_maps.json",
        figure="build/figures/feature_maps.pdf",
        recognisable="build/figures/feature_maps_recognisable.pdf",
    resources:
        mem_mb=1500,
        runtime=20,
    params:
        **paper.job("feature_maps", "classifier"),
    message:
        "Draw every feature map of two digits and measure how recognisable they are."
    shell:
        paper.RUN


rule translation:
    input:
        digits="build/data/digits.npz",
        model="build/model/classifier.safetensors",
    output:
        measurements="build/measurements/translation.json",
        figure="build/figures/translation.pdf",
        explore="build/explore/translation.json",
        accuracy="build/figures/translation_accuracy.pdf",
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        **paper.job("translation", "classifier"),
    message:
        "Shift a digit, then the whole test set, and read the labels."
    shell:
        paper.RUN


# Problem 2: what the decision on a 6 depends on.


rule occlusion:
    input:
        digits="build/data/digits.npz",
        model="build/model/classifier.safetensors",
    output:
        measurements="build/measurements/occlusion.json",
        maps="build/arrays/occlusion.npz",
        figure="build/figures/occlusion.pdf",
        explore="build/explore/occlusion.json",
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        **paper.job("occlusion", "classifier"),
    message:
        "Slide a patch over a digit and read the network's answer at every position."
    shell:
        paper.RUN


rule patch_colour:
    input:
        digits="build/data/digits.npz",
        model="build/model/classifier.safetensors",
    output:
        measurements="build/measurements/patch_colour.json",
        figure="build/figures/patch_colour.pdf",
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        **paper.job(
            "patch_colour",
            "classifier",
            "occlusion.digit",
            "occlusion.example",
            "occlusion.patch",
            "occlusion.stride",
            "occlusion.outside",
        ),
    message:
        "Compare black, grey and white patches."
    shell:
        paper.RUN


rule atlas_part:
    input:
        digits="build/data/digits.npz",
        model="build/model/classifier.safetensors",
    output:
        drops="build/parts/atlas/{scatteritem}.npz",
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        **paper.job("atlas_part", "atlas", "classifier", "occlusion"),
    message:
        "Cover a part of the test images."
    shell:
        paper.RUN


rule atlas:
    input:
        digits="build/data/digits.npz",
        model="build/model/classifier.safetensors",
        parts=gather.atlas("build/parts/atlas/{scatteritem}.npz"),
    output:
        measurements="build/measurements/atlas.json",
        maps="build/arrays/atlas.npz",
        figure="build/figures/atlas.pdf",
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        **paper.job("atlas", "classifier", "occlusion"),
    message:
        "Average over the test set what a patch does to each class."
    shell:
        paper.RUN


rule patch_search_part:
    input:
        digits="build/data/digits.npz",
        model="build/model/classifier.safetensors",
    output:
        searched="build/parts/patch_search/{scatteritem}.json",
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        **paper.job(
            "patch_search_part",
            "patch_search",
            "classifier",
            "occlusion.digit",
            "occlusion.example",
        ),
    message:
        "Search a part of the test images."
    shell:
        paper.RUN


rule patch_search:
    input:
        digits="build/data/digits.npz",
        model="build/model/classifier.safetensors",
        parts=gather.patch_search("build/parts/patch_search/{scatteritem}.json"),
    output:
        measurements="build/measurements/patch_search.json",
        figure="build/figures/patch_search.pdf",
        margin="build/figures/patch_search_margin.pdf",
        moves="build/figures/patch_search_moves.pdf",
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        **paper.job("patch_search", "classifier", "occlusion.digit", "occlusion.example"),
    message:
        "Find the smallest black square that changes the label, over all sizes and places."
    shell:
        paper.RUN


rule full_set:
    input:
        commit="results/full_set/commit",
        kept=sorted(map(str, Path("results/full_set/measurements").glob("*.json"))),
    output:
        measurements="build/measurements/full_set.json",
    resources:
        mem_mb=100,
        runtime=10,
    params:
        **paper.job("full_set"),
    message:
        "Read what the full study measured."
    shell:
        paper.RUN


# Problem 3: the recurrent network by hand.


# A cell without a meaning for its names has that of the shipped cell with the same lines.
CELLS = (
    [] if "meaning" in paper.config["recurrence"] else sorted(Path("config/cells").glob("*.yaml"))
)


rule recurrence:
    input:
        cells=list(map(str, CELLS)),
    output:
        measurements="build/measurements/recurrence.json",
        derivation="build/derivations/recurrence.json",
        figure="build/figures/recurrence.pdf",
    resources:
        mem_mb=300,
        runtime=10,
    params:
        **paper.job("recurrence"),
    message:
        "Derive the recurrent network's gradients and evaluate every step."
    shell:
        paper.RUN


rule gradient_check:
    input:
        recurrence="build/measurements/recurrence.json",
    output:
        measurements="build/measurements/gradient_check.json",
        figure="build/figures/gradient_check.pdf",
    resources:
        mem_mb=600,
        runtime=10,
    params:
        **paper.job("gradient_check", "recurrence"),
    message:
        "Check the derived gradients against independent ways to get them."
    shell:
        paper.RUN


rule originals:
    input:
        original="config/original.yaml",
        recurrence="build/measurements/recurrence.json",
    output:
        measurements="build/measurements/originals.json",
    resources:
        mem_mb=200,
        runtime=10,
    params:
        **paper.job("originals", "recurrence", "gradient_check.epsilon"),
    message:
        "Compare every number that the original printed with the recomputed one."
    shell:
        paper.RUN


# Problem 4: why recurrent networks are hard to train.


rule gradient_lags:
    output:
        measurements="build/measurements/gradient_lags.json",
        figure="build/figures/gradient_lags.pdf",
        explore="build/explore/gradient_lags.json",
    resources:
        mem_mb=600,
        runtime=20,
    params:
        **paper.job("gradient_lags"),
    message:
        "Follow the gradients of untrained recurrent networks back through time."
    shell:
        paper.RUN


rule echo_state:
    output:
        measurements="build/measurements/echo_state.json",
        figure="build/figures/echo_state.pdf",
    resources:
        mem_mb=300,
        runtime=20,
    params:
        **paper.job("echo_state"),
    message:
        "Measure how much echo state networks remember."
    shell:
        paper.RUN


rule training_part:
    output:
        found="build/parts/training/{scatteritem}.json",
    priority: 1  # they take longest
    resources:
        mem_mb=400,
        runtime=120,
    params:
        **paper.job("training_part", "training"),
    message:
        "Train the networks of a part of the settings."
    shell:
        paper.RUN


rule training:
    input:
        parts=gather.training("build/parts/training/{scatteritem}.json"),
    output:
        measurements="build/measurements/training.json",
        figure="build/figures/training.pdf",
        explore="build/explore/training.json",
    resources:
        mem_mb=300,
        runtime=10,
    params:
        **paper.job("training"),
    message:
        "Train recurrent and echo state networks on long delays."
    shell:
        paper.RUN


# Sections, ledger and PDF: after the jobs, which they look up.


include: paper.rules
