"""The report: plots, tables, and one self-contained HTML page.

    srae report cnn4_tanh residual -o report

All text from run folders is escaped by jinja2's autoescape.  The content security
policy of the page allows its one script and one style sheet, by their hashes, and
no other resource.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import count
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from srae.files import check_new_folder, resource_error, write_text
from srae.report.canvas import FORMATS, Variant
from srae.report.charts import MOST_BARS, draw_bars, draw_levels, draw_pareto, draw_shares
from srae.report.confusion import classes_table, draw_confusion, is_large, pairs_table
from srae.report.curves import MOST_CURVES, draw_variants, panels_of
from srae.report.predictions import draw_predictions, read_predictions
from srae.report.published import published_table
from srae.report.samples import choose_variants, draw_crops, find_crop, read_samples, with_outputs
from srae.report.section import ReportSection, describe_data, describe_protocol, file_in, make_sections
from srae.report.sentences import Sentence, write_sentences
from srae.report.sliders import MAX_SLIDER_SIDE, MAX_SLIDERS, data_uri, make_slider
from srae.report.tables import (
    Table,
    cost_table,
    differences_table,
    metrics_table,
    replace_surrogates,
    shares_table,
    tests_table,
    write_table,
)
from srae.report.words import Words, translate, words_of
from srae.runs.reader import Run

MAX_CONFIG = 20_000  # characters
PARTS = {"results": "results", "classes": "by_class", "cost": "cost_head", "looks": "looks", "settings": "settings"}
"""Parts that a study may ask for (`draw`), in the order of the page -> key of the heading."""

# Corners in a box of 10 x 10; a circle where there are none.
MARKER_CORNERS = {
    "s": "1,1 9,1 9,9 1,9", "D": "5,0 10,5 5,10 0,5", "^": "5,0.5 10,9.5 0,9.5", "v": "0,0.5 10,0.5 5,9.5",
    "P": "3.4,0 6.6,0 6.6,3.4 10,3.4 10,6.6 6.6,6.6 6.6,10 3.4,10 3.4,6.6 0,6.6 0,3.4 3.4,3.4",
    "*": "5,0 6.2,3.6 10,3.7 6.9,6 8.1,9.7 5,7.5 1.9,9.7 3.1,6 0,3.7 3.8,3.6",
    "X": "0,2 2,0 5,3 8,0 10,2 7,5 10,8 8,10 5,7 2,10 0,8 3,5",
}  # fmt: skip


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
) -> list[SectionText]:
    """Write plots, tables and `report.html` into a new or empty folder; returns the texts of its sections.

    Args:
        parts: keys of `PARTS`.
        top: so many best experiments; without it all.

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
        page = _Page(folder, words, parts)
        views = [page.view(section) for section in sections]
    except OSError as error:
        raise resource_error(error, folder) from error
    text = render_page(views, sections, words, title)
    write_text(folder / "report.html", replace_surrogates(text))
    return [SectionText(v["heading"], s, v["sentences"]) for s, v in zip(sections, views, strict=True)]


def render_page(views: Sequence[dict], sections: Sequence[ReportSection], words: Words, title: str | None) -> str:
    """The page, with the hashes of its script and style sheet in its policy."""
    parts = {name: _resource(f"template.{name}") for name in ("html", "css", "js")}
    names = [v.name for s in sections for v in s.variants]
    runs = sum(len(section.group.runs) for section in sections)
    automatic = words["title_one"].format(run=names[0]) if len(names) == 1 else words["title"].format(count=len(names))
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(parts["html"]).render(
        w=words,
        title=title or automatic,
        counted=words["counted"].format(runs=runs, experiments=len(names)) if runs > len(names) else "",
        sections=views,
        css=Markup(parts["css"]),  # ours, not escaped; so is the script
        js=Markup(parts["js"]),
        css_hash=_hash(parts["css"]),
        js_hash=_hash(parts["js"]),
    )


def _resource(name: str) -> str:
    return resources.files("srae.report").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


