"""The sentences of a report in English and Spanish."""

from __future__ import annotations

# key: (English, Spanish)
SENTENCES: dict[str, tuple[str, str]] = {
    "short_val": ("validation", "validación"),
    "short_test": ("test", "test"),
    "why_test": (
        "every run has a test split, and no epoch was chosen on it",
        "todos los entrenamientos tienen test, y ninguna época se eligió con ella",
    ),
    "why_val": (
        "not every run was scored on a test split; the best epochs were chosen on validation too",
        "no todos los entrenamientos se midieron en test; las mejores épocas también se eligieron en validación",
    ),
    # the result
    "best": (
        "{run} is best: {score} on {split}, {gain} against {baseline} ({reference}).",
        "{run} es el mejor: {score} en {split}, {gain} frente a {baseline} ({reference}).",
    ),
    "only": (
        "{run} reaches {score} on {split}, {gain} against {baseline} ({reference}).",
        "{run} alcanza {score} en {split}, {gain} frente a {baseline} ({reference}).",
    ),
    "best_alone": ("{run} is best: {score} on {split}{other}.", "{run} es el mejor: {score} en {split}{other}."),
    "only_alone": ("{run} reaches {score} on {split}{other}.", "{run} alcanza {score} en {split}{other}."),
    "on_other": (", {score} on {split}", ", {score} en {split}"),
    "none_beats": (
        "No experiment beats {baseline} ({reference}).",
        "Ningún experimento supera a {baseline} ({reference}).",
    ),
    "closest": (
        "The closest is {run} with {score} on {split}, {loss} below.",
        "El más cercano es {run} con {score} en {split}, {loss} por debajo.",
    ),
    "worse": ("Worse than {baseline}: {runs}.", "Peor que {baseline}: {runs}."),
    "worse_one": ("{run} (by {loss})", "{run} ({loss} por debajo)"),
    "worse_all": (
        "All {count} are worse than {baseline}, by {least} to {most} ({run}).",
        "Los {count} son peores que {baseline}, entre {least} y {most} ({run}).",
    ),
    "not_told": (
        "No significant difference from {baseline}: {runs} (paired permutation test on {units}, p ≥ 0.05).",
        "Sin diferencia significativa con {baseline}: {runs} (prueba de permutación pareada sobre {units}, p ≥ 0,05).",
    ),
    "not_tested": (
        "{units} are too few to test a gain over {baseline}, or a loss: no paired permutation test on them can reach "
        "p < 0.05.",
        "{units} son muy poco para comprobar una ganancia o pérdida frente a {baseline}: ninguna prueba de permutación "
        "pareada sobre ellos puede llegar a p < 0,05.",
    ),
    "not_recorded": (
        "Below {baseline}, not tested on the {units}, because an older srae did not score it image by image: {runs}.",
        "Por debajo de {baseline}, sin prueba sobre {units}, porque un srae anterior no lo midió imagen a imagen: "
        "{runs}.",
    ),
    "and_more": (" and {count} more", " y {count} más"),
    "units_images": ("{count} images", "{count} imágenes"),
    "units_groups": ("{count} groups of images", "{count} grupos de imágenes"),
    "left_out": (
        "Left out of every PSNR on {split}, because some run or the baseline makes no error there: {names}.",
        "Fuera de todos los PSNR en {split}, porque algún experimento o la referencia no comete error: {names}.",
    ),
    # tests
    "test_seeds": (
        "permutation test over {seeds} seeds of each, on the same {images} images",
        "prueba de permutación sobre {seeds} semillas de cada uno, con las mismas {images} imágenes",
    ),
    "test_groups": (
        "paired permutation test over {groups} groups of {images} images",
        "prueba de permutación pareada sobre {groups} grupos de {images} imágenes",
    ),
    "test_images": (
        "paired permutation test on {images} images",
        "prueba de permutación pareada sobre {images} imágenes",
    ),
    "beyond_noise": (
        "{best} is significantly better than {others} ({tests}, Holm, p {p}).",
        "La ventaja de {best} sobre {others} es estadísticamente significativa ({tests}, Holm, p {p}).",
    ),
    "every_other": ("every other experiment", "todos los demás"),
    "other_images": (
        "This holds for these images: on other ones the order may change (paired test over {units}, p {p}).",
        "Esto vale para estas imágenes: con otras el orden puede cambiar (prueba pareada sobre {units}, p {p}).",
    ),
    "noise": (
        "No significant difference between {best} and {runs} ({tests}, Holm, p ≥ 0.05).",
        "Sin diferencia significativa entre {best} y {runs} ({tests}, Holm, p ≥ 0,05).",
    ),
    "too_few": (
        "{units} are too few to distinguish {runs} experiments: no paired permutation test on them, Holm, can reach "
        "p < 0.05.",
        "{units} son muy poco para distinguir {runs} experimentos: ninguna prueba de permutación pareada sobre ellos, "
        "Holm, puede llegar a p < 0,05.",
    ),
    "too_few_seeds": (
        "{seeds} seeds are too few to distinguish {runs} experiments: no permutation test over them, Holm, can reach "
        "p < 0.05; {needed} seeds of each can.",
        "{seeds} semillas son muy pocas para distinguir {runs} experimentos: ninguna prueba de permutación sobre "
        "ellas, Holm, puede llegar a p < 0,05; con {needed} semillas de cada uno sí.",
    ),
    "orders": (
        "Validation and test order the experiments differently ({swapped} of {pairs} pairs): best on validation is "
        "{val}, best on test {test}.",
        "Validación y test ordenan los experimentos de otro modo ({swapped} de {pairs} pares): el mejor en validación "
        "es {val}; en test, {test}.",
    ),
    # what mattered
    "mattered": (
        "Share of the variance of {score} that each setting of the grid explains: {shares}.",
        "Contribución de cada ajuste de la rejilla a la varianza de {score}: {shares}.",
    ),
    "together": (
        "{keys} change together, so that their effects cannot be told apart.",
        "{keys} cambian juntos, así que sus efectos no se pueden separar.",
    ),
    "missing": (
        "Combinations that were not run: {cells}. A study with {grid} tells their effects apart.",
        "Combinaciones sin entrenar: {cells}. Un estudio con {grid} separa sus efectos.",
    ),
    "missing_with": (" with ", " con "),
    # outputs and answers
    "dead": (
        "Learned nothing, the output is the same for every input: {runs}.",
        "No aprendió nada, la salida es la misma para toda entrada: {runs}.",
    ),
    "dark": (
        "Does not reach dark values; the darkest output, from 0 (black) to 1 (white), is: {runs}.",
        "Las salidas no llegan a los tonos oscuros (0 = negro, 1 = blanco); valor mínimo: {runs}.",
    ),
    "light": (
        "Does not reach bright values; the brightest output, from 0 (black) to 1 (white), is: {runs}.",
        "Las salidas no llegan a los tonos claros (0 = negro, 1 = blanco); valor máximo: {runs}.",
    ),
    "one_answer": (
        "Learned nothing, {run} answers {answer} for every image.",
        "No aprendió nada, {run} responde {answer} a toda imagen.",
    ),
    "guesses": (
        "{run} is no better than guessing among {all} classes: {score} on {split}.",
        "{run} no supera a responder al azar entre {all} clases: {score} en {split}.",
    ),
    "never_answered": (
        "{run} never answers {count} of {all} classes: {names}.",
        "{run} nunca responde {count} de {all} clases: {names}.",
    ),
    "commonest": (
        "Always answering {answer} has an accuracy of {share} on {split}; the mean over classes (balanced accuracy) "
        "is: {runs}.",
        "Responder siempre {answer} tiene una exactitud de {share} en {split}; la media sobre clases (exactitud "
        "equilibrada) es: {runs}.",
    ),
    # the trainings
    "few_steps": (
        "{steps} steps in all are too few to judge a network: train more epochs, or with smaller batches.",
        "{steps} pasos en total son muy pocos para juzgar una red: entrene más épocas, o con lotes menores.",
    ),
    "early": (
        "Stopped early, because validation was not better for {patience} epochs: {runs}.",
        "Parada temprana, porque la validación no mejoró en {patience} épocas: {runs}.",
    ),
    "early_one": ("{run} (after epoch {epoch} of {epochs})", "{run} (tras la época {epoch} de {epochs})"),
    "overfits_mse": (
        "Overfitting, final validation error far above training error: {runs}.",
        "Sobreajuste, al final el error de validación supera con mucho al de entrenamiento: {runs}.",
    ),
    "overfits_cross_entropy": (
        "Overfitting, final validation loss far above training loss: {runs}.",
        "Sobreajuste, al final la pérdida de validación supera con mucho a la de entrenamiento: {runs}.",
    ),
    "overfits_one": (
        "{run} {factor} times ({val} against {train})",
        "{run} {factor} veces ({val} frente a {train})",
    ),
    "overfits_score": (", accuracy {val} against {train}", ", exactitud {val} frente a {train}"),
    "rises_mse": (
        "Overfitting, validation error rises after its lowest epoch while training error falls: {runs}.",
        "Sobreajuste, tras su mínimo el error de validación sube mientras el de entrenamiento baja: {runs}.",
    ),
    "rises_cross_entropy": (
        "Overfitting, validation loss rises after its lowest epoch while training loss falls: {runs}.",
        "Sobreajuste, tras su mínimo la pérdida de validación sube mientras la de entrenamiento baja: {runs}.",
    ),
    "rises_one": (
        "{run} (epoch {best} of {epochs}: {val}, at the end {last})",
        "{run} (época {best} de {epochs}: {val}, al final {last})",
    ),
    "fits": (
        "No sign of overfitting: {runs}.",
        "Sin señales de sobreajuste: {runs}.",
    ),
    "fits_one": (
        "{run} (best epoch {best} of {epochs}: validation {val}, training {train})",
        "{run} (mejor época {best} de {epochs}: validación {val}, entrenamiento {train})",
    ),
    "fits_many": ("{count} of {all} experiments", "{count} de {all} experimentos"),
    "cost": (
        "A training took {seconds} and at most {ram} MB of memory; {vram}.",
        "Un entrenamiento tardó {seconds} y ocupó como máximo {ram} MB de memoria; {vram}.",
    ),
    "cost_range": ("{least} to {most} s", "de {least} a {most} s"),
    "cost_one": ("{least} s", "{least} s"),
    "vram_some": ("GPU memory (VRAM): at most {vram} MB", "memoria de GPU (VRAM): como máximo {vram} MB"),
    "vram_none": (
        "GPU memory (VRAM) was not measured, because no GPU was used",
        "la memoria de GPU (VRAM) no se midió, porque no se usó GPU",
    ),
    "unfinished": (
        "{run} is not finished ({status}): its metrics are those of its last epoch.",
        "{run} no ha terminado ({status}): sus métricas son las de su última época.",
    ),
    "no_metrics": ("{run} has no metrics yet ({status}).", "{run} aún no tiene métricas ({status})."),
}
