# The rules that write a report up. A Snakefile includes them after its jobs, which they look up.
from workings.workflow import SEED_FOLDER, open_report

_paper = open_report(workflow)


wildcard_constraints:
    seed="[0-9]+",


# The module at the end reads the whole Snakefile once more; only its jobs are wanted then.
if __name__ != "other_seeds":

    rule seeds:
        input:
            runs=lambda wildcards: _paper.seed_runs(),
        output:
            measurements="build/measurements/seeds.json",
        resources:
            mem_mb=200,
            runtime=10,
        params:
            **_paper.seeds_job(),
        message:
            "Gather how far each measurement spreads over other seeds."
        shell:
            _paper.RUN

    rule section:
        input:
            template=lambda wildcards: _paper.section_files(wildcards.section)["template"],
            measurements=lambda wildcards: _paper.section_files(wildcards.section)["measurements"],
            derivations=lambda wildcards: _paper.section_files(wildcards.section)["derivations"],
        output:
            section="build/sections/{section}.tex",
            quotes="build/quotes/{section}.json",
            claims="build/claims/{section}.json",
        wildcard_constraints:
            section=_paper.section_names(),
        resources:
            mem_mb=200,
            runtime=5,
        params:
            **_paper.section_job(),
        message:
            "Fill the section with the values that it prints."
        shell:
            _paper.RUN

    rule ledger:
        input:
            templates=_paper.templates(),
            configuration=_paper.configuration_files(),
            quotes=[f"build/quotes/{section}.json" for section in _paper.sections],
            claims=[f"build/claims/{section}.json" for section in _paper.sections],
            measurements=[job.measurements for job in _paper.recorded.values()],
            figures=_paper.printed_figures(),
            inputs=[path for job in _paper.recorded.values() for path in job.inputs],
        output:
            section="build/sections/ledger.tex",
            ledger="build/ledger.json",
        resources:
            mem_mb=300,
            runtime=10,
        params:
            **_paper.ledger_job(),
        message:
            "List every printed value and figure with the job, line and inputs it came from."
        shell:
            _paper.RUN

    rule report:
        input:
            shell="report/report.tex",
            references=_paper.document.references,
            sections=[f"build/sections/{section}.tex" for section in _paper.document.sections],
            figures=_paper.printed_figures(),
            attached=["build/ledger.json", *(job.measurements for job in _paper.recorded.values())],
        output:
            report=update("report/report.pdf"),
        resources:
            mem_mb=700,
            runtime=20,
        params:
            **_paper.typeset_job(),
        message:
            "Typeset the report."
        shell:
            _paper.RUN

    rule page:
        input:
            shell="report/report.tex",
            references=_paper.document.references,
            sections=[f"build/sections/{section}.tex" for section in _paper.sections],
            claims=[f"build/claims/{section}.json" for section in _paper.sections],
            figures=_paper.printed_figures(),
            explored=_paper.explored(),
            ledger="build/ledger.json",
            seeds=[_paper.recorded["seeds"].measurements] if "seeds" in _paper.recorded else [],
        output:
            page=update("report/report.html"),
        priority: 1  # before the PDF, which takes longer
        resources:
            mem_mb=500,
            runtime=20,
        params:
            **_paper.page_job(),
        message:
            "Set the page: the same report for a browser."
        shell:
            _paper.RUN

    # Every job once more with another seed, in a folder of its own: `snakemake seeds`.
    module other_seeds:
        snakefile:
            workflow.main_snakefile
        config:
            config
        replace_prefix:
            {"build/": SEED_FOLDER}

    use rule * from other_seeds as seed_*

    _paper.share_with_seeds()
    _paper.look_over()
