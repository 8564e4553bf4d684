"""Captions and sentences of a report in English and Spanish, and translations of phrases in run folders."""

from __future__ import annotations

# key: (English, Spanish)
CAPTIONS: dict[str, tuple[str, str]] = {
    # captions of tables
    "caption_metrics_psnr": (
        "Error and quality by split, mean and 95 % interval over {over}. {bold}",
        "Error y calidad por partición, media e intervalo del 95 % sobre {over}. {bold}",
    ),
    "caption_metrics_accuracy": (
        "Cross-entropy and accuracy by split, of the best epoch's weights; mean and 95 % interval over {over}. {bold}",
        "Entropía cruzada y exactitud por partición, de los pesos de la mejor época; media e intervalo del 95 % "
        "sobre {over}. {bold}",
    ),
    "over_column": ("the unit in the last column", "la unidad de la última columna"),
    "bold_yes": (
        "Bold: better than every other (paired permutation test on the same images, Holm, p < 0.05).",
        "En negrita: mejor que todos los demás (prueba de permutación pareada sobre las mismas imágenes, Holm, "
        "p < 0.05).",
    ),
    "bold_no": (
        "Nothing is bold: no run is significantly better than all others, or there were too few images to test.",
        "Nada en negrita: ninguna ejecución supera significativamente a todas las demás, o no pudo comprobarse.",
    ),
    "caption_cost": (
        "Cost of training: wall seconds, peak memory.",
        "Coste del entrenamiento: tiempo real en segundos y máximo de memoria.",
    ),
    "multiply_adds_note": (
        "Multiply-adds: of one training sample (image or crop) through the network, a multiplication and its "
        "addition counted as one, biases and activations not counted.",
        "MAC: multiplicaciones-acumulaciones de una muestra (imagen o recorte) en la red, sin sesgos ni activaciones.",
    ),
    "caption_tests": (
        "Every run against {best}, image by image on {split} ({images}, the same for both): mean difference of "
        "{score} in {unit} with its 95 % interval, sign-flip permutation p after Holm, share of images on which the "
        "run is better (ties count half).",
        "Cada ejecución frente a {best}, imagen por imagen en {split} ({images}, las mismas para ambas): diferencia "
        "media de {score} en {unit} con su intervalo del 95 %, p de permutación de signos tras Holm, parte de las "
        "imágenes en las que gana (los empates cuentan la mitad).",
    ),
    "caption_shares": (
        "Share of the variance of {score} on {split} that each setting of the grid explains.",
        "Contribución de cada ajuste de la rejilla a la varianza de {score} en {split}.",
    ),
    "caption_published": (
        "Published final metrics beside ours at the same epoch, in the published unit; ours on test is that of the "
        "epoch best on validation.",
        "Métricas finales publicadas junto a las nuestras en la misma época, en la unidad publicada; la nuestra en "
        "test es la de la mejor época en validación.",
    ),
    "caption_classes": (
        "Accuracy by true class on {split}; mean over seeds where there are several.",
        "Exactitud por clase verdadera en {split}; media sobre semillas donde hay varias.",
    ),
    "caption_extremes": (
        "Of {all} classes the {count} with the lowest accuracy and the {count} with the highest, mean over runs; all "
        "are in the CSV file.",
        "De {all} clases, las {count} de menor exactitud y las {count} de mayor, media sobre experimentos; todas están "
        "en el archivo CSV.",
    ),
    "caption_pairs": (
        "The {count} most frequent confusions on {split}: number of images of a class that got this wrong answer.",
        "Las {count} confusiones más frecuentes en {split}: número de imágenes de una clase con esa respuesta errónea.",
    ),
    "caption_differences": ("Keys in which the configurations differ.", "Claves en que difieren las configuraciones."),
    # captions and words of plots
    "train": ("train", "entrenamiento"),
    "val": ("the validation images", "las imágenes de validación"),
    "test": ("the test images", "las imágenes de test"),
    "mse_axis": ("mean squared error, values in [0, 1]", "error cuadrático medio, valores en [0, 1]"),
    "cross_entropy_axis": ("cross-entropy (nats)", "entropía cruzada (nats)"),
    "accuracy_axis": ("accuracy", "exactitud"),
    "psnr_mean_axis": ("mean PSNR on {split} (dB)", "PSNR medio en {split} (dB)"),
    "accuracy_mean_axis": ("accuracy on {split}", "exactitud en {split}"),
    "share_of_true": ("share of the true class", "proporción de la clase verdadera"),
    "parameters_axis": ("trainable parameters", "parámetros entrenables"),
    "multiply_adds_axis": ("multiply-adds per sample", "MAC por muestra"),
    "seconds_axis": ("training time (s)", "tiempo de entrenamiento (s)"),
    "frontier": ("frontier", "frontera"),
    "input": ("input", "entrada"),
    "output": ("output", "salida"),
    "target": ("target", "objetivo"),
    "original": ("original", "original"),
    "reconstruction": ("reconstruction", "reconstrucción"),
    "residual": ("rest", "resto"),
    "plot_mse": (
        "Validation error per epoch (solid) and training error (dashed){band}.",
        "Error de validación por época (línea continua) y de entrenamiento (línea discontinua){band}.",
    ),
    "plot_cross_entropy": (
        "Validation cross-entropy per epoch (solid) and training loss (dashed){band}.",
        "Entropía cruzada de validación por época (línea continua) y pérdida de entrenamiento (línea "
        "discontinua){band}.",
    ),
    "plot_accuracy": (
        "Validation accuracy per epoch (solid) and training accuracy (dashed){band}.",
        "Exactitud de validación por época (línea continua) y de entrenamiento (línea discontinua){band}.",
    ),
    "plot_band": (
        "; lines are means over seeds, bands reach from the lowest to the highest seed",
        "; las líneas son medias sobre semillas y las bandas abarcan del mínimo al máximo entre semillas",
    ),
    "plot_scores": (
        "Mean {score} on {split} with 95 % intervals over {over}.",
        "Media de {score} en {split} con intervalos del 95 % sobre {over}.",
    ),
    "plot_pareto_parameters": ("Quality against size.", "Calidad frente a tamaño."),
    "plot_pareto_multiply_adds": ("Quality against computation.", "Calidad frente a cálculo."),
    "plot_pareto_seconds": ("Quality against training time.", "Calidad frente a tiempo de entrenamiento."),
    "frontier_note": (
        "Grey line: the Pareto frontier; no cheaper experiment is better.",
        "En gris, la frontera de Pareto: ningún experimento más barato es mejor.",
    ),
    "plot_levels": (
        "Mean score over {factor}, one line per combination of the other settings; 95 % intervals over {over}.",
        "Media según {factor}, una línea por combinación de los demás ajustes; intervalos del 95 % sobre {over}.",
    ),
    "plot_shares": ("Share of the variance per setting.", "Contribución de cada factor a la varianza."),
    "plot_strip": (
        "The {side} x {side} pixels of validation image {sample} on which the models differ most (chosen by the "
        "variance between their outputs); PSNR of the crop, RGB in 8 bits.{kept}",
        "Los {side} x {side} píxeles de la imagen de validación {sample} en que más difieren los modelos (elegidos por "
        "la varianza entre sus salidas); PSNR del recorte, RGB en 8 bits.{kept}",
    ),
    "plot_rows": (
        "Validation images and the outputs of the models, {side} x {side} pixels; PSNR, RGB in 8 bits.{kept}",
        "Imágenes de validación y las salidas de los modelos, {side} x {side} píxeles; PSNR, RGB en 8 bits.{kept}",
    ),
    "plot_confusion": (
        "Confusion matrix of {run} on {split}: a row per true class, a column per answer.",
        "Matriz de confusión de {run} en {split}: una fila por clase verdadera, una columna por respuesta.",
    ),
    "confusion_numbers": (
        "Numbers are images, colour is their share of the row.",
        "Los números son imágenes; el color, su proporción en la fila.",
    ),
    "confusion_large": (
        "Colour is the share of the row, on a scale that shows rare confusions.",
        "El color es la proporción en la fila, en una escala que deja ver confusiones raras.",
    ),
    "confusion_seeds": ("All seeds together.", "Todas las semillas juntas."),
    "plot_predictions": (
        "{count} of {split}, spread evenly over them, with the true class and what each run answered: a green check "
        "is right, an orange cross wrong.{kept}",
        "{count} de {split}, repartidas por igual, con la clase verdadera y la respuesta de cada experimento: una "
        "marca verde es acierto; una cruz naranja, error.{kept}",
    ),
    "best_of": (" Shown: the {count} best of {all}.", " Se muestran los {count} mejores de {all}."),
    "kept": (
        " Shown: the {count} best and the worst of {all} models.",
        " Se muestran los {count} mejores y el peor de {all} modelos.",
    ),
}

