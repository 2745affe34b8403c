# The contents page: one rule per result, in the order of the report.
# A rule names its files and says in a sentence what it does; analysis/<rule>.py does it.
from snakemake.exceptions import WorkflowError

from workings import workflow as workings

try:
    config, job, quoted = workings.prepare(workflow.config_settings)
except workings.InputError as error:
    raise WorkflowError(f"\n{error}")

# A job that runs several processes takes as many as the threads it is granted.
RUN = f"WORKINGS_THREADS={{threads}} {workings.PYTHON} -m workings.job {{rule}} {{params:q}}"
STYLE = workings.style_files()


wildcard_constraints:
    section="|".join(sorted(set(quoted) - {"frontmatter"})),
    seed="[0-9]+",


rule report:
    input:
        shell="report/report.tex",
        style="report/workings.sty",
        references="report/references.bib",
        sections=[
            "build/sections/frontmatter.tex",
            "build/sections/digits.tex",
            "build/sections/classifier.tex",
            "build/sections/filters.tex",
            "build/sections/feature_maps.tex",
            "build/sections/translation.tex",
            "build/sections/occlusion.tex",
            "build/sections/patch_colour.tex",
            "build/sections/atlas.tex",
            "build/sections/patch_search.tex",
            "build/sections/recurrence.tex",
            "build/sections/gradient_check.tex",
            "build/sections/originals.tex",
            "build/sections/gradient_lags.tex",
            "build/sections/echo_state.tex",
            "build/sections/training.tex",
            "build/sections/answers.tex",
            "build/sections/built.tex",
            "build/sections/ledger.tex",
        ],
        figures=[
            "build/figures/digits.pdf",
            "build/figures/classifier.pdf",
            "build/figures/classifier_confusion.pdf",
            "build/figures/filters.pdf",
            "build/figures/filters_deep.pdf",
            "build/figures/feature_maps.pdf",
            "build/figures/feature_maps_recognisable.pdf",
            "build/figures/translation.pdf",
            "build/figures/translation_accuracy.pdf",
            "build/figures/occlusion.pdf",
            "build/figures/patch_colour.pdf",
            "build/figures/atlas.pdf",
            "build/figures/patch_search.pdf",
            "build/figures/patch_search_moves.pdf",
            "build/figures/gradient_check.pdf",
            "build/figures/gradient_lags.pdf",
            "build/figures/echo_state.pdf",
            "build/figures/training.pdf",
        ],
        attached=[
            "build/ledger.json",
            *[f"build/measurements/{name}.json" for name in workings.recorded(config)],
        ],
    output:
        report=update("report/report.pdf"),
    params:
        *job("report", programs=["pdflatex"]),
    message:
        "Typeset the report."
    shell:
        RUN


# Problem 1: what the convolutional network sees.


rule digits:
    input:
        embedded=workings.EMBEDDED,
        found=workings.found_digits(config["digits"]),
        style=STYLE,
    output:
        digits="build/data/digits.npz",
        measurements="build/measurements/digits.json",
        figure="build/figures/digits.pdf",
    params:
        *job("digits"),
    message:
        "Load the handwritten digits."
    shell:
        RUN


rule classifier:
    input:
        digits="build/data/digits.npz",
        style=STYLE,
    output:
        model="build/model/classifier.safetensors",
        measurements="build/measurements/classifier.json",
        figure="build/figures/classifier.pdf",
        confusion="build/figures/classifier_confusion.pdf",
    params:
        *job("classifier"),
    message:
        "Train the convolutional network and test it."
    shell:
        RUN


rule filters:
    input:
        model="build/model/classifier.safetensors",
        style=STYLE,
    output:
        measurements="build/measurements/filters.json",
        figure="build/figures/filters.pdf",
        deep="build/figures/filters_deep.pdf",
    params:
        *job("filters"),
    message:
        "Draw the filters of the three convolutions."
    shell:
        RUN


rule feature_maps:
    input:
        digits="build/data/digits.npz",
        model="build/model/classifier.safetensors",
        style=STYLE,
    output:
        measurements="build/measurements/feature_maps.json",
        figure="build/figures/feature_maps.pdf",
        recognisable="build/figures/feature_maps_recognisable.pdf",
    params:
        *job("feature_maps", "classifier"),
    message:
        "Draw every feature map of two digits and measure how recognisable they are."
    shell:
        RUN


rule translation:
    input:
        digits="build/data/digits.npz",
        model="build/model/classifier.safetensors",
        style=STYLE,
    output:
        measurements="build/measurements/translation.json",
        figure="build/figures/translation.pdf",
        accuracy="build/figures/translation_accuracy.pdf",
    params:
        *job("translation", "classifier"),
    message:
        "Shift a digit, then the whole test set, and read the labels."
    shell:
        RUN


# Problem 2: what the decision on a 6 depends on.


rule occlusion:
    input:
        digits="build/data/digits.npz",
        model="build/model/classifier.safetensors",
        style=STYLE,
    output:
        measurements="build/measurements/occlusion.json",
        maps="build/arrays/occlusion.npz",
        figure="build/figures/occlusion.pdf",
    params:
        *job("occlusion", "classifier"),
    message:
        "Slide a patch over a digit and read the network's answer at every position."
    shell:
        RUN


