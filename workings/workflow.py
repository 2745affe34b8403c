"""What a Snakefile needs of the engine: `paper = open_report(workflow)`.

paper.job("lengths")     the params of the rule `lengths`
paper.RUN                the shell line of every job
paper.rules              the rules that write the report up, to include after the jobs
paper.editions           what they make
paper.config             the checked configuration
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache, cached_property, partial
from pathlib import Path

from snakemake.io import IOFile

from workings import config as configuration
from workings import languages
from workings.build import commit, fingerprint, lease, lock, manifests, options, store
from workings.build.files import hold_writable, worded
from workings.build.plan import Plan, forget, read, sent
from workings.messages import InputError, did_you_mean
from workings.notes import note, share
from workings.page import document, letters, lint, template

# The interpreter that runs Snakemake, also where the environment was not activated.
PYTHON = shlex.quote(sys.executable).replace("{", "{{").replace("}", "}}")
SNAKEFILE = Path("Snakefile")
SHELL = Path("report/report.tex")
EDITIONS = {kind: Path(f"report/report.{kind}") for kind in ("pdf", "html")}
SECTIONS = Path("templates/sections")
FIGURES = "build/figures/"
EXPLORED = "build/explore/"
PARTS = "build/parts/"
SEEDS = "seeds"
SEED_FOLDER = "build/seeds/{seed}/"  # instead of build/, for what another seed makes
LEDGER = "ledger"  # the one section that the engine writes
PAGE = "workings/page"  # the engine's own jobs

_opened: dict[int, Report] = {}


def open_report(workflow) -> Report:
    """The report in this folder, for its Snakefile; `workflow` is Snakemake's.

    Locks the folder against a second build, unless nothing is to be run.
    """
    if id(workflow) not in _opened:
        if workflow.is_main_process:
            options.check(sys.argv[1:])
        home = Path(workflow.main_snakefile).resolve().parent
        if home != Path.cwd():
            raise InputError(f"a report is built in its own folder; first: cd {home}")
        try:
            # Snakemake keeps records there, also to say what would run, and a copy of the last report.
            hold_writable(
                Path(".snakemake"),
                16_384 + sum(e.stat().st_size for e in EDITIONS.values() if e.exists()),
            )
            _opened[id(workflow)] = Report(workflow)
        except OSError as error:
            raise InputError(worded(error)) from None
    return _opened[id(workflow)]


@dataclass(frozen=True)
class Job:
    """A rule that measures: what it is asked for by templates.

    Args:
        name: the rule's.
        script: the file with its `main`.
        inputs: the paths of its input files.
        measurements: the file that it records them in.
        derivation: the printed derivation that it makes, or None.
        figures: the paths of the figures that it draws, by their names among the outputs.
    """

    name: str
    script: str
    inputs: list[str]
    measurements: str
    derivation: str | None
    figures: dict[str, str]

    def drawn(self) -> dict[str, str]:
        """The path of each figure by the figure's name."""
        return {Path(path).stem: path for path in self.figures.values()}


@dataclass(frozen=True)
class Section:
    """What a section is filled from.

    Args:
        templates: its template and the partials.
        needs: what they name.
        has_title: whether it sets the title block.
    """

    templates: list[str]
    needs: template.Needs
    has_title: bool


