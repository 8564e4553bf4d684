"""All texts of a report, in English and Spanish.

A text is looked up by its key: `words["best"].format(run="a")`.  `translate` takes
English phrases that run folders contain (a baseline's name, the SSIM window) and
returns unknown phrases unchanged.
"""

from __future__ import annotations

import re

from srae.config.measures import METRICS
from srae.report.phrases import CAPTIONS, PHRASES
from srae.report.statements import SENTENCES

LANGUAGES = ("en", "es")
Words = dict[str, str]

# key: (English, Spanish)
_TEXTS: dict[str, tuple[str, str]] = {
    **CAPTIONS,
    **SENTENCES,
    "caption_table": (
        "Mean and 95 % interval, over what the last column says.",
        "Media e intervalo del 95 %, sobre lo que dice la última columna.",
    ),
    # the page
    "lang": ("en", "es"),
    "title": ("Comparison of {count} experiments", "Comparación de {count} experimentos"),
    "title_one": ("Report on {run}", "Informe de {run}"),
    "counted": ("{runs} runs, {experiments} experiments", "{runs} entrenamientos, {experiments} experimentos"),
    "contents": ("Contents", "Contenido"),
    "section": ("Data {data}, {channels}", "Datos {data}, {channels}"),
    "section_unknown": ("Data not recorded yet", "Datos aún no registrados"),
    "apart": (
        "These runs differ in data or protocol. Their metrics cannot be compared: each section has its own tables.",
        "Estos entrenamientos difieren en datos o protocolo. Sus métricas no se pueden comparar: cada sección "
        "tiene sus propias tablas.",
    ),
    "data": ("Data", "Datos"),
    "protocol": ("Protocol", "Protocolo"),
    "baseline": ("Baseline", "Referencia"),
    "compared_on": ("Compared on", "Comparación en"),
    "and": (" and ", " y "),
    "images_train": ("{count} images for training", "{count} imágenes de entrenamiento"),
    "images_val": ("{count} for validation (val)", "{count} de validación (val)"),
    "images_test": ("{count} for testing (test)", "{count} de prueba (test)"),
    "classes_count": ("{count} classes", "{count} clases"),
    "unknown": ("not recorded yet", "aún no registrado"),
    "findings": ("What the numbers say", "Conclusiones"),
    "results": ("Results", "Resultados"),
    "cost_head": ("Cost", "Coste"),
    "by_class": ("Class by class", "Clase por clase"),
    "looks": ("What it looks like", "Resultados visuales"),
    "settings": ("Settings", "Configuración"),
    "config_of": ("Configuration of {run}", "Configuración de {run}"),
    "two_seeds": (
        "Of two seeds both values are in parentheses: they are too few for an interval.",
        "De dos semillas se dan ambos valores entre paréntesis: son muy pocas para un intervalo.",
    ),
    "between": (", ", "; "),  # the ends of an interval; a comma is the decimal sign in Spanish
    "table_name": ("Table", "Tabla"),
    "figure_name": ("Figure", "Figura"),
    "table": ("Table {number}.", "Tabla {number}."),
    "figure": ("Figure {number}.", "Figura {number}."),
    "sort_hint": ("Click a heading to sort.", "Pulse un encabezado para ordenar."),
    "scroll": ("{what}, scrolls sideways", "{what}, se desplaza a los lados"),
    "files": (
        "Plots are in figures/ as SVG, PDF and PNG; tables are in tables/ as CSV, Markdown and LaTeX; "
        "report.tex puts all of them on paper.",
        "Los gráficos están en figures/ como SVG, PDF y PNG; las tablas en tables/ como CSV, Markdown y LaTeX; "
        "report.tex los reúne en un documento.",
    ),
    "all_metrics": ("All metrics", "Todas las métricas"),
    "below_axis": (", below this axis", ", por debajo del eje"),
    # environment and reproduction
    "environment": ("Environment and reproduction", "Entorno y reproducción"),
    "trained": ("Trained on", "Fecha de entrenamiento"),
    "machine": ("Machine", "Equipo"),
    "cores": ("cores", "núcleos"),
    "threads": ("Threads", "Hilos"),
    "versions": ("Versions", "Versiones"),
    "commit": ("Commit of srae", "Revisión de srae"),
    "seeds_used": ("Seeds", "Semillas"),
    "time_in_all": ("Training time", "Tiempo de entrenamiento"),
    "time_of": ("{time} for {runs} runs", "{time} en total ({runs} entrenamientos)"),
    "commands": ("Commands", "Órdenes"),
    "cite": ("To cite srae", "Para citar srae"),
    "left": ("left", "izquierda"),
    "right": ("right", "derecha"),
    "slider": ("{sample}: how much of the left image is shown", "{sample}: parte visible de la imagen izquierda"),
    "slider_note": (
        "Validation images before and after: drag across an image, or use the slider and the arrow keys.",
        "Imágenes de validación antes y después: arrastre sobre la imagen, o use el deslizador o las flechas.",
    ),
    "on_paper": (
        "Validation images: input, the output of each model, target.",
        "Imágenes de validación: entrada, salida de cada modelo y objetivo.",
    ),
    "slider_cut": ("Only the middle {side} pixels of large images.", "Solo los {side} píxeles centrales."),
    # protocol
    "rounded": ("rounded to {bits} bits", "redondeado a {bits} bits"),
    "not_rounded": ("not rounded", "sin redondear"),
    "border": ("border {border}", "borde {border}"),
    "protocol_psnr": (
        "{channels}, {rounding}, {border}, values in [0, 1]{ssim}",
        "{channels}, {rounding}, {border}, valores en [0, 1]{ssim}",
    ),
    "protocol_accuracy": (
        "{channels}, accuracy: share of images whose likeliest class is the true one; cross-entropy in nats",
        "{channels}, exactitud: proporción de imágenes cuya clase más probable es la verdadera; entropía cruzada en "
        "nats",
    ),
    # scores
    "psnr": ("PSNR", "PSNR"),
    "accuracy": ("accuracy", "exactitud"),
    "dB": ("dB", "dB"),
    "points": ("points", "puntos"),
    # columns
    "run": ("experiment", "experimento"),
    "status": ("status", "estado"),
    "model": ("model", "modelo"),
    "parameters": ("parameters", "parámetros"),
    "multiply_adds": ("multiply-adds", "MAC"),
    "seeds": ("seeds", "semillas"),
    "images": ("images", "imágenes"),
    "groups": ("groups", "grupos"),
    "epochs": ("epochs", "épocas"),
    "epoch": ("epoch", "época"),
    **{
        f"{split}_{name}": (row.head(split)[0], row.head(spanish)[1])
        for name, row in METRICS.items()
        for split, spanish in (("train", "entren."), ("val", "val"), ("test", "test"))
    },
    "gain_db": ("val gain (dB)", "ganancia val (dB)"),
    "test_gain_db": ("test gain (dB)", "ganancia test (dB)"),
    "interval_over": ("interval over", "intervalo sobre"),
    "seconds": ("seconds", "segundos"),
    "images_per_second": ("images/s", "imágenes/s"),
    "rss_peak_mb": ("RAM (MB)", "RAM (MB)"),
    "vram_peak_mb": ("VRAM (MB)", "VRAM (MB)"),
    "difference_db": ("difference (dB)", "diferencia (dB)"),
    "interval_db": ("95 % interval (dB)", "intervalo del 95 % (dB)"),
    "difference_points": ("difference (points)", "diferencia (puntos)"),
    "interval_points": ("95 % interval (points)", "intervalo del 95 % (puntos)"),
    "p": ("p (Holm)", "p (Holm)"),
    "win_rate": ("better on", "mejor en"),
    "factor": ("factor", "factor"),
    "share": ("share of variance", "parte de la varianza"),
    "key": ("key", "clave"),
    "measure": ("metric", "métrica"),
    "mse": ("MSE (split not stated; ours: train)", "ECM (partición no indicada; nuestro: entrenamiento)"),
    "train_loss": ("train loss", "pérdida de entren."),
    "published": ("published", "publicado"),
    "ours": ("ours", "nuestro"),
    "our_epoch": ("our epoch", "nuestra época"),
    "source": ("source", "fuente"),
    "same_protocol": ("measured as published", "medido como lo publicado"),
    "yes": ("yes", "sí"),
    "no": ("no", "no"),
    "not_stated": ("not stated", "no indicado"),
    "class": ("class", "clase"),
    "images_head": ("images", "imágenes"),
    "true_class": ("true class", "clase verdadera"),
    "true": ("true", "real"),
    "answer": ("answer", "respuesta"),
    "count_of": ("{count} of {all}", "{count} de {all}"),
}


def words_of(language: str) -> Words:
    """Key -> text; `translate` reads the language from it.  Per cent signs are spaced as in its numbers."""
    column, space = LANGUAGES.index(language), "\u202f" if language == "es" else ""
    return {key: re.sub(r"(?<=\d) (?=%)", space, texts[column]) for key, texts in _TEXTS.items()}


def translate(phrase: str, words: Words) -> str:
    """Translation of an English phrase from a run folder; unknown phrases are returned unchanged."""
    return PHRASES.get(phrase, phrase) if words["lang"] == "es" else phrase


def in_language(number: str, words: Words) -> str:
    """A formatted number in a sentence: ``-1.50 dB``, ``95.00%``; in Spanish ``-1,50 dB``, ``95,00 %``."""
    if words["lang"] == "es":
        number = re.sub(r"(?<=\d)\.(?=\d)", ",", number)
        number = re.sub(r"(?<=\d)%", "\u202f%", number)
    return number


ENGLISH = words_of("en")