rule patch_colour:
    input:
        digits="build/data/digits.npz",
        model="build/model/classifier.safetensors",
        style=STYLE,
    output:
        measurements="build/measurements/patch_colour.json",
        figure="build/figures/patch_colour.pdf",
    params:
        *job(
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
        RUN


rule atlas:
    input:
        digits="build/data/digits.npz",
        model="build/model/classifier.safetensors",
        style=STYLE,
    output:
        measurements="build/measurements/atlas.json",
        maps="build/arrays/atlas.npz",
        figure="build/figures/atlas.pdf",
    params:
        *job("atlas", "classifier", "occlusion"),
    message:
        "Average over the test set what a patch does to each class."
    shell:
        RUN


rule patch_search:
    input:
        digits="build/data/digits.npz",
        model="build/model/classifier.safetensors",
        style=STYLE,
    output:
        measurements="build/measurements/patch_search.json",
        figure="build/figures/patch_search.pdf",
        moves="build/figures/patch_search_moves.pdf",
    threads: 2
    params:
        *job("patch_search", "classifier", "occlusion.digit", "occlusion.example"),
    message:
        "Find the smallest black square that changes the label, over all sizes and places."
    shell:
        RUN


# Problem 3: the recurrent network by hand.


rule recurrence:
    output:
        measurements="build/measurements/recurrence.json",
        derivation="build/derivations/recurrence.json",
    params:
        *job("recurrence"),
    message:
        "Derive the recurrent network's gradients and evaluate every step."
    shell:
        RUN


rule gradient_check:
    input:
        recurrence="build/measurements/recurrence.json",
        style=STYLE,
    output:
        measurements="build/measurements/gradient_check.json",
        figure="build/figures/gradient_check.pdf",
    params:
        *job("gradient_check", "recurrence"),
    message:
        "Check the derived gradients against independent ways to get them."
    shell:
        RUN


rule originals:
    input:
        original="config/original.yaml",
        recurrence="build/measurements/recurrence.json",
        gradient_check="build/measurements/gradient_check.json",
    output:
        measurements="build/measurements/originals.json",
    params:
        *job("originals", "recurrence", "gradient_check.epsilon"),
    message:
        "Compare every number that the original printed with the recomputed one."
    shell:
        RUN


# Problem 4: why recurrent networks are hard to train.


rule gradient_lags:
    input:
        style=STYLE,
    output:
        measurements="build/measurements/gradient_lags.json",
        figure="build/figures/gradient_lags.pdf",
    params:
        *job("gradient_lags"),
    message:
        "Follow the gradients of untrained recurrent networks back through time."
    shell:
        RUN


rule echo_state:
    input:
        style=STYLE,
    output:
        measurements="build/measurements/echo_state.json",
        figure="build/figures/echo_state.pdf",
    params:
        *job("echo_state"),
    message:
        "Measure how much echo state networks remember."
    shell:
        RUN


rule training:
    input:
        style=STYLE,
    output:
        measurements="build/measurements/training.json",
        figure="build/figures/training.pdf",
    threads: 2
    params:
        *job("training"),
    message:
        "Train recurrent and echo state networks on long delays."
    shell:
        RUN


# How much of a result is the seed: `snakemake --cores 4 seeds`; no part of the report unless the
# configuration's seeds.report asks for it.


rule seeds:
    input:
        runs=[f"build/seeds/{seed}.json" for seed in config["seeds"]["values"]],
    output:
        measurements="build/measurements/seeds.json",
    params:
        *job("seeds"),
    message:
        "Gather how far each headline measurement spreads over other seeds."
    shell:
        RUN


rule seed:
    input:
        digits="build/data/digits.npz",
        style=STYLE,
    output:
        measurements="build/seeds/{seed}.json",
    params:
        *job(
            "seed",
            "classifier",
            "filters",
            "feature_maps",
            "translation",
            "occlusion",
            "patch_colour",
            "atlas",
            "patch_search",
            "echo_state",
        ),
        lambda wildcards: f"config seed.value = {wildcards.seed}",
    message:
        "Measure what a seed decides once more, from the seed {wildcards.seed}."
    shell:
        RUN


# The write-up.


rule section:
    input:
        template=lambda wildcards: quoted[wildcards.section].templates,
        measurements=lambda wildcards: quoted[wildcards.section].measurements,
        derivations=lambda wildcards: quoted[wildcards.section].derivations,
    output:
        section="build/sections/{section}.tex",
        quotes="build/quotes/{section}.json",
        claims="build/claims/{section}.json",
    params:
        *job("section", "report.claims"),
    message:
        "Fill the section '{wildcards.section}' with the measurements that it quotes."
    shell:
        RUN


rule frontmatter:
    input:
        template=quoted["frontmatter"].templates,
        measurements=quoted["frontmatter"].measurements,
        derivations=quoted["frontmatter"].derivations,
    output:
        section="build/sections/frontmatter.tex",
        quotes="build/quotes/frontmatter.json",
        claims="build/claims/frontmatter.json",
    params:
        *job("section", "report"),
    message:
        "Fill the title and the abstract."
    shell:
        RUN.replace("{rule}", "section")


rule ledger:
    input:
        **{name: list(getattr(rules, name).input) for name in workings.recorded(config)},
        template="templates/sections/ledger.tex.j2",
        templates=list(map(str, workings.templates())),
        quotes=[f"build/quotes/{section}.json" for section in workings.SECTIONS],
        claims=[f"build/claims/{section}.json" for section in workings.SECTIONS],
        measurements=[f"build/measurements/{name}.json" for name in workings.recorded(config)],
        figures=rules.report.input.figures,
    output:
        section="build/sections/ledger.tex",
        ledger="build/ledger.json",
    params:
        *job("ledger", "report.repository", "commit"),
    message:
        "List every printed number and figure with the job, line and inputs it came from."
    shell:
        RUN


onsuccess:
    workings.say_done()


onerror:
    workings.say_failed()
