"""Layers that several networks share, and the arithmetic of their sizes.

Two of them matter for speed: a convolution whose kernel covers its whole input
is a matrix product, and a 32x32 kernel on a larger image is far cheaper as a
product of Fourier transforms.  Both give the same function with the same
parameters as torch's layer, to rounding.
"""

from __future__ import annotations

import math
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Activation = Literal["relu", "tanh", "sigmoid", "leaky_relu", "gelu", "none"]

Init = Literal["torch", "keras"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "none": nn.Identity,
}

# From this side on a CPU is faster with spectra: 32x32 kernels on 64x64 pixels took 1.85 s for 8 images as a
# convolution, 0.70 s for 64 as spectra (docs/lab_log.md, "32x32 kernels through the Fourier transform").
FOURIER_KERNEL = 16

T = TypeVar("T")


def build_activation(name: str) -> nn.Module:
    return ACTIVATIONS[name]()


def initialise(model: nn.Module, init: Init) -> None:
    """Weights as torch has drawn them, or as Keras does: Glorot & Bengio 2010, uniform, and zero biases."""
    if init == "keras":
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


def per_layer(value: T | list[T], layers: int, option: str) -> list[T]:
    """One value per layer from one value or a list.

    Raises:
        ValueError: the list has another length.
    """
    if not isinstance(value, list):
        return [value] * layers
    if len(value) != layers:
        raise ValueError(f"{option} has {len(value)} entries for {layers} layers")
    return value


def image_scale(in_shape: tuple[int, int, int], out_shape: tuple[int, int, int]) -> int:
    """Output side / input side of a network that keeps the channels.

    Raises:
        ValueError: other channels, or sides that are no integer multiple.
    """
    scale = out_shape[-1] // in_shape[2]
    if out_shape != (in_shape[0], in_shape[1] * scale, in_shape[2] * scale):
        raise ValueError(f"target {out_shape} is no integer multiple of input {in_shape}")
    return scale


def check_multiple(in_shape: tuple[int, int, int], multiple: int, why: str) -> None:
    """Raises: ValueError when a side of the samples is no multiple of what the network halves or folds it to."""
    if any(side % multiple for side in in_shape[1:]):
        height, width = in_shape[1:]
        raise ValueError(f"{why}: the sides of a sample must be multiples of {multiple}, not {width}x{height}")


def enlarged_radius(radius: int, scale: int) -> int:
    """Receptive radius in pixels of the input where `enlarge_bicubic` comes first; `radius` is in enlarged pixels."""
    return radius if scale == 1 else 2 + math.ceil(radius / scale)


