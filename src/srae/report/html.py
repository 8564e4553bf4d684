"""The report: plots, tables, and one self-contained HTML page.

    srae report cnn4_tanh residual -o report

All text from run folders is escaped by jinja2's autoescape.  The content security
policy of the page allows its one script and one style sheet, by their hashes, and
no other resource.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srae.files import check_new_folder, resource_error, write_text
from srae.report.canvas import PAGE_WIDTH, paper_width
from srae.report.environment import bibtex, commands_of, environment_facts, studies_of
from srae.report.latex import write_document
from srae.report.numbers import typeset
from srae.report.parts import PARTS, PageParts
from srae.report.section import ReportSection, describe_data, describe_protocol, make_sections
from srae.report.sentences import Sentence
from srae.report.table_files import replace_surrogates
from srae.report.webpage import WebPage
from srae.report.words import Words, translate, words_of
from srae.runs.reader import Run


@dataclass(frozen=True)
class SectionText:
    """The texts of one section of a report."""

    heading: str
    section: ReportSection
    sentences: list[Sentence]


def write_report(
    runs: Sequence[Run],
    folder: Path,
    *,
    parts: Collection[str] = tuple(PARTS),
    language: str = "en",
    title: str | None = None,
    top: int | None = None,
    width: float = PAGE_WIDTH,
) -> list[SectionText]:
    """Write plots, tables and the page into a new or empty folder; returns the texts of its sections.

    Args:
        parts: keys of `PARTS`.
        top: so many best experiments; without it all.
        width: points in a line of the paper, for plots and tables.

    Raises:
        ConfigError: the folder is not empty.
        ResourceError: it cannot be written.
    """
    check_new_folder(folder)
    words = words_of(language)
    sections = make_sections(runs, top)
    try:
        for name in ("figures", "tables"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        page = PageParts(folder, words, parts, width)
        with paper_width(width):
            views = [_view(section, words, page) for section in sections]
    except OSError as error:
        raise resource_error(error, folder) from error
    facts = environment_facts([run for section in sections for run in section.group.runs], words)
    protocol = [f"{name}: {value}." for pairs in (*(view["facts"] for view in views), facts) for name, value in pairs]
    tables = [*page.written_tables, *page.full_tables]
    write_document(folder, tables, page.written_plots, protocol=protocol, words=words, width=width)
    text = render_page(views, sections, words, title)
    write_text(folder / "report.html", replace_surrogates(text))
    return [SectionText(v["heading"], s, v["sentences"]) for s, v in zip(sections, views, strict=True)]


def _view(section: ReportSection, words: Words, page: PageParts) -> dict[str, Any]:
    """The values of a section for the template."""
    return {
        "number": section.number,
        "heading": _heading(section, words),
        "facts": _facts(section, words),
        **page.view(section),
    }


def render_page(views: Sequence[dict], sections: Sequence[ReportSection], words: Words, title: str | None) -> str:
    """The page, with the hashes of its script and style sheet in its policy."""
    names = [v.name for s in sections for v in s.variants]
    all_runs = [run for section in sections for run in section.group.runs]
    runs = len(all_runs)
    automatic = words["title_one"].format(run=names[0]) if len(names) == 1 else words["title"].format(count=len(names))
    styles = ("report/page.css", "report/slider.css", "report/template.css")
    page = WebPage("report/template.html", styles=styles, scripts=("report/slider.js", "report/template.js"))
    return page.render(
        w=words,
        title=title or automatic,
        counted=words["counted"].format(runs=runs, experiments=len(names)) if runs > len(names) else "",
        sections=views,
        environment=environment_facts(all_runs, words),
        commands="\n".join(commands_of(all_runs)),
        studies=studies_of(all_runs),
        bibtex=bibtex(),
    )


def _heading(section: ReportSection, words: Words) -> str:
    data, protocol = section.summary.get("data") or {}, section.summary.get("protocol") or {}
    if not data:
        return words["section_unknown"]
    return words["section"].format(data=data.get("name"), channels=protocol.get("channels", "–"))


def _facts(section: ReportSection, words: Words) -> list[tuple[str, str]]:
    counts = (section.summary.get("data") or {}).get("counts") or {}
    data = describe_data(section, words)
    known = [split for split in ("train", "val", "test") if counts.get(split)]
    sizes = [words[f"images_{split}"].format(count=typeset(f"{counts[split]:,}", words)) for split in known]
    if sizes:
        data += ": " + words["and"].join(filter(None, (", ".join(sizes[:-1]), sizes[-1])))
    if section.answers:
        data += ", " + words["classes_count"].format(count=len(section.answers.classes))
    facts = [(words["data"], data), (words["protocol"], describe_protocol(section, words))]
    split = section.score.split
    facts.append((words["compared_on"], f"{words[f'short_{split}']}: {words[f'why_{split}']}"))
    if section.baseline:
        name, value = section.baseline
        facts.append((words["baseline"], f"{translate(name, words)}: {typeset(section.score.show(value), words)}"))
    return facts
