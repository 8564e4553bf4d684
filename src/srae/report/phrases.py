"""Captions of a report in English and Spanish, and translations of phrases in run folders."""

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
        "Bold: better than every other (permutation tests, Holm, p < 0.05).",
        "En negrita: mejor que todos los demás (pruebas de permutación, Holm, p < 0,05).",
    ),
    "bold_no": (
        "Nothing is bold: no experiment is significantly better than all others, or too few seeds or images to test.",
        "Nada en negrita: ningún experimento supera significativamente a todos los demás, o no pudo comprobarse.",
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
        "Every experiment against {best} on {split} ({images}, the same for both): mean difference of {score} in "
        "{unit} with its 95 % interval and permutation p after Holm, both over seeds where both experiments have "
        "several, else over images, or groups of images; share of images on which it is better (ties count half).",
        "Cada experimento frente a {best} en {split} ({images}, las mismas para ambos): diferencia media de {score} en "
        "{unit} con su intervalo del 95 % y p de permutación tras Holm, sobre semillas donde ambos tienen varias; si "
        "no, sobre imágenes o grupos de imágenes; parte de las imágenes en las que gana (los empates cuentan la "
        "mitad).",
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
