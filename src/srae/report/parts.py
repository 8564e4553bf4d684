"""The parts of a report's page: plots and tables are drawn, written and numbered in reading order."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from srae.report.canvas import FORMATS, Variant
from srae.report.charts import MOST_SCORES, draw_levels, draw_pareto, draw_scores, draw_shares
from srae.report.confusion import classes_table, draw_confusion, is_large, pairs_table
from srae.report.curves import MOST_CURVES, draw_variants, panels_of
from srae.report.latex import Plot
from srae.report.predictions import draw_predictions, read_predictions
from srae.report.published import published_table
from srae.report.samples import choose_variants, draw_crops, find_crop, read_samples, with_outputs
from srae.report.section import ReportSection, file_in
from srae.report.sentences import write_sentences
from srae.report.sliders import MAX_SLIDER_SIDE, MAX_SLIDERS, data_uri, make_slider
from srae.report.table_files import write_table
from srae.report.tables import Table, cost_table, differences_table, metrics_table, shares_table, tests_table
from srae.report.words import Words
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


class PageParts:
    """Draws the parts of the page in reading order, and numbers plots and tables."""

    def __init__(self, folder: Path, words: Words, parts: Collection[str], width: float) -> None:
        self.plots, self.tables, self.words = folder / "figures", folder / "tables", words
        self._parts, self._width = [name for name in PARTS if name in parts], width
        self._plot_numbers, self._table_numbers = count(1), count(1)
        self.written_tables: list[str] = []
        """Names of the files in tables/, in the order of the page."""
        self.full_tables: list[str] = []
        """Of those that are too wide for a paper."""
        self.written_plots: list[Plot] = []

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
            "sentences": write_sentences(section, words),
            "parts": [(words[name], blocks) for name, blocks in drawn if blocks],
            "swatches": {v.name: _swatch(v) for v in section.variants},
        }

    def _results(self, section: ReportSection) -> Iterator[dict[str, Any]]:
        words, stem, score = self.words, file_in(self.plots, "scores", section), section.score
        metrics, every = metrics_table(section, words), metrics_table(section, words, full=True)
        yield self._table(metrics, section)
        if len(every.heads) > len(metrics.heads):
            apart = file_in(self.tables, every.name, section)
            write_table(every, apart, formats=("md", "tex"), width=self._width)
            self.full_tables.append(apart.name)
            yield {"kind": "more", "table": every, "label": words["all_metrics"]}
        if draw_scores(section.variants, score, section.baseline, stem, words):
            measured = [v.row for v in section.variants if v.row["interval_over"]]
            known = dict.fromkeys(
                f"{row['seeds']} {words['seeds']}" if row["seeds"] else words["images"] for row in measured
            )
            over = ", ".join(known) or "–"
            caption = words["plot_scores"].format(score=words[score.metric], over=over, split=words[score.split])
            yield self._chart(stem, caption + _best_of(MOST_SCORES, len(measured), words))
        if table := tests_table(section, words):
            yield self._table(table, section)
        yield from self._curves(section)
        stem = file_in(self.plots, "levels", section)
        if factor := draw_levels(section.variants, score, section.baseline, stem, words):
            over = words["seeds" if any(len(v.runs) > 1 for v in section.variants) else "images"]
            yield self._chart(stem, words["plot_levels"].format(factor=factor, over=over))
        stem = file_in(self.plots, "shares", section)
        if draw_shares(section.shares, stem, words) and (table := shares_table(section, words)):
            yield self._chart(stem, words["plot_shares"])
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
                charts.append(self._chart(stem, caption))
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
                charts.append(self._chart(stem, caption))
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
                charts.append(self._chart(stem, caption, share=0.5))
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
        yield self._plot(f"{stem}.png", caption, "strip")
        sliders = [make_slider(sample, variants, words) for sample in samples[:MAX_SLIDERS]]
        note = words["slider_note"]
        if any(max(sample.high.shape) > MAX_SLIDER_SIDE for sample in samples[:MAX_SLIDERS]):
            note += " " + words["slider_cut"].format(side=MAX_SLIDER_SIDE)
        number = words["figure"].format(number=next(self._plot_numbers))
        yield {"kind": "sliders", "sliders": sliders, "label": number, "caption": note, "on_paper": words["on_paper"]}

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
        yield self._plot(f"{stem}.png", caption, "strip")

    def _settings(self, section: ReportSection) -> Iterator[dict[str, Any]]:
        if table := differences_table(section, self.words):
            yield self._table(table, section)
        for variant in section.variants:
            if text := _config_text(variant.runs[0]):
                name = self.words["config_of"].format(run=variant.name_of(variant.runs[0]))
                yield {"kind": "config", "name": name, "text": text}

    def _table(self, table: Table, section: ReportSection) -> dict[str, Any]:
        stem = file_in(self.tables, table.name, section)
        write_table(table, stem, width=self._width)
        self.written_tables.append(stem.name)
        return {"kind": "table", "table": table, "label": self.words["table"].format(number=next(self._table_numbers))}

    def _chart(self, stem: Path, caption: str, share: float = 1.0) -> dict[str, Any]:
        return self._plot(f"{stem}.svg", caption, "chart", share)

    def _plot(self, file: str, caption: str, kind: str, share: float = 1.0) -> dict[str, Any]:
        self.written_plots.append(Plot(Path(file).stem, caption, share))
        return {
            "kind": kind,
            "source": data_uri(Path(file).read_bytes(), "image/svg+xml" if file.endswith(".svg") else "image/png"),
            "alt": caption,
            "label": self.words["figure"].format(number=next(self._plot_numbers)),
            "caption": caption,
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


def _swatch(variant: Variant) -> dict[str, str]:
    return {"color": variant.color, "corners": MARKER_CORNERS.get(variant.marker, "")}


def _config_text(run: Run) -> str:
    try:
        return (run.path / "config.yaml").read_text(encoding="utf-8", errors="replace")[:MAX_CONFIG]
    except OSError:
        return ""
