"""What is read, and what results are called."""

import os
from pathlib import Path

import pytest

from srae.errors import ConfigError, DataError
from srae.upscaling.jobs import drop_done, list_sources, name_jobs


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


def _targets(*inputs: str, output: str | None = None, scale: int = 2, wanted: str | None = None) -> list[str]:
    return [str(job.target) for job in name_jobs(list_sources(inputs), output, scale, wanted=wanted)]


def test_a_folder_gives_its_images_in_natural_order_without_results() -> None:
    found = list_sources(["photos"])
    assert [path.name for path in found.paths] == ["9.png", "10.jpg", "map_x2.png"]
    assert found.several
    assert found.notes == [
        "photos: 3 entries passed over, they are no images",
        "photos: 3 entries passed over, they are results of this command",
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
    assert _targets("photos/9.png", scale=3) == ["photos/9_x3.png"]
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
    (job,) = name_jobs(list_sources(["photos/10.jpg"]), None, 2, compare=True)
    assert (str(job.target), str(job.comparison)) == ("photos/10_x2.jpg", "photos/10_x2_compare.png")
    (job,) = name_jobs(list_sources(["photos/10.jpg"]), "large.webp", 2, compare=True)
    assert str(job.comparison) == "large_compare.png"


def test_what_would_replace_an_input_or_another_result_is_refused() -> None:
    os.makedirs("sub")
    for path in ("a.png", "a.jpg", "sub/a.png"):
        Path(path).touch()
    jobs = name_jobs(list_sources(["a.png", "a.jpg", "sub/a.png"]), "out", 2)
    assert [job.refusal is None for job in jobs] == [True, True, False]
    jobs = name_jobs(list_sources(["a.png", "a.jpg"]), None, 2, wanted="png")
    assert [job.refusal is None for job in jobs] == [True, False]
    (job,) = name_jobs(list_sources(["a.png"]), "sub/../a.png", 2)
    assert job.refusal is not None
    assert "replace an input" in job.refusal.what


def test_what_lies_there_is_not_done_again() -> None:
    jobs = name_jobs(list_sources(["photos"]), None, 2)
    todo, done = drop_done(jobs)
    assert [job.source.name for job in todo] == ["10.jpg", "map_x2.png"]
    assert [job.source.name for job in done] == ["9.png"]
    Path("photos/10_x2.jpg").symlink_to("nowhere")
    assert len(drop_done(jobs)[1]) == 2