SENTENCES: dict[str, tuple[str, str]] = {
    "best": (
        "{run} is best: {score} on {split}, {gain} against {baseline} ({reference}).",
        "{run} es la mejor: {score} en {split}, {gain} frente a {baseline} ({reference}).",
    ),
    "best_alone": (
        "{run} is best: {score} on {split}{other}.",
        "{run} es la mejor: {score} en {split}{other}.",
    ),
    "only_alone": ("{run} reaches {score} on {split}{other}.", "{run} alcanza {score} en {split}{other}."),
    "on_other": (", {score} on {split}", ", {score} en {split}"),
    "short_val": ("validation", "validación"),
    "short_test": ("test", "test"),
    "why_test": (
        "every run has a test split, and no epoch was chosen on it",
        "todas las ejecuciones tienen test, y ninguna época se eligió con ella",
    ),
    "why_val": (
        "not every run was scored on a test split; the best epochs were chosen on validation too",
        "no todas las ejecuciones se midieron en test; las mejores épocas también se eligieron en validación",
    ),
    "left_out": (
        "Left out of every PSNR on {split}, because some run or the baseline makes no error there: {names}.",
        "Fuera de todos los PSNR en {split}, porque ahí alguna ejecución o la referencia no comete error: {names}.",
    ),
    "only": (
        "{run} reaches {score} on {split}, {gain} against {baseline} ({reference}).",
        "{run} alcanza {score} en {split}, {gain} frente a {baseline} ({reference}).",
    ),
    "closest": (
        "The closest is {run} with {score} on {split}, {loss} below.",
        "La más cercana es {run} con {score} en {split}, {loss} por debajo.",
    ),
    "none_beats": (
        "No run beats {baseline} ({reference}).",
        "Ninguna ejecución supera a {baseline} ({reference}).",
    ),
    "worse": ("Worse than {baseline}: {runs}.", "Peor que {baseline}: {runs}."),
    "worse_all": (
        "All {count} are worse than {baseline}, by {least} to {most} ({run}).",
        "Los {count} son peores que {baseline}, en {least} a {most} ({run}).",
    ),
    "worse_one": ("{run} (by {loss})", "{run} (en {loss})"),
    "overfits_mse": (
        "Overfitting, final validation error far above training error: {runs}.",
        "Sobreajusta, al final el error de validación supera con mucho al de entrenamiento: {runs}.",
    ),
    "overfits_cross_entropy": (
        "Overfitting, final validation loss far above training loss: {runs}.",
        "Sobreajusta, al final la pérdida de validación supera con mucho a la de entrenamiento: {runs}.",
    ),
    "overfits_one": (
        "{run} {factor:.3g} times ({val:.2g} against {train:.2g})",
        "{run} {factor:.3g} veces ({val:.2g} frente a {train:.2g})",
    ),
    "overfits_score": (", accuracy {val} against {train}", ", exactitud {val} frente a {train}"),
    "dead": (
        "Learned nothing, the output is the same for every input: {runs}.",
        "No aprendió nada, sea cual sea la entrada sale la misma imagen: {runs}.",
    ),
    "dark": (
        "Does not reach dark values; the darkest output, from 0 (black) to 1 (white), is: {runs}.",
        "No alcanza lo oscuro, de 0 (negro) a 1 (blanco) no sale nada por debajo de: {runs}.",
    ),
    "light": (
        "Does not reach bright values; the brightest output, from 0 (black) to 1 (white), is: {runs}.",
        "No alcanza lo claro, de 0 (negro) a 1 (blanco) no sale nada por encima de: {runs}.",
    ),
    "one_answer": (
        "Learned nothing, {run} answers {answer} for every image.",
        "No aprendió nada, sea cual sea la imagen {run} responde {answer}.",
    ),
    "guesses": (
        "{run} is no better than guessing among {all} classes: {score} on {split}.",
        "{run} no supera a responder al azar entre {all} clases: {score} en {split}.",
    ),
    "never_answered": (
        "{run} never answers {count} of {all} classes: {names}.",
        "{run} nunca responde {count} de {all} clases: {names}.",
    ),
    "noise": (
        "No significant difference between {best} and {runs} (paired permutation test on {images} images, Holm, "
        "p ≥ 0.05).",
        "Sin diferencia más allá del ruido entre {best} y {runs} (prueba de permutación pareada sobre {images} "
        "imágenes, Holm, p ≥ 0.05).",
    ),
    "too_few": (
        "{images} images are too few to distinguish {runs} runs: no paired permutation test on them, Holm, can "
        "reach p < 0.05.",
        "{images} imágenes son pocas para distinguir {runs} ejecuciones: ninguna prueba de permutación pareada sobre "
        "ellas, Holm, puede llegar a p < 0.05.",
    ),
    "beyond_noise": (
        "{best} is significantly better than every other run (paired permutation test on {images} images, Holm, "
        "p {p}).",
        "La ventaja de {best} sobre todas las demás va más allá del ruido (prueba de permutación pareada sobre "
        "{images} imágenes, Holm, p {p}).",
    ),
    "mattered": (
        "Share of the variance of {score} that each setting of the grid explains: {shares}.",
        "Qué influyó en {score}, como parte de su varianza en la rejilla: {shares}.",
    ),
    "unfinished": (
        "{run} is not finished ({status}): its metrics are those of its last epoch.",
        "{run} no ha terminado ({status}): sus métricas son las de su última época.",
    ),
    "no_metrics": ("{run} has no metrics yet ({status}).", "{run} aún no tiene métricas ({status})."),
}