class _Page:
    """Draws the parts of the page in reading order, and numbers plots and tables."""

    def __init__(self, folder: Path, words: Words, parts: Collection[str]) -> None:
        self.plots, self.tables, self.words = folder / "figures", folder / "tables", words
        self._parts = [name for name in PARTS if name in parts]
        self._plot_numbers, self._table_numbers = count(1), count(1)

    def view(self, section: ReportSection) -> dict[str, Any]:
        """The values of a section for the template."""
        words = self.words
        draw = {
            "results": self._results,
            "classes": self._classes,
            "cost": self._cost,
            "looks": self._looks,
            "settings": self._settings,
        }
        drawn = [(PARTS[name], list(draw[name](section))) for name in self._parts]
        return {
            "number": section.number,
            "heading": _heading(section, words),
            "facts": _facts(section, words),
            "sentences": write_sentences(section, words),
            "parts": [(words[name], blocks) for name, blocks in drawn if blocks],
            "swatches": {v.name: _swatch(v) for v in section.variants},
        }

    def _results(self, section: ReportSection) -> Iterator[dict[str, Any]]:
        words, stem, score = self.words, file_in(self.plots, "bars", section), section.score
        yield self._table(metrics_table(section, words), section)
        if draw_bars(section.variants, score, section.baseline, stem, words):
            measured = [v.row for v in section.variants if v.row["interval_over"]]
            known = dict.fromkeys(
                f"{row['seeds']} {words['seeds']}" if row["seeds"] else words["images"] for row in measured
            )
            over = ", ".join(known) or "–"
            caption = words["plot_bars"].format(score=words[score.metric], over=over, split=words[score.split])
            caption += " " + words["bars_gain"] if section.baseline else ""
            yield self._chart(stem, caption + _best_of(MOST_BARS, len(measured), words), section)
        if table := tests_table(section, words):
            yield self._table(table, section)
        yield from self._curves(section)
        stem = file_in(self.plots, "levels", section)
        if factor := draw_levels(section.variants, score, section.baseline, stem, words):
            over = words["seeds" if any(len(v.runs) > 1 for v in section.variants) else "images"]
            yield self._chart(stem, words["plot_levels"].format(factor=factor, over=over), section)
        stem = file_in(self.plots, "shares", section)
        if draw_shares(section.shares, stem, words) and (table := shares_table(section, words)):
            yield self._chart(stem, words["plot_shares"], section)
            yield self._table(table, section)
        if table := published_table(section, words):
            yield self._table(table, section)

    def _curves(self, section: ReportSection) -> Iterator[dict[str, Any]]:
        all_begun = [v for v in section.variants if v.runs[0].rows]
        begun = all_begun[:MOST_CURVES]  # so many are best first
        band = self.words["plot_band"] if any(len(v.runs) > 1 for v in section.variants) else ""
        charts = []
        for name, panel in zip(("curves", "accuracy"), panels_of(section.score), strict=False):
            if begun:
                stem = file_in(self.plots, name, section)
                draw_variants(begun, [panel], stem, words=self.words, formats=FORMATS)
                caption = self.words[f"plot_{panel.name}"].format(band=band)
                caption += _best_of(MOST_CURVES, len(all_begun), self.words)
                charts.append(self._chart(stem, caption, section))
        yield from _side_by_side(charts)

    def _classes(self, section: ReportSection) -> Iterator[dict[str, Any]]:
        words, answers = self.words, section.answers
        if answers is None:
            return
        charts = []
        for number, variant in enumerate(section.variants, 1):
            if variant.name in answers.counts:
                stem = file_in(self.plots, f"confusion_{number}", section)
                draw_confusion(answers, variant.name, stem, words)
                facts = {"run": variant.name, "split": words[answers.split]}
                caption = words["plot_confusion"].format(**facts)
                caption += " " + words["confusion_large" if is_large(answers) else "confusion_numbers"]
                caption += " " + words["confusion_seeds"] if len(variant.runs) > 1 else ""
                charts.append(self._chart(stem, caption, section))
        yield from _side_by_side(charts)
        if is_large(answers) and (table := pairs_table(section, answers, words)):
            yield self._table(table, section)
        yield self._table(classes_table(section, answers, words), section)

    def _cost(self, section: ReportSection) -> Iterator[dict[str, Any]]:
        yield self._table(cost_table(section, self.words), section)
        charts = []
        for cost in ("parameters", "multiply_adds", "seconds"):
            stem = file_in(self.plots, f"pareto_{cost}", section)
            baseline = section.baseline
            if draw_pareto(section.variants, section.score, cost, baseline=baseline, stem=stem, words=self.words):
                caption = f"{self.words[f'plot_pareto_{cost}']} {self.words['frontier_note']}"
                charts.append(self._chart(stem, caption, section))
        yield from _side_by_side(charts)

    def _looks(self, section: ReportSection) -> Iterator[dict[str, Any]]:
        yield from self._predictions(section)
        words = self.words
        variants, models = choose_variants(with_outputs(section.variants), section.score)
        samples = read_samples(variants)
        shown = [v for v in variants if v.row.get("parameters") != 0]
        crop = find_crop(samples, [v.name for v in shown or variants])
        if crop is None:
            return
        stem = file_in(self.plots, "strip", section)
        draw_crops(crop, samples, variants, stem, words)
        caption = words["plot_rows" if crop.is_full_image else "plot_strip"].format(
            side=crop.side, sample=crop.sample.name, kept=_kept(len(shown), models, words)
        )
        yield self._plot(f"{stem}.png", caption, section, "strip")
        sliders = [make_slider(sample, variants, words) for sample in samples[:MAX_SLIDERS]]
        note = words["slider_note"]
        if any(max(sample.high.shape) > MAX_SLIDER_SIDE for sample in samples[:MAX_SLIDERS]):
            note += " " + words["slider_cut"].format(side=MAX_SLIDER_SIDE)
        number = words["figure"].format(number=next(self._plot_numbers))
        yield {"kind": "sliders", "sliders": sliders, "label": number, "caption": note}

    def _predictions(self, section: ReportSection) -> Iterator[dict[str, Any]]:
        words, answers = self.words, section.answers
        answered = [v for v in section.variants if answers and v.name in answers.counts]
        variants, models = choose_variants(answered, section.score)
        predictions = read_predictions(variants)
        if not answers or not predictions:
            return
        stem = file_in(self.plots, "predictions", section)
        draw_predictions(predictions, variants, stem, words)
        caption = words["plot_predictions"].format(
            count=len(predictions), split=words[answers.split], kept=_kept(len(variants), models, words)
        )
        yield self._plot(f"{stem}.png", caption, section, "strip")

    def _settings(self, section: ReportSection) -> Iterator[dict[str, Any]]:
        if table := differences_table(section, self.words):
            yield self._table(table, section)
        for variant in section.variants:
            if text := _config_text(variant.runs[0]):
                name = self.words["config_of"].format(run=variant.name_of(variant.runs[0]))
                yield {"kind": "config", "name": name, "text": text}

    def _table(self, table: Table, section: ReportSection) -> dict[str, Any]:
        write_table(table, file_in(self.tables, table.name, section))
        return {"kind": "table", "table": table, "label": self.words["table"].format(number=next(self._table_numbers))}

    def _chart(self, stem: Path, caption: str, section: ReportSection) -> dict[str, Any]:
        return self._plot(f"{stem}.svg", caption, section, "chart")

    def _plot(self, file: str, caption: str, section: ReportSection, kind: str) -> dict[str, Any]:
        words = self.words
        data, protocol = describe_data(section, words), describe_protocol(section, words)
        return {
            "kind": kind,
            "source": data_uri(Path(file).read_bytes(), "image/svg+xml" if file.endswith(".svg") else "image/png"),
            "alt": caption,
            "label": words["figure"].format(number=next(self._plot_numbers)),
            "caption": f"{caption} {words['data']}: {data}. {words['protocol']}: {protocol}.",
        }