class Report:
    """The report in the current folder."""

    RUN = f"{PYTHON} -m workings.job {{params.plan}} {{threads}}"
    rules = str(Path(__file__).with_name("report.smk"))

    def __init__(self, workflow) -> None:
        self._workflow = workflow
        given = workflow.config_settings
        self._configuration = configuration.load(
            map(_from_here, given.configfiles), given.config_args
        )
        self.config = self._configuration.values
        # For the messages of jobs alone, so that they can name the file and line of a key.
        places = {
            "files": list(self._configuration.files),
            "given": dict(self._configuration.given),
        }
        told = {"WORKINGS_CONFIG": json.dumps(places, default=str)}
        can_print = partial(letters.refuse, engine=self.config["report"]["engine"])
        checks = [(key, text, can_print) for key, text in self._configuration.printed()]
        language, folder = self.config["report"]["language"], self.config["store"]["folder"]
        checks += [("report.language", language, languages.look_up)]
        checks += [("store.folder", folder, store.located)]
        for key, text, check in checks:
            try:
                check(text)
            except InputError as error:
                raise InputError(f"{self._configuration.place(key)}: {key}: {error}") from None
        kept = self.config["store"] | {"folder": str(store.located(folder))}
        self._mark = languages.look_up(language).mark
        # The mark is for the figures of its jobs.
        told |= {"WORKINGS_STORE": json.dumps(kept), "WORKINGS_MARK": self._mark}
        self._dry = workflow.output_settings.dryrun
        self._is_main = workflow.is_main_process
        if not self._is_main:
            lease.begin_submitted()
            os.environ |= told | os.environ  # what the build that sends the job says
        else:
            os.environ |= told
            if not self._dry:
                lock.begin_build()
                lease.begin_build()
                forget()
                if not workflow.local_exec:
                    share()
        self._given: dict[str, dict] = {}  # what each job is given of the configuration
        self._known = self.config | {"commit": commit.read(), "places": places}

    def job(self, name: str, *blocks: str) -> dict[str, Callable]:
        """The params of the rule `name`, whose script is analysis/`name`.py.

        The job is given its own block of the configuration and the other named ones, no more; a
        name with points (`lengths.bin`) gives a single key. Where Snakemake scatters the rule, the
        block `part` says which one it is: `number`, from 1, and `of` how many.
        """
        script = f"{fingerprint.REPORT}/{name}.py"
        if not Path(script).is_file():
            raise InputError(f"{SNAKEFILE}: rule {name}: its script {script} is missing")
        for block in blocks:
            if wrong := self._configuration.unknown(block):
                raise InputError(f"{SNAKEFILE}: rule {name}: {wrong}")
        self._given[name] = part = self._part([name, *blocks])

        def files(wildcards) -> str:
            """Which file has which name: Snakemake compares only which files there are."""
            rule = self._workflow.get_rule(name)
            named = [dict(rule.input.items()), dict(rule.output.items())]
            return f"files {fingerprint.short(json.dumps(named, default=callable))}"

        def given(wildcards) -> tuple[dict, list[str]]:
            if "scatteritem" not in wildcards:
                return part, []
            number, of = map(int, wildcards["scatteritem"].split("-of-"))
            return part | {"part": {"number": number, "of": of}}, []

        return self._params(script, given) | {"files": files}

    def _params(
        self,
        script: str,
        given: Callable[[Mapping], tuple[dict, list[str]]],
        cases: Iterable[Mapping[str, str]] = ({},),
    ) -> dict[str, Callable]:
        """`plan`, whose hash starts the job, and the lines of its fingerprint, which `-n` names.

        Functions, since Snakemake looks for {wildcards} in plain texts and a title may hold braces.
        Of those that ask for `output` it keeps no record, so the hash is no second reason; of the
        others it compares one by one, so each line is a param, empty where a case has no such line.

        Args:
            given: what its result depends on, from the wildcards: configuration and further lines.
            cases: the wildcards that the rule is used with.
        """
        draws = fingerprint.draws(script)

        @cache
        def of_case(*case: tuple[str, str]) -> tuple[dict, dict[str, str]]:
            """The configuration and the lines of the fingerprint, by their keys."""
            wildcards = dict(case)
            config, more = given(wildcards)
            config = _seeded(config, self.config["seeds"]["blocks"], wildcards.get("seed"))
            found = [*fingerprint.lines(script, config), *more]
            found += [f"class = {self.document.layout}"] if draws else []
            found += [f"decimal mark = {self._mark}"] if draws and self._mark != "." else []
            return config, {fingerprint.keyed(line)[0]: line for line in found}

        def line(key: str, wildcards) -> str:
            return of_case(*wildcards.items())[1].get(key, "")

        def plan(wildcards, input, output) -> str:
            config, lines = of_case(*wildcards.items())
            planned = Plan(
                label=" ".join([Path(script).stem, *wildcards]),
                module=script.removesuffix(".py").replace("/", "."),
                inputs=_named(input),
                outputs=_named(output),
                config=config,
                fingerprint=[*lines.values()],
                document=self.document.layout if draws else "",
            )
            if not self._is_main and (command := sent(planned.outputs)):
                _hold_against(command.split()[0], planned)
                return command
            name = planned.hash if self._dry else planned.write()
            command = f"{name} anew" if self._is_forced(planned.outputs.values()) else name
            return command if self._dry or self._workflow.local_exec else planned.send(command)

        keys = dict.fromkeys(key for case in cases for key in of_case(*case.items())[1])
        return {"plan": plan} | {key: partial(line, key) for key in keys}

    def _is_forced(self, outputs: Iterable[str]) -> bool:
        """Whether a person asked for these anew: --forceall, --forcerun, --force."""
        dag = self._workflow.dag
        return any(path in dag.forcefiles for path in outputs) or any(
            rule.is_producer(path) for rule in dag.forcerules for path in outputs
        )

    def look_over(self) -> None:
        """Take away the results that no finished run vouches for; the rules tell what is a result."""
        if not self._is_main or (self._dry and lock.is_building()):
            return
        rules = [rule for rule in self._workflow.rules if hasattr(rule.params, "plan")]

        def is_result(path: str) -> bool:
            return Path(path).exists() and any(rule.is_producer(path) for rule in rules)

        kept = [str(path) for rule in rules for path in rule.output if "update" in path.flags]
        try:
            manifests.look_over(is_result, kept, self._dry)
        except OSError as error:
            raise InputError(worded(error)) from None

    def _part(self, keys: Iterable[str]) -> dict:
        """What stands under these dotted keys, nested as it is."""
        part: dict = {}
        for key in keys:
            part = configuration.laid_over(part, _picked(self._known, key.split(".")))
        return part

    # -- what the rules that write the report up look up ------------------------------------------

    def editions(self, wildcards) -> list[str]:
        """The report, and what it was made from: all that a build leaves, whatever was deleted."""
        sections = [f"build/sections/{name}.tex" for name in self.document.sections]
        measurements = [job.measurements for job in self.recorded.values()]
        made = [str(EDITIONS[kind]) for kind in self.config["report"]["editions"]]
        return [*made, "build/ledger.json", *sections, *measurements]

    @cached_property
    def document(self) -> document.Document:
        """report/report.tex as far as the engine reads it."""
        return document.read(SHELL)

    @cached_property
    def jobs(self) -> dict[str, Job]:
        """The rules that record measurements, in the order of the Snakefile; the seeds' runs last."""
        found = {}
        for rule in self._workflow.rules:
            outputs = dict(rule.output.items())
            if "measurements" in outputs and not rule.wildcard_names and rule.name != SEEDS:
                found[rule.name] = Job(
                    rule.name,
                    f"{fingerprint.REPORT}/{rule.name}.py",
                    self._sources(rule),
                    str(outputs["measurements"]),
                    str(outputs["derivation"]) if "derivation" in outputs else None,
                    {name: str(p) for name, p in outputs.items() if FIGURES in str(p)},
                )
        runs = f"build/measurements/{SEEDS}.json"
        return found | {SEEDS: Job(SEEDS, f"{PAGE}/{SEEDS}.py", [], runs, None, {})}

    def _sources(self, rule) -> list[str]:
        """A rule's input files; for the parts of a divided job, however many, what they are made from."""
        found: list[str] = []
        for path in map(str, _paths(rule.input)):
            if not path.startswith(PARTS):
                found.append(path)
            elif made := [one for one in self._workflow.rules if one.is_producer(path)]:
                found += self._sources(made[0])
        return list(dict.fromkeys(found))

    @cached_property
    def sections(self) -> dict[str, Section]:
        """What each section of the report is filled from, in their order.

        Raises:
            InputError: report.tex, the templates and the rules do not fit together.
        """
        names = [name for name in self.document.sections if name != LEDGER]
        for name in names:
            if not (SECTIONS / f"{name}.tex.j2").is_file():
                there = sorted(file.name.split(".")[0] for file in SECTIONS.glob("*.tex.j2"))
                raise InputError(
                    f"{SHELL}:{self.document.sections[name]}: the section '{name}' has no template "
                    f"{SECTIONS}/{name}.tex.j2; {did_you_mean(name, there)}"
                    f"there is {', '.join(there) or 'none'}"
                )
        found = {name: _section(f"sections/{name}.tex.j2") for name in names}
        self._hold_together(found)
        files = dict.fromkeys(file for section in found.values() for file in section.templates)
        read, engine = [*map(Path, files)], self.config["report"]["engine"]
        wrong = list(letters.in_sources([SHELL, *read], engine))
        wrong += lint.of_templates(read, self.document.references, self.document.biber, engine)
        if wrong:
            raise InputError("\n".join(map(str, wrong)))
        return found

    def _hold_together(self, sections: dict[str, Section]) -> None:
        used = {file for section in sections.values() for file in section.templates}
        problems = [
            f"{file}: {SHELL} has no \\input{{build/sections/{file.name.split('.')[0]}}}; add it "
            "where the section belongs, or delete the template"
            for file in sorted(SECTIONS.glob("*.tex.j2"))
            if str(file) not in used
        ]
        problems += [
            f"{SNAKEFILE}: rule {name}: a template cannot name it, for '{name}' has its own meaning "
            "there; take another name"
            for name in self.jobs
            if name in template.WORDS and name != SEEDS
        ]
        drawn = [name for job in self.jobs.values() for name in job.drawn()]
        derived = [job.name for job in self.jobs.values() if job.derivation]
        known = [*(name for name in self.jobs if name != SEEDS), "config", "derivation"]
        for section in sections.values():
            for name, place in section.needs.jobs.items():
                if name not in self.jobs and name != SEEDS:
                    problems.append(
                        f"{place}: no rule of the {SNAKEFILE} records measurements under the name "
                        f"'{name}'; {did_you_mean(name, known)}known here: {', '.join(known)}"
                    )
            for key, place in section.needs.config.items():
                if wrong := self._configuration.unknown(key):
                    problems.append(f"{place}: {wrong}")
            for name, place in section.needs.derivations.items():
                if name not in derived:
                    problems.append(f"{place}: the rule '{name}' has no output `derivation`")
            for name, place in section.needs.figures.items():
                if name not in drawn:
                    problems.append(
                        f"{place}: no rule draws the figure '{name}', with an output "
                        f"{FIGURES}{name}.pdf; {did_you_mean(name, drawn)}".rstrip("; ")
                    )
        named = {name for section in sections.values() for name in section.needs.jobs}
        problems += [
            f"{SNAKEFILE}: the rule '{name}' records measurements that no template names; write "
            f"{SECTIONS}/{name}.tex.j2 and its \\input in {SHELL}"
            for name in self.jobs
            if name not in named and name != SEEDS
        ]
        # Where the report is built already, Snakemake would take it for a file that nothing makes.
        rules = list(self._workflow.rules)
        problems += [
            f"{SNAKEFILE}: rule {rule.name}: its input {path} is not there, and no rule makes it"
            for rule in rules
            for path in (rule.input if rule.name in self.jobs else ())
            if isinstance(path, str) and not path.is_storage and not Path(path).exists()
            if not any(other.is_producer(path) for other in rules)
        ]
        if problems:
            raise InputError("\n".join(problems))

    def section_files(self, name: str) -> dict[str, list[str]]:
        """The input files of the section `name`."""
        section = self.sections[name]
        jobs = [self.recorded[job] for job in section.needs.jobs if job in self.recorded]
        return {
            "template": section.templates,
            "measurements": [job.measurements for job in jobs],
            "derivations": [self.jobs[name].derivation for name in section.needs.derivations],
        }

    def section_job(self) -> dict[str, Callable]:
        """The params of the rule `section`: the choices that its template names, no others."""

        def given(wildcards) -> tuple[dict, list[str]]:
            section = self.sections[wildcards["section"]]
            chosen = ("report.claims", "report.language", "report.engine")
            if not section.has_title:
                return self._part([*chosen, *section.needs.config]), []
            part = self._part(["report", *section.needs.config])
            if self.config["report"]["date"] == "commit":
                part["commit"] = {"date": self._known["commit"]["date"]}
            return part, [f"class = {self.document.name}"]

        cases = [{"section": name} for name in self.sections]
        return self._params(f"{PAGE}/section.py", given, cases)

    def printed_figures(self) -> list[str]:
        """The figures that the sections show."""
        paths = {n: path for job in self.jobs.values() for n, path in job.drawn().items()}
        shown = dict.fromkeys(
            name for section in self.sections.values() for name in section.needs.figures
        )
        return [paths[name] for name in shown]

    def ledger_job(self) -> dict[str, Callable]:
        """The params of the rule `ledger`: the lines that it names move with any code."""
        jobs = {
            name: asdict(job) | {"configuration": self._given.get(name, {})}
            for name, job in self.recorded.items()
        }
        code = {file for job in jobs.values() for file in fingerprint.reached(job["script"])[0]}
        lines = [f"text {f} {store.sum_of(fingerprint.located(f))[:12]}" for f in sorted(code)]
        texts = {name: (SECTIONS / f"{name}.tex.j2").read_text() for name in self.sections}
        chosen = (
            "report.ledger",
            "report.repository",
            "report.language",
            "report.engine",
            "commit",
            "places",
        )
        part = self._part(chosen) | {
            "jobs": jobs,
            "sections": {name: rf"\label{{sec:{name}}}" in text for name, text in texts.items()},
            "figures": [Path(path).stem for path in self.printed_figures()],
            "page": "html" in self.config["report"]["editions"],
        }
        return self._params(f"{PAGE}/ledger.py", lambda wildcards: (part, lines))

    @cached_property
    def _decided(self) -> list:
        """The rules that a tried seed decides: their configuration has it, or one of their inputs does."""
        tried = self.config["seeds"]["blocks"]
        rules = [rule for rule in self._workflow.rules if not _is_seeds(rule)]
        found = [
            r for r in rules if any("seed" in self._given.get(r.name, {}).get(b, {}) for b in tried)
        ]
        for decided in found:  # which grows meanwhile
            for rule in rules:
                if rule not in found and any(
                    decided.is_producer(path) for path in _paths(rule.input)
                ):
                    found.append(rule)
        return found

    def share_with_seeds(self) -> None:
        """Let the seeds' runs read what no seed decides where it is: it is made once."""
        if not self._decided:
            return  # there are no such runs
        for rule in filter(_is_seeds, self._workflow.rules):
            for place, path in enumerate(rule.input):
                if isinstance(path, str) and path.startswith(SEED_FOLDER):
                    own = path.replace(SEED_FOLDER, "build/", 1)
                    if not any(decided.is_producer(own) for decided in self._decided):
                        rule.input[place] = IOFile(own, rule=rule)
            for name, places in dict(rule.input._get_names()).items():
                rule.input._set_name(name, *places)

    def seed_runs(self) -> list[str]:
        """The measurements of every wanted job that a tried seed decides, from each of the seeds."""
        decided = {str(path) for rule in self._decided for path in rule.output}
        wanted = self.config["seeds"]["jobs"]
        for name in wanted or []:
            if name not in self.jobs or self.jobs[name].measurements not in decided:
                raise InputError(
                    f"{self._configuration.place('seeds.jobs')}: seeds.jobs: no seed of seeds.blocks "
                    f"decides '{name}'; {did_you_mean(name, self.jobs)}leave it out"
                )
        paths = [
            job.measurements
            for job in self.jobs.values()
            if job.measurements in decided and (wanted is None or job.name in wanted)
        ]
        return [
            path.replace("build/", SEED_FOLDER.format(seed=seed), 1)
            for seed in self.config["seeds"]["values"]
            for path in paths
        ]

    def seeds_job(self) -> dict[str, Callable]:
        """The params of the rule `seeds`."""
        return self._params(f"{PAGE}/seeds.py", lambda wildcards: ({}, []))

    @property
    def recorded(self) -> dict[str, Job]:
        """The jobs whose measurements the report may print: the seeds' runs only when it asks."""
        asked = self.config["seeds"]["report"]
        return {name: job for name, job in self.jobs.items() if name != SEEDS or asked}

    def configuration_files(self) -> list[str]:
        """The report's files of the configuration."""
        return list(self._configuration.files)

    def typeset_job(self) -> dict[str, Callable]:
        """The params of the rule `report`."""
        engine = self.config["report"]["engine"]
        style = sorted((fingerprint.ENGINE / "style").glob("*.sty"))
        lines = [f"style {file.name} {store.sum_of(file)[:12]}" for file in style]
        lines += [f"program {engine} = {fingerprint.program_version(engine)}"]
        part = self._part(["report.engine", "report.language"])
        return self._params(f"{PAGE}/typeset.py", lambda wildcards: (part, lines))

    def page_job(self) -> dict[str, Callable]:
        """The params of the rule `page`: the web edition."""

        style = sorted((fingerprint.ENGINE / "style/web").rglob("*.*"))
        lines = [f"style {file.name} {store.sum_of(file)[:12]}" for file in style]
        part = self._part(["report"])
        return self._params(f"{PAGE}/web/page.py", lambda wildcards: (part, lines))

    def explored(self) -> list[str]:
        """The data of the figures that can be explored in the page: outputs of jobs, named as the figures."""
        return [
            str(path)
            for rule in self._workflow.rules
            for path in rule.output
            if str(path).startswith(EXPLORED) and not rule.wildcard_names
        ]

    def templates(self) -> list[str]:
        """Every section's template with its partials."""
        files = [file for section in self.sections.values() for file in section.templates]
        return list(dict.fromkeys(files))

    def section_names(self) -> str:
        """What the wildcard of the rule `section` may be."""
        return "|".join(map(re.escape, self.sections)) or "-"


