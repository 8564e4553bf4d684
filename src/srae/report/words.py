"""Every word of a report in the languages it can be written in.

A text is looked up by its key: `words["best"].format(run="a")`.  What run
folders themselves say in English (a baseline's name, the SSIM window) goes
through `translate`, which leaves alone what it does not know.
"""

from __future__ import annotations

LANGUAGES = ("en", "es")
Words = dict[str, str]

# key: (English, Spanish)
_TEXTS: dict[str, tuple[str, str]] = {
    # the page
    "lang": ("en", "es"),
    "title": ("Comparison of {count} experiments", "Comparación de {count} experimentos"),
    "title_one": ("Report on {run}", "Informe de {run}"),
    "counted": ("{runs} runs, {experiments} experiments", "{runs} ejecuciones, {experiments} experimentos"),
    "contents": ("Contents", "Contenido"),
    "section": ("Data {data}, {channels}", "Datos {data}, {channels}"),
    "section_unknown": ("Data not recorded yet", "Datos aún no registrados"),
    "apart": (
        "These runs differ in data or protocol. Their figures do not belong in one table: each section stands alone.",
        "Estas ejecuciones difieren en datos o protocolo. Sus cifras no caben en una misma tabla: cada sección va "
        "por separado.",
    ),
    "data": ("Data", "Datos"),
    "protocol": ("Protocol", "Protocolo"),
    "baseline": ("Baseline", "Referencia"),
    "pictures": (
        "{train} train / {val} val / {test} test pictures",
        "{train} train / {val} val / {test} test imágenes",
    ),
    "unknown": ("not recorded yet", "aún no registrado"),
    "findings": ("What the numbers say", "Lo que dicen las cifras"),
    "results": ("Results", "Resultados"),
    "cost_head": ("Cost", "Coste"),
    "looks": ("What it looks like", "Cómo se ve"),
    "settings": ("Settings", "Configuración"),
    "config_of": ("Configuration of {run}", "Configuración de {run}"),
    "table": ("Table {number}.", "Tabla {number}."),
    "figure": ("Figure {number}.", "Figura {number}."),
    "sort_hint": ("Click a heading to sort.", "Pulse un encabezado para ordenar."),
    "scroll": ("{what}, scrolls sideways", "{what}, se desplaza a los lados"),
    "files": (
        "Figures lie in figures/ as SVG, PDF and PNG; tables in tables/ as CSV, Markdown and LaTeX.",
        "Las figuras están en figures/ como SVG, PDF y PNG; las tablas en tables/ como CSV, Markdown y LaTeX.",
    ),
    "left": ("left", "izquierda"),
    "right": ("right", "derecha"),
    "slider": ("{sample}: how much of the left picture is shown", "{sample}: cuánto se ve de la imagen izquierda"),
    "slider_note": (
        "Validation pictures before and after: drag across a picture, or use the slider and the arrow keys.",
        "Imágenes de validación antes y después: arrastre sobre la imagen, o use el control y las flechas.",
    ),
    "slider_cut": ("Only the middle {side} pixels of large pictures.", "Solo los {side} píxeles centrales."),
    # protocol
    "rounded": ("rounded to 8 bits", "redondeado a 8 bits"),
    "not_rounded": ("not rounded", "sin redondear"),
    "border": ("border {border}", "borde {border}"),
    "range": ("values in [0, 1]", "valores en [0, 1]"),
    # columns
    "run": ("run", "ejecución"),
    "status": ("status", "estado"),
    "model": ("model", "modelo"),
    "parameters": ("parameters", "parámetros"),
    "seeds": ("seeds", "semillas"),
    "images": ("pictures", "imágenes"),
    "epochs": ("epochs", "épocas"),
    "epoch": ("epoch", "época"),
    "train_mse": ("train MSE", "ECM train"),
    "val_mse": ("val MSE", "ECM val"),
    "val_psnr": ("val PSNR (dB)", "PSNR val (dB)"),
    "val_ssim": ("val SSIM", "SSIM val"),
    "gain_db": ("gain (dB)", "ganancia (dB)"),
    "test_psnr": ("test PSNR (dB)", "PSNR test (dB)"),
    "interval_over": ("interval over", "intervalo sobre"),
    "seconds": ("seconds", "segundos"),
    "images_per_second": ("pictures/s", "imágenes/s"),
    "rss_peak_mb": ("RAM (MB)", "RAM (MB)"),
    "vram_peak_mb": ("VRAM (MB)", "VRAM (MB)"),
    "difference_db": ("difference (dB)", "diferencia (dB)"),
    "interval_db": ("95 % interval (dB)", "intervalo del 95 % (dB)"),
    "p": ("p (Holm)", "p (Holm)"),
    "win_rate": ("better on", "mejor en"),
    "factor": ("factor", "factor"),
    "share": ("share of variance", "parte de la varianza"),
    "key": ("key", "clave"),
    "side": ("error", "error"),
    "published": ("published", "publicado"),
    "ours": ("ours", "nuestro"),
    "source": ("source", "fuente"),
    "same_protocol": ("measured as published", "medido como lo publicado"),
    "yes": ("yes", "sí"),
    "no": ("no", "no"),
    # captions of tables
    "caption_metrics": (
        "Error and quality on the validation pictures, mean ± half of the 95 % interval over {over}. {bold}",
        "Error y calidad en las imágenes de validación, media ± mitad del intervalo del 95 % sobre {over}. {bold}",
    ),
    "over_column": ("what the last column says", "lo que dice la última columna"),
    "bold_yes": (
        "Bold: better than every other (paired permutation test on the same pictures, Holm, p < 0.05).",
        "En negrita: mejor que todos los demás (prueba de permutación pareada sobre las mismas imágenes, Holm, "
        "p < 0.05).",
    ),
    "bold_no": (
        "Nothing is bold: no run is better than every other beyond noise, or it could not be tested.",
        "Nada en negrita: ninguna ejecución supera a todas las demás más allá del ruido, o no pudo comprobarse.",
    ),
    "caption_cost": (
        "Cost of training: wall seconds, training pictures per second, peak memory.",
        "Coste del entrenamiento: segundos reales, imágenes de entrenamiento por segundo, máximo de memoria.",
    ),
    "caption_tests": (
        "Every run against {best}, picture by picture on the same {images} validation pictures: mean difference of "
        "PSNR with its bootstrap interval, sign-flip permutation p after Holm, share of pictures on which the run is "
        "better.",
        "Cada ejecución frente a {best}, imagen por imagen en las mismas {images} imágenes de validación: diferencia "
        "media de PSNR con su intervalo bootstrap, p de permutación de signos tras Holm, parte de las imágenes en las "
        "que gana.",
    ),
    "caption_shares": (
        "What mattered: share of the variance of validation PSNR over the grid.",
        "Qué influyó: parte de la varianza del PSNR de validación en la rejilla.",
    ),
    "caption_published": (
        "Published final errors beside ours at the same epoch, in the published unit.",
        "Errores finales publicados junto a los nuestros en la misma época, en la unidad publicada.",
    ),
    "caption_differences": ("Keys in which the configurations differ.", "Claves en que difieren las configuraciones."),
    # captions and words of figures
    "train": ("train", "entrenamiento"),
    "validation": ("validation", "validación"),
    "mse_axis": ("mean squared error, values in [0, 1]", "error cuadrático medio, valores en [0, 1]"),
    "cross_entropy_axis": ("cross-entropy (nats)", "entropía cruzada (nats)"),
    "psnr_axis": ("mean PSNR on val (dB)", "PSNR medio en val (dB)"),
    "parameters_axis": ("trainable parameters", "parámetros entrenables"),
    "seconds_axis": ("training time (s)", "tiempo de entrenamiento (s)"),
    "frontier": ("frontier", "frontera"),
    "input": ("input", "entrada"),
    "output": ("output", "salida"),
    "target": ("target", "objetivo"),
    "residual": ("rest", "resto"),
    "figure_curves": (
        "Validation error per epoch (solid) and training error (dashed){band}.",
        "Error de validación por época (continuo) y de entrenamiento (a trazos){band}.",
    ),
    "figure_band": (
        "; lines are means over seeds, bands reach from the lowest to the highest seed",
        "; las líneas son medias sobre semillas, las bandas van de la menor a la mayor",
    ),
    "figure_bars": (
        "Mean PSNR on the validation pictures with 95 % intervals over {over}. Bars start at the baseline: their "
        "length is the gain.",
        "PSNR medio en las imágenes de validación con intervalos del 95 % sobre {over}. Las barras parten de la "
        "referencia: su longitud es la ganancia.",
    ),
    "figure_bars_zero": (
        "Mean PSNR on the validation pictures with 95 % intervals over {over}.",
        "PSNR medio en las imágenes de validación con intervalos del 95 % sobre {over}.",
    ),
    "figure_pareto_parameters": ("Quality against size.", "Calidad frente a tamaño."),
    "figure_pareto_seconds": ("Quality against training time.", "Calidad frente a tiempo de entrenamiento."),
    "frontier_note": (
        "Grey: what no cheaper run exceeds.",
        "En gris: lo que ninguna ejecución más barata supera.",
    ),
    "figure_shares": ("What mattered, as bars.", "Qué influyó, en barras."),
    "figure_strip": (
        "The {side} x {side} pixels of validation picture {sample} on which the models differ most (chosen by the "
        "variance between their outputs); PSNR of the crop, RGB in 8 bits.{kept}",
        "Los {side} x {side} píxeles de la imagen de validación {sample} en que más difieren los modelos (elegidos por "
        "la varianza entre sus salidas); PSNR del recorte, RGB en 8 bits.{kept}",
    ),
    "kept": (
        " Shown: the {count} best and the worst of {all} models.",
        " Se muestran los {count} mejores y el peor de {all} modelos.",
    ),
    # sentences
    "best": (
        "{run} is best: {psnr:.2f} dB on validation, {gain:+.2f} dB against {baseline} ({reference:.2f} dB).",
        "{run} es la mejor: {psnr:.2f} dB en validación, {gain:+.2f} dB frente a {baseline} ({reference:.2f} dB).",
    ),
    "best_alone": ("{run} is best: {psnr:.2f} dB on validation.", "{run} es la mejor: {psnr:.2f} dB en validación."),
    "only": (
        "{run} reaches {psnr:.2f} dB on validation, {gain:+.2f} dB against {baseline} ({reference:.2f} dB).",
        "{run} alcanza {psnr:.2f} dB en validación, {gain:+.2f} dB frente a {baseline} ({reference:.2f} dB).",
    ),
    "closest": (
        "The closest is {run} with {psnr:.2f} dB on validation, {loss:.2f} dB below.",
        "La más cercana es {run} con {psnr:.2f} dB en validación, {loss:.2f} dB por debajo.",
    ),
    "none_beats": (
        "No run beats {baseline} ({reference:.2f} dB).",
        "Ninguna ejecución supera a {baseline} ({reference:.2f} dB).",
    ),
    "worse": ("Worse than {baseline}: {runs}.", "Peor que {baseline}: {runs}."),
    "worse_one": ("{run} (by {loss:.2f} dB)", "{run} (en {loss:.2f} dB)"),
    "overfits": (
        "Overfits, validation error far above training error at the end: {runs}.",
        "Sobreajusta, al final el error de validación supera con mucho al de entrenamiento: {runs}.",
    ),
    "overfits_one": (
        "{run} {factor:.3g} times ({val:.2g} against {train:.2g})",
        "{run} {factor:.3g} veces ({val:.2g} frente a {train:.2g})",
    ),
    "dead": (
        "Learned nothing, whatever the input the same picture comes out: {runs}.",
        "No aprendió nada, sea cual sea la entrada sale la misma imagen: {runs}.",
    ),
    "dark": (
        "Cannot reach the dark, of 0 (black) to 1 (white) nothing comes out below: {runs}.",
        "No alcanza lo oscuro, de 0 (negro) a 1 (blanco) no sale nada por debajo de: {runs}.",
    ),
    "light": (
        "Cannot reach the light, of 0 (black) to 1 (white) nothing comes out above: {runs}.",
        "No alcanza lo claro, de 0 (negro) a 1 (blanco) no sale nada por encima de: {runs}.",
    ),
    "noise": (
        "No difference beyond noise between {best} and {runs} (paired permutation test on {images} pictures, Holm, "
        "p ≥ 0.05).",
        "Sin diferencia más allá del ruido entre {best} y {runs} (prueba de permutación pareada sobre {images} "
        "imágenes, Holm, p ≥ 0.05).",
    ),
    "beyond_noise": (
        "The lead of {best} over every other run is beyond noise (paired permutation test on {images} pictures, Holm, "
        "p ≤ {p:.2g}).",
        "La ventaja de {best} sobre todas las demás va más allá del ruido (prueba de permutación pareada sobre "
        "{images} imágenes, Holm, p ≤ {p:.2g}).",
    ),
    "mattered": (
        "What mattered for PSNR, as share of its variance over the grid: {shares}.",
        "Qué influyó en el PSNR, como parte de su varianza en la rejilla: {shares}.",
    ),
    "unfinished": (
        "{run} is not finished ({status}): its figures are those of its last epoch.",
        "{run} no ha terminado ({status}): sus cifras son las de su última época.",
    ),
    "no_figures": ("{run} has no figures yet ({status}).", "{run} aún no tiene cifras ({status})."),
}

# What run folders say in English: Spanish.
_PHRASES = {
    "returning the input": "devolver la entrada",
    "bicubic interpolation": "la interpolación bicúbica",
    "Gaussian 11, sigma 1.5, no padding": "gaussiana 11, sigma 1.5, sin relleno",
    "done": "terminada",
    "stopped": "parada",
    "diverged": "divergida",
    "running": "en curso",
    "killed": "interrumpida",
    "mixed": "mixto",
    "data not recorded yet": "datos aún no registrados",
}


def words_of(language: str) -> Words:
    """Key -> text; `translate` reads the language from it."""
    column = LANGUAGES.index(language)
    return {key: texts[column] for key, texts in _TEXTS.items()}


def translate(phrase: str, words: Words) -> str:
    """A phrase that a run folder holds, where it is known; itself otherwise."""
    return _PHRASES.get(phrase, phrase) if words["lang"] == "es" else phrase


ENGLISH = words_of("en")