def _side_by_side(charts: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    if len(charts) > 1:
        yield {"kind": "pair", "charts": charts}
    else:
        yield from charts


def _kept(shown: int, models: int, words: Words) -> str:
    return words["kept"].format(count=shown - 1, all=models) if models > shown else ""


def _best_of(most: int, count: int, words: Words) -> str:
    return words["best_of"].format(count=most, all=count) if count > most else ""


def _heading(section: ReportSection, words: Words) -> str:
    data, protocol = section.summary.get("data") or {}, section.summary.get("protocol") or {}
    if not data:
        return words["section_unknown"]
    return words["section"].format(data=data.get("name"), channels=protocol.get("channels", "–"))


def _facts(section: ReportSection, words: Words) -> list[tuple[str, str]]:
    counts = (section.summary.get("data") or {}).get("counts") or {}
    data = describe_data(section, words)
    if counts:
        sizes = " / ".join(f"{counts[side]} {side}" for side in ("train", "val", "test") if counts.get(side))
        data += f", {sizes} {words['images']}"
    if section.answers:
        data += ", " + words["classes_count"].format(count=len(section.answers.classes))
    facts = [(words["data"], data), (words["protocol"], describe_protocol(section, words))]
    split = section.score.split
    facts.append((words["compared_on"], f"{words[f'short_{split}']}: {words[f'why_{split}']}"))
    if section.baseline:
        name, value = section.baseline
        mse = (section.group.baseline or {}).get("mse")
        error = f", {words[f'{split}_mse']} {mse:.6f}" if mse else ""
        facts.append((words["baseline"], f"{translate(name, words)}: {section.score.show(value)}{error}"))
    return facts


def _swatch(variant: Variant) -> dict[str, str]:
    return {"color": variant.color, "corners": MARKER_CORNERS.get(variant.marker, "")}


def _config_text(run: Run) -> str:
    try:
        return (run.path / "config.yaml").read_text(encoding="utf-8", errors="replace")[:MAX_CONFIG]
    except OSError:
        return ""