def conv_size(size: tuple[int, int], kernel: int, stride: int, padding: int) -> tuple[int, int]:
    """Height and width of a convolution's output."""
    height, width = ((side + 2 * padding - kernel) // stride + 1 for side in size)
    return height, width


def transposed_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """Side of a transposed convolution's output, without output padding."""
    return (size - 1) * stride - 2 * padding + kernel


def build_conv(inputs: int, outputs: int, kernel: int, stride: int, padding: int) -> nn.Conv2d:
    """Conv2d, or the variant that is fast for large kernels at stride 1."""
    kind = LargeConv2d if kernel >= FOURIER_KERNEL and stride == 1 else nn.Conv2d
    return kind(inputs, outputs, kernel, stride, padding)


def build_transposed_conv(
    inputs: int, outputs: int, kernel: int, *, stride: int, padding: int, output_padding: int
) -> nn.ConvTranspose2d:
    """ConvTranspose2d, or the variant that is fast for large kernels at stride 1."""
    kind = LargeConvTranspose2d if kernel >= FOURIER_KERNEL and stride == 1 else nn.ConvTranspose2d
    return kind(inputs, outputs, kernel, stride, padding, output_padding)


class LargeConv2d(nn.Conv2d):
    """Conv2d with stride 1 whose kernel is large: same parameters, same result, less time."""

    def forward(self, input: Tensor) -> Tensor:
        if torch.compiler.is_exporting():  # a graph has no Fourier transform, and the size is not known
            return super().forward(input)
        bias, padding = self.bias, int(self.padding[0])
        if padding:
            input = F.pad(input, [padding] * 4)
        if input.shape[2:] == self.weight.shape[2:]:  # 0.067 s a step of 64 images, 0.226 s as a convolution
            return F.linear(input.flatten(1), self.weight.flatten(1), bias)[:, :, None, None]
        height, width = input.shape[2:]
        rows, columns = (s - k + 1 for s, k in zip((height, width), self.kernel_size, strict=True))
        # Cross-correlation: the kernel's spectrum is conjugated, and the first
        # rows x columns values of the circular result are free of wrap-around.
        output = _spectral_product(input, self.weight.transpose(0, 1), (height, width), conjugate=True)
        output = output[:, :, :rows, :columns]
        return output if bias is None else output + bias[:, None, None]


class LargeConvTranspose2d(nn.ConvTranspose2d):
    """ConvTranspose2d with stride 1 whose kernel is large."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        if torch.compiler.is_exporting():
            return super().forward(input, output_size)
        bias, padding = self.bias, int(self.padding[0])
        if input.shape[2:] == (1, 1):
            kernel = self.weight.shape[1:]
            output = F.linear(input.flatten(1), self.weight.flatten(1).T).view(-1, *kernel)
        else:
            size = tuple(s + k - 1 for s, k in zip(input.shape[2:], self.kernel_size, strict=True))
            output = _spectral_product(input, self.weight, (size[0], size[1]), conjugate=False)
        if padding:
            output = output[:, :, padding:-padding, padding:-padding]
        output = output if bias is None else output + bias[:, None, None]
        return output.contiguous(memory_format=torch.channels_last)  # as the layers below it compute fastest


class BranchedConv2d(nn.Module):
    """A 3x3 convolution that keeps the size, trained as branches: 1x1 beside 1x1, 3x3, 1x1 through twice the channels.

    There is no activation between them, so that they are one kernel, and zero padding is that of this kernel
    ("Conv3XC" of Wan et al. 2024; Bhardwaj et al., "Collapsible Linear Blocks", MLSys 2022).  The kernel is computed
    for each batch, in training too: its gradients reach the branches at a quarter of the arithmetic.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.skip = nn.Conv2d(inputs, outputs, 1)
        self.expand = nn.Conv2d(inputs, 2 * inputs, 1)
        self.middle = nn.Conv2d(2 * inputs, 2 * outputs, 3)
        self.reduce = nn.Conv2d(2 * outputs, outputs, 1)

    def kernel(self) -> tuple[Tensor, Tensor]:
        """The one convolution: weights (outputs, inputs, 3, 3) and biases (outputs,)."""
        expand, middle, reduce, skip = (conv.bias for conv in (self.expand, self.middle, self.reduce, self.skip))
        assert expand is not None and middle is not None and reduce is not None and skip is not None
        mix = self.reduce.weight[:, :, 0, 0]
        with torch.autocast("cpu" if mix.is_meta else mix.device.type, enabled=False):  # as the merged layer is
            weight = torch.einsum("on,nmyx->omyx", mix, self.middle.weight)
            weight = torch.einsum("omyx,mi->oiyx", weight, self.expand.weight[:, :, 0, 0])
            bias = mix @ (self.middle.weight.sum((2, 3)) @ expand + middle) + reduce + skip
            return weight + F.pad(self.skip.weight, [1, 1, 1, 1]), bias

    @property
    def weight(self) -> Tensor:
        """(outputs, inputs, 3, 3)"""
        return self.kernel()[0]

    def forward(self, input: Tensor) -> Tensor:
        return F.conv2d(input, *self.kernel(), padding=1)

    @torch.no_grad()
    def merge(self) -> nn.Conv2d:
        """The same function as one layer."""
        outputs, inputs = self.skip.weight.shape[:2]
        conv = nn.Conv2d(inputs, outputs, 3, padding=1, device=self.skip.weight.device)
        for parameter, value in zip((conv.weight, conv.bias), self.kernel(), strict=True):
            assert parameter is not None
            parameter.copy_(value)
        return conv


def _spectral_product(input: Tensor, weight: Tensor, size: tuple[int, int], *, conjugate: bool) -> Tensor:
    """Circular convolution on a grid of `size`: (B, C, h, w) by (C, D, k, k) -> (B, D, *size)."""
    wide = torch.promote_types(input.dtype, torch.float32)  # there is no bfloat16 transform
    spectrum = torch.fft.rfft2(input.to(wide), s=size)  # (B, C, H, W/2+1)
    kernel = torch.fft.rfft2(weight.to(wide), s=size)
    if conjugate:
        kernel = kernel.conj()
    grid = spectrum.shape[2:]
    spectrum = spectrum.permute(2, 3, 0, 1).flatten(0, 1)  # -> (frequencies, B, C)
    kernel = kernel.permute(2, 3, 0, 1).flatten(0, 1)  # -> (frequencies, C, D)
    product = (spectrum @ kernel).unflatten(0, grid).permute(2, 3, 0, 1)
    return torch.fft.irfft2(product, s=size)


def enlarge_bicubic(input: Tensor, scale: int) -> Tensor:
    """(B, C, h, w) -> (B, C, scale * h, scale * w) with Keys' kernel, a = -0.5, as MATLAB's imresize.

    Scale 1 gives the input back.
    """
    if scale == 1:
        return input
    if torch.compiler.is_exporting():
        return _enlarge_by_convolution(input, scale)
    # torch has a = -0.5 only with antialias=True, which changes nothing else when
    # enlarging; it cuts the kernel at the border where imresize mirrors the image.
    border = 3
    padded = _mirror(_mirror(input, border, 2), border, 3)
    size = [padded.shape[2] * scale, padded.shape[3] * scale]
    cut = border * scale
    return F.interpolate(padded, size, mode="bicubic", antialias=True)[:, :, cut:-cut, cut:-cut]


def to_range(images: Tensor, low: float, high: float) -> Tensor:
    """From [0, 1] to [low, high]; [0, 1] costs nothing."""
    return images if (low, high) == (0, 1) else (images * (high - low)).add_(low)


def from_range(images: Tensor, low: float, high: float) -> Tensor:
    """From [low, high] to [0, 1]."""
    return images if (low, high) == (0, 1) else (images - low).div_(high - low)


def _enlarge_by_convolution(input: Tensor, scale: int) -> Tensor:
    """`enlarge_bicubic` in the operations that engines compute fastest, and alike: torch is twice as fast as this.

    ONNX has the kernel too (Resize), but torch 2.14 exports another grid, and OpenVINO 2026.4 another kernel.
    """
    phases = _cubic_phases(scale)  # (scale, 5)
    kernels = torch.einsum("yi,xj->yxij", phases, phases).flatten(0, 1).unsqueeze(1)  # -> (scale^2, 1, 5, 5)
    channels = input.shape[1]
    fine = F.conv2d(_mirror_two(input), kernels.to(input).repeat(channels, 1, 1, 1), groups=channels)
    return F.pixel_shuffle(fine, scale)  # (B, C * scale^2, h, w) -> (B, C, scale * h, scale * w)


def _cubic_phases(scale: int) -> Tensor:
    """(scale, 5): what the `scale` output pixels inside an input pixel take from it and from two to either side."""
    place = (torch.arange(scale, dtype=torch.float64) + 0.5) / scale - 0.5
    x = (place[:, None] - torch.arange(-2, 3)).abs()
    near, far = (1.5 * x - 2.5) * x**2 + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x <= 1, near, torch.where(x < 2, far, 0.0))


def _mirror(input: Tensor, border: int, dim: int) -> Tensor:
    """Symmetric padding (the edge pixel is repeated), also for sides shorter than the border."""
    size = input.shape[dim]
    index = torch.arange(-border, size + border, device=input.device) % (2 * size)
    return input.index_select(dim, torch.where(index < size, index, 2 * size - 1 - index))


def _mirror_two(input: Tensor) -> Tensor:
    """`_mirror` by two pixels on all sides; in a graph much faster than by indices, and its size can be inferred."""
    padded = F.pad(input, [1] * 4, mode="replicate")  # at least three pixels a side, so that two from the end is one
    for dim in (2, 3):
        second, second_last = (padded.select(dim, place).unsqueeze(dim) for place in (2, -3))
        padded = torch.cat((second, padded, second_last), dim)
    return padded
