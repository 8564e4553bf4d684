"""The keys under `data.degrade`: how low-resolution images are made."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from srae.config.section import Section


class Degrade(Section):
    kernel: Literal["bicubic", "bilinear", "area", "lanczos", "nearest", "gaussian", "photo"] = "bicubic"
    """How to shrink: as MATLAB's imresize; gaussian: as data set P; photo: random blur, kernel, noise and JPEG."""
    scale: Annotated[int, Field(ge=2, le=8)] = 2
    """Shrinking factor."""
    copies: Annotated[int, Field(ge=1, le=64)] = 1
    """Different low-resolution versions of every training image (kernel photo), all in memory; a sample draws one."""
    sizes: list[Annotated[float, Field(gt=0, lt=1)]] = []
    """Factors in (0, 1): every training image is also trained on in these smaller sizes, where its detail is finer."""

    @model_validator(mode="after")
    def _differ(self) -> Degrade:
        if self.copies > 1 and self.kernel != "photo":
            raise ValueError(f"copies needs kernel photo: {self.kernel} makes the same low-resolution image every time")
        return self