# English phrases in run folders -> Spanish.
PHRASES = {
    "returning the input": "devolver la entrada",
    "bicubic interpolation": "la interpolación bicúbica",
    "Gaussian 11, sigma 1.5, no padding": "gaussiana 11, sigma 1,5, sin relleno",
    "done": "terminada",
    "stopped": "parada",
    "diverged": "divergida",
    "running": "en curso",
    "killed": "interrumpida",
    "mixed": "mixto",
    "data not recorded yet": "datos aún no registrados",
    "report A": "informe A",
    "mean squared error of values in [-1, 1] (4 times the error in [0, 1]), RGBA, 685 train / 119 val images": (
        "error cuadrático medio de valores en [-1, 1] (4 veces el error en [0, 1]), RGBA, 685 imágenes de "
        "entrenamiento y 119 de validación"
    ),
    "report B": "informe B",
    "mean squared error of values in [0, 1], RGB, 685 train / 170 val images": (
        "error cuadrático medio de valores en [0, 1], RGB, 685 imágenes de entrenamiento y 170 de validación"
    ),
    "report C": "informe C",
    "mean squared error of values in [0, 1], grey, 50,000 train / 10,000 test images": (
        "error cuadrático medio de valores en [0, 1], gris, 50 000 imágenes de entrenamiento y 10 000 de prueba"
    ),
    "report D": "informe D",
    "cross-entropy in nats, accuracy as a share, 54,000 train / 6,000 val / 10,000 test images": (
        "entropía cruzada en nats, exactitud como proporción, 54 000 imágenes de entrenamiento, 6000 de "
        "validación y 10 000 de prueba"
    ),
    "cross-entropy in nats, accuracy as a share, 40,000 train / 10,000 val / 10,000 test images": (
        "entropía cruzada en nats, exactitud como proporción, 40 000 imágenes de entrenamiento, 10 000 de "
        "validación y 10 000 de prueba"
    ),
    "report E": "informe E",
    "accuracy as a share, RGB 224x224, augmented to 150 images a class, split and epochs not stated": (
        "exactitud como proporción, RGB 224x224, aumentado a 150 imágenes por clase, partición y épocas no indicadas"
    ),
    "papers": "artículos",
    "PSNR in dB and SSIM, Y, x2, 2 pixels cut; trained on other and more images": (
        "PSNR en dB y SSIM, Y, x2, sin 2 píxeles de borde; entrenadas con otras y más imágenes"
    ),
}
