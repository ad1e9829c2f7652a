"""Folders of sound as sequences to classify: a file a sequence, its label in a folder's or the file's name."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.series.packages import package
from penstock.series.series_set import Column, Keys, Role, SeriesSet, Unused

ENDINGS = (".wav", ".flac", ".ogg", ".aiff", ".aif")
MOST_DAMAGED = 0.1
"""The share of files that may be damaged and are skipped; with more, what is read is not what was meant."""
FOLDER = "{label}/*"
"""The pattern where none is said: the folder's name is the label."""


def read_sound(paths: Sequence[Path], root: Path, pattern: str | None = None) -> SeriesSet:
    """Recordings as they are: a row a sample, a column a channel, in [−1, 1].

    Args:
        paths: the files.
        root: the folder that the pattern begins in.
        pattern: what the names below ``root`` hold, such as ``{label}_{speaker}_{take}.wav``, or ``{label}/*``.
            "label" is the target; any other field becomes a column for splitting. None: the folder's name is the label,
            if the files lie in folders.

    Raises:
        PenstockError: rates or channels differ, too many files are damaged, or a name does not fit the pattern.
    """
    soundfile = package("soundfile", str(root))
    said = pattern is not None
    pattern = pattern or FOLDER
    fields = _fields(pattern)
    read: list[NDArray[np.float32]] = []
    kept: list[Path] = []
    damaged: list[tuple[Path, str]] = []
    first: tuple[int, int] | None = None
    for path in paths:
        try:
            samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
            damaged.append((path, str(error).splitlines()[0]))
            continue
        if not len(samples):
            damaged.append((path, "no samples"))
            continue
        shape = (int(rate), samples.shape[1])
        if first is not None and shape != first:
            raise PenstockError(f"{path}: {_shape(*shape)}, but {kept[0]} has {_shape(*first)}; convert them to one")
        first = shape
        read.append(samples)
        kept.append(path)
    if first is None or len(damaged) > MOST_DAMAGED * len(paths):
        what = f"{damaged[0][0]}: damaged: {damaged[0][1]}" if damaged else f"{root}: no sound"
        raise PenstockError(f"{what}; {len(damaged):,} of {len(paths):,} files cannot be read")
    found = [_matched(path, root, pattern, said) for path in kept]
    columns = [Column("x" if first[1] == 1 else f"x{k}", "seen", None, "a channel") for k in range(first[1])]
    lengths = np.array([len(samples) for samples in read])
    codes = []
    for field in fields if all(found) else ():
        names = [match[field] for match in found if match]
        distinct = tuple(sorted(set(names)))
        role: Role = "target" if field == "label" else "split"
        columns.append(Column(field, role, distinct, "in the file's name" if said else "the folder's name"))
        codes.append(np.repeat([distinct.index(name) for name in names], lengths).astype(np.float32))
    values = np.concatenate(read)
    if codes:
        values = np.concatenate([values, np.stack(codes, axis=1)], axis=1)
    example = f"{damaged[0][0].name}{', …' * (len(damaged) > 1)}" if damaged else ""
    return SeriesSet(
        ids=tuple(str(path.relative_to(root)) if path.is_relative_to(root) else str(path) for path in kept),
        starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        values=values,
        columns=tuple(columns),
        sources=(str(root),),
        source_of=np.zeros(len(kept), np.int64),
        keys=Keys(),
        unused=(Unused(f"{len(damaged):,} of {len(paths):,} files ({example})", "damaged"),) if damaged else (),
        rate=first[0],
    )


def _shape(rate: int, channels: int) -> str:
    return f"{rate:,} Hz and {channels} channel{'s' * (channels != 1)}"


def _fields(pattern: str) -> list[str]:
    fields = re.findall(r"{(\w+)}", pattern)
    if "label" not in fields:
        raise PenstockError(f"pattern {pattern!r}: expected {{label}} in it, as in {{label}}_{{speaker}}.wav")
    return fields


def _matched(path: Path, root: Path, pattern: str, said: bool) -> "re.Match[str] | None":
    parts = re.split(r"({\w+}|\*)", pattern)
    fits = (
        f"(?P<{part[1:-1]}>[^/]+?)" if part.startswith("{") else ".*" if part == "*" else re.escape(part)
        for part in parts
    )
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
    match = re.fullmatch("".join(fits), name)
    if match is None and said:
        raise PenstockError(f"{path}: its name does not fit the pattern {pattern!r}")
    return match


def log_mel(samples: NDArray[np.floating], rate: int, bands: int = 40, step: float = 0.01) -> NDArray[np.float32]:
    """(frames, bands): the logarithm of the energy in bands that are equally wide to the ear, every ``step`` seconds.

    A frame is a Hann window of two and a half steps; bands are triangles on O'Shaughnessy's mel scale (1987). What is
    shorter than one frame becomes one.
    """
    hop = max(1, round(rate * step))
    width = max(2, round(2.5 * hop))
    size = 1 << (width - 1).bit_length()
    mono = np.asarray(samples, np.float64).reshape(len(samples), -1).mean(axis=1)
    if len(mono) < width:
        mono = np.pad(mono, (0, width - len(mono)))
    frames = np.lib.stride_tricks.sliding_window_view(mono, width)[::hop] * np.hanning(width)
    power = np.abs(np.fft.rfft(frames, size)) ** 2
    found: NDArray[np.float32] = np.log(power @ _triangles(rate, size, bands).T + 1e-6).astype(np.float32)
    return found


def _triangles(rate: int, size: int, bands: int) -> NDArray[np.float64]:
    mel = np.linspace(0, 2595 * np.log10(1 + rate / 2 / 700), bands + 2)
    hertz = 700 * (10 ** (mel / 2595) - 1)
    bins = np.fft.rfftfreq(size, 1 / rate)
    low, middle, high = hertz[:-2, None], hertz[1:-1, None], hertz[2:, None]
    found: NDArray[np.float64] = np.clip(
        np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)), 0, None
    )
    return found


def as_log_mel(series: SeriesSet, bands: int = 40) -> SeriesSet:
    """The same recordings as frames of ``log_mel``, a column a band; other columns as they are."""
    import dataclasses

    if series.rate is None:
        raise ValueError("series: expected sound, whose rate is known")
    sound = series.of_role("seen")
    others = [k for k in range(len(series.columns)) if k not in sound]
    frames: list[Any] = []
    for k in range(len(series)):
        values = series.one(k).values
        found = log_mel(values[:, sound], series.rate, bands)
        frames.append(np.concatenate([found, np.repeat(values[:1, others], len(found), axis=0)], axis=1))
    columns = [Column(f"band{k}", "seen", None, "of the sound") for k in range(bands)]
    return dataclasses.replace(
        series,
        starts=np.concatenate([[0], np.cumsum([len(one) for one in frames])]).astype(np.int64),
        values=np.concatenate(frames).astype(np.float32),
        columns=(*columns, *(series.columns[k] for k in others)),
    )