def _paths(files: Iterable) -> Iterable[str]:
    """Those that are not looked up later."""
    return (path for path in files if isinstance(path, str))


def _is_seeds(rule) -> bool:
    """Whether it is a job once more with another seed."""
    begun = SEED_FOLDER.removesuffix("}/")  # what a seed may look like follows
    return any(path.startswith(begun) for path in _paths(rule.output))


def _section(name: str) -> Section:
    """What the template `name` is filled from."""
    files = template.partials(name)
    trees = [template.parse(Path(file)) for file in files]
    has_title = any(list(template.blocks(tree, "frontmatter")) for tree in trees)
    return Section(files, template.needs(name), has_title)


def _picked(block: Mapping, steps: list[str]) -> dict:
    """What the steps lead to, nested as it is: a list comes whole, and what is not there not at all."""
    step, *rest = steps
    if step not in block:
        return {}
    held = block[step]
    return {step: _picked(held, rest) if rest and isinstance(held, Mapping) else held}


def _seeded(config: dict, blocks: Iterable[str], seed: str | None) -> dict:
    """The configuration with another seed in the blocks whose seed is tried."""
    if seed is None:
        return config
    tried = {block: config[block] | {"seed": int(seed)} for block in blocks if block in config}
    return config | tried


def _hold_against(name: str, here: Plan) -> None:
    """Refuse to run a plan on a machine that would come to another one.

    Args:
        name: the plan, as the machine that submits jobs wrote it.
        here: the same job's plan by the code and the packages that are found here.

    Raises:
        InputError: they differ; what a person chose may, since the job is given what was submitted.
    """
    sides = [
        {line for line in planned.fingerprint if not line.startswith(("config ", "order "))}
        for planned in (read(name), here)
    ]
    if differing := sorted(set.symmetric_difference(*sides)):
        keys = dict.fromkeys(fingerprint.keyed(line)[0] for line in differing)
        error = (
            f"{socket.gethostname()}: this machine has not what the job '{here.label}' was submitted "
            f"with: {', '.join(keys)}. Where it changed meanwhile, run the same command again; otherwise "
            "every machine needs the same environment, in a folder that they share"
        )
        note("failed", next(iter(here.outputs.values())), f"workings: {error}")
        raise InputError(error)


def _from_here(file: str | Path) -> Path:
    """The file by its name in this folder, where it is in it."""
    path = Path(file)
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _named(files) -> dict:
    return {name: list(f) if not isinstance(f, str) else str(f) for name, f in files.items()}
