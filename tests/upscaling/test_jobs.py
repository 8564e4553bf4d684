"""What is read, and what results are called."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from srae.errors import ConfigError, DataError
from srae.images import formats
from srae.upscaling.jobs import Job, Naming, drop_done, name_jobs
from srae.upscaling.sources import list_sources


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``photos/`` with images, results and other files; the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("10.jpg", "9.png", "9_x2.png", "9_x2_compare.png", "9_x4.webp", "map_x2.png", "notes.txt", ".a.png"):
        (tmp_path / "photos").mkdir(exist_ok=True)
        (tmp_path / "photos" / name).touch()
    (tmp_path / "photos" / "more").mkdir()
    (tmp_path / "photos" / "more" / "deep.tif").touch()


def _sources(*inputs: str) -> list[str]:
    return [str(path) for path in list_sources(inputs).paths]


def _jobs(*inputs: str, output: str | None = None, mark: str = "x2", **naming: Any) -> list[Job]:
    return name_jobs(list_sources(inputs), output, Naming(mark, **naming))


def _targets(*inputs: str, **named: Any) -> list[str]:
    return [str(job.target) for job in _jobs(*inputs, **named)]


def test_a_folder_gives_its_images_in_natural_order_without_results() -> None:
    found = list_sources(["photos"])
    assert [path.name for path in found.paths] == ["9.png", "10.jpg", "map_x2.png"]
    assert found.several
    assert found.notes == [
        "photos: 2 entries passed over, they are no images",
        "photos: 3 entries passed over, they are results of this command",
        "photos: 1 folders left out: --recursive reads them",
    ]


def test_patterns() -> None:
    assert _sources("photos/*.jpg") == ["photos/10.jpg"]
    assert list_sources(["photos/*.jpg"]).several  # although it is one now
    assert _sources("photos/**/*.tif") == ["photos/more/deep.tif"]
    assert _sources("photos/[0-9]*") == ["photos/9.png", "photos/10.jpg"]
    assert _sources("photos/*.jpg", "photos/10.jpg", "photos") == ["photos/10.jpg", "photos/9.png", "photos/map_x2.png"]
    Path("odd[1].png").touch()
    assert _sources("odd[1].png") == ["odd[1].png"]  # a file of this name is no pattern
    assert not list_sources(["odd[1].png"]).several
    for nothing in ("photos/*.bmp", "photos/*.txt", "nowhere/*"):
        with pytest.raises(DataError, match="no images"):
            list_sources([nothing])


def test_files_are_taken_as_named() -> None:
    assert _sources("photos/9_x2.png") == ["photos/9_x2.png"]
    assert _sources("missing.png") == ["missing.png"]
    assert _targets("photos/9_x2.png") == ["photos/9_x2_x2.png"]


def test_names() -> None:
    assert _targets("photos/9.png", mark="x3") == ["photos/9_x3.png"]
    assert _targets("photos/10.jpg", wanted="webp") == ["photos/10_x2.webp"]
    assert _targets("a.JPG", "b.gif", "c") == ["a_x2.JPG", "b_x2.png", "c_x2.png"]
    assert _targets("a.JPG", "b.tif", wanted="tiff", output="out") == ["out/a_x2.tiff", "out/b_x2.tiff"]
    assert _targets("a.png", output="large.jpg") == ["large.jpg"]
    assert _targets("a.png", output="large.jpg", wanted="jpg") == ["large.jpg"]
    assert _targets("photos/*.jpg", output="plain") == ["plain/10_x2.jpg"]
    with pytest.raises(ConfigError, match="another format than webp"):
        _targets("a.png", output="large.jpg", wanted="webp")
    with pytest.raises(ConfigError, match="one file for several"):
        _targets("photos/*.jpg", output="large.jpg")


def test_comparisons_lie_beside_the_results() -> None:
    (job,) = _jobs("photos/10.jpg", compare=True)
    assert (str(job.target), str(job.comparison)) == ("photos/10_x2.jpg", "photos/10_x2_compare.png")
    (job,) = _jobs("photos/10.jpg", output="large.webp", compare=True)
    assert str(job.comparison) == "large_compare.png"


def test_what_would_replace_an_input_is_refused() -> None:
    Path("a.png").touch()
    (job,) = _jobs("a.png", output="sub/../a.png")
    assert job.refusal is not None
    assert "replace an input" in job.refusal.what
    jobs = _jobs("photos/9.png", "photos/9_x2.png")
    assert [job.refusal is None for job in jobs] == [False, True]


def _touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def test_equal_stems_never_hide_each_other() -> None:
    """By the suffix of the source, then by its folder; only where names would be equal, whatever is done already."""
    _touch("in/a.png", "in/a.jpg", "in/b.png", "in/sub/a.png")
    assert _targets("in", wanted="webp") == ["in/a_jpg_x2.webp", "in/a_png_x2.webp", "in/b_x2.webp"]
    assert _targets("in") == ["in/a_x2.jpg", "in/a_x2.png", "in/b_x2.png"]
    _touch("in/a_jpg_x2.webp", "in/a_x2_compare.png", "in/a_png_x2_compare.png", "in/a_png_w3840_h9.tif")
    assert _targets("in", wanted="webp") == ["in/a_jpg_x2.webp", "in/a_png_x2.webp", "in/b_x2.webp"]
    assert _targets("in/a.png", "in/a.jpg", "in/sub/a.png", output="out") == [
        "out/a_x2.png",
        "out/a_x2.jpg",
        "out/sub/a_x2.png",
    ]
    assert _targets("in/a.png", "in/sub/a.png", output="out") == ["out/a_x2.png", "out/sub/a_x2.png"]
    assert all(job.refusal is None for job in _jobs("in", "in/sub", output="out", wanted="png", compare=True))


def test_a_comparison_strip_takes_no_image_its_place() -> None:
    _touch("in/a.png", "in/a.jpg", "in/b.png")
    jobs = _jobs("in", compare=True)
    assert [(job.target.name, job.comparison and job.comparison.name) for job in jobs] == [
        ("a_x2.jpg", "a_jpg_x2_compare.png"),
        ("a_x2.png", "a_png_x2_compare.png"),
        ("b_x2.png", "b_x2_compare.png"),
    ]
    assert all(job.refusal is None for job in jobs)


def test_the_tree_is_kept() -> None:
    _touch("rec/1.png", "rec/a/1.png", "rec/b/c/1.png", "rec/.hidden/1.png", "rec/b/notes.txt", "rec/a/1_x2.png")
    found = list_sources(["rec"], recursive=True)
    assert [str(path) for path in found.paths] == ["rec/1.png", "rec/a/1.png", "rec/b/c/1.png"]
    wanted = ["out/1_x2.png", "out/a/1_x2.png", "out/b/c/1_x2.png"]
    for sources in (found, list_sources(["rec/**/*.png"])):
        jobs = name_jobs(sources, "out", Naming("x2"))
        assert sorted(str(job.target) for job in jobs) == wanted
    assert Path("out/b/c").is_dir()
    assert _targets("rec/*/1.png", output="other") == ["other/a/1_x2.png"]
    assert [job.target for job in name_jobs(found, None, Naming("x2"))][1] == Path("rec/a/1_x2.png")


def test_links_in_a_circle_and_the_output_are_not_read_again() -> None:
    _touch("rec/a/1.png", "rec/out/a/1_x2.png")
    Path("rec/a/circle").symlink_to("..", target_is_directory=True)
    for name in ("rec", "rec/**/*.png"):
        found = list_sources([name], recursive=True, output="rec/out")
        assert [str(path) for path in found.paths] == ["rec/a/1.png"]
    _touch("rec/b/c/2.png")
    assert [str(path) for path in list_sources(["rec/*/*/*.png"], output="rec/out").paths] == ["rec/b/c/2.png"]
    assert [str(path) for path in list_sources(["rec/a/*.png"], output="rec/a").paths] == ["rec/a/1.png"]


def test_a_folder_inside_that_cannot_be_listed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _touch("in/a.png", "in/locked/b.png")
    list_entries = Path.iterdir

    def iterdir(path: Path) -> Iterator[Path]:
        if path.name == "locked":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return list_entries(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "locked")
    found = list_sources(["in"], recursive=True)
    assert [str(path) for path in found.paths] == ["in/a.png"]
    assert found.notes == ["in: 1 folders left out: they cannot be listed"]
    with pytest.raises(DataError, match="in/locked"):
        list_sources(["in/locked"])


def test_what_is_left_out_is_counted_by_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    _touch("in/a.jfif", "in/b.JPE", "in/c.HEIC", "in/d.heif", "in/e.nef", "in/f.mp4", "in/g.txt", "in/h.jxl")
    monkeypatch.setattr(formats, "_missing", lambda modules: "no module" if "pillow_heif" in modules else "")
    found = list_sources(["in"])
    assert [path.name for path in found.paths] == ["a.jfif", "b.JPE", "h.jxl"]
    assert found.notes == [
        "in: 2 HEIC left out: pip install 'srae[heif]'",
        "in: 1 camera raws left out: develop them first",
        "in: 1 entries passed over, they are no images",
        "in: 1 videos left out: extract their frames first",
    ]
    with pytest.raises(DataError) as caught:
        list_sources(["in/*.HEIC"])
    assert "pip install 'srae[heif]'" in str(caught.value)
    _touch("outer/inner/a.png")
    with pytest.raises(DataError, match="--recursive"):
        list_sources(["outer"])


def test_suffixes_of_results() -> None:
    names = {"a.jfif": ".jpg", "a.jpe": ".jpg", "a.JPEG": ".JPEG", "a.dib": ".bmp", "a.apng": ".png", "a.gif": ".png"}
    names |= {"a.heic": ".png", "a.avif": ".avif", "a.jp2": ".png", "a.tga": ".png", "a.pgm": ".png", "a.TIF": ".TIF"}
    for name, suffix in names.items():
        assert _targets(name) == [f"a_x2{suffix}"]


def test_frames_are_numbered_from_1_and_counted_from_0() -> None:
    frames = {"doc.tif": 3, "a.png": 1, "b.gif": 2, "b.webp": 2}
    naming = {"frames": lambda path: frames[path.name]}
    assert _targets("doc.tif", "a.png", **naming) == ["doc_p1_x2.tif", "doc_p2_x2.tif", "doc_p3_x2.tif", "a_x2.png"]
    assert [job.frame for job in _jobs("doc.tif", "a.png", **naming)] == [0, 1, 2, None]
    assert _targets("doc.tif", frame=1, **naming) == ["doc_p2_x2.tif"]
    assert _targets("a.png", frame=0, **naming) == ["a_x2.png"]
    assert _targets("doc.tif", frame=1, output="x.tif", **naming) == ["x.tif"]
    assert len(_targets("doc.tif", animation=True, **naming)) == 3  # pages are no animation
    assert _targets("b.gif", "b.webp", "a.png", animation=True, **naming) == [
        "b_gif_x2.webp",
        "b_webp_x2.webp",
        "a_x2.png",
    ]
    (job,) = _jobs("b.gif", animation=True, wanted="jpg", **naming)
    assert job.refusal is not None
    with pytest.raises(ConfigError, match="one file for several frames"):
        _targets("doc.tif", output="x.tif", **naming)
    _touch("in/doc.tif", "in/doc_p1_x2.tif", "in/doc_p2.tif", "in/doc_p2_x1.5.png")
    assert [path.name for path in list_sources(["in"]).paths] == ["doc.tif", "doc_p2.tif"]


def test_what_lies_there_is_not_done_again() -> None:
    jobs = _jobs("photos")
    todo, done = drop_done(jobs)
    assert [job.source.name for job in todo] == ["10.jpg", "map_x2.png"]
    assert [job.source.name for job in done] == ["9.png"]
    Path("photos/10_x2.jpg").symlink_to("nowhere")
    assert len(drop_done(jobs)[1]) == 2
