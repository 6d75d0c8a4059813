#!/usr/bin/env python3
"""Golden of the sky background: sep's mesh of a made star field, scipy's natural bicubic spline through it.

    make_background_golden.py DATA_DIR OUT_DIR

The field is drawn here (seeded): a quadratic sky, normal noise of 12 ADU, 400 stars, a bright galaxy of Gaussian
profile, a bad corner and a bad block (NaN). sep is only run, as a peer, on 64 px cells:

- each cell alone, as a frame of one cell: its mode and noise without spline and filter;
- the whole frame with the 3x3 filter, without and with a threshold. Its map is read at the cells' centres: sep puts
  them at x = 31.5 + 64 i, so two columns are averaged, and at y = 32 + 64 j, half a pixel late.

The full-resolution peer is scipy's natural CubicSpline along y, then x, through sep's filtered mesh, on every seventh
pixel between the outer centres, because sep's own spline has kinks at the cells' centres (docs/methods/background.md).

Files written to OUT_DIR, row-major, little-endian:

    background_field.f32     f32  HEIGHT x WIDTH pixels
    background_cells.f64     f64  2 x ROWS x COLUMNS: mode, noise of each cell alone; NaN for bad cells
    background_mesh.f64      f64  4 x ROWS x COLUMNS: mode, noise after the filter, without and with THRESHOLD_ADU
    background_spline.f64    f64  scipy's map of the first of these
    background_sep.f32       f32  HEIGHT x WIDTH pixels: sep's own map
"""
# data: -
# writes: background_field.f32 background_cells.f64 background_mesh.f64 background_spline.f64 background_sep.f32
import sys
from pathlib import Path

import numpy as np
import sep
from scipy.interpolate import CubicSpline

CELL, COLUMNS, ROWS = 64, 14, 10
WIDTH, HEIGHT = CELL * COLUMNS, CELL * ROWS
THRESHOLD_ADU = 0.6
STEP = 7


def field():
    rng = np.random.default_rng(1996)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    u, v = x / WIDTH - 0.5, y / HEIGHT - 0.5
    image = 1000 + 40 * u - 25 * v + 30 * u * u - 20 * u * v + 15 * v * v
    for _ in range(400):
        flux, sigma = 2000 * rng.pareto(1.2) + 500, rng.uniform(1.2, 1.8)
        x0, y0 = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT)
        part = np.s_[max(int(y0) - 15, 0) : int(y0) + 16, max(int(x0) - 15, 0) : int(x0) + 16]
        r2 = (x[part] - x0) ** 2 + (y[part] - y0) ** 2
        image[part] += min(flux, 4e5) / (2 * np.pi * sigma**2) * np.exp(-0.5 * r2 / sigma**2)
    image += 300 * np.exp(-0.5 * ((x - 600) ** 2 + (y - 300) ** 2) / 18**2)
    image += rng.normal(0, 12, image.shape)
    image[:100, :90] = np.nan
    image[400:470, 500:600] = np.nan
    return image.astype(np.float32)


def background(image, **options):
    mask = np.isnan(image)
    return sep.Background(np.where(mask, 0, image).astype(np.float32), mask=mask, bw=CELL, bh=CELL, **options)


def cells(image):
    """Mode and noise of each cell as a frame of its own."""
    out = np.full((2, ROWS, COLUMNS), np.nan)
    for j in range(ROWS):
        for i in range(COLUMNS):
            cell = np.ascontiguousarray(image[j * CELL : (j + 1) * CELL, i * CELL : (i + 1) * CELL])
            if 2 * np.isfinite(cell).sum() >= cell.size:
                alone = background(cell, fw=1, fh=1)
                out[:, j, i] = alone.back(dtype=np.float64)[0, 0], alone.rms(dtype=np.float64)[0, 0]
    return out


def at_centres(plane):
    half = CELL // 2
    return 0.5 * (plane[half::CELL, half - 1 :: CELL] + plane[half::CELL, half::CELL])


def mesh(image, threshold):
    found = background(image, fw=3, fh=3, fthresh=threshold)
    return [at_centres(found.back(dtype=np.float64)), at_centres(found.rms(dtype=np.float64))]


def spline(values):
    centre = (CELL - 1) / 2
    at = [np.arange(CELL // 2, CELL * n - CELL // 2, STEP) for n in (ROWS, COLUMNS)]
    knots = [centre + CELL * np.arange(n) for n in (ROWS, COLUMNS)]
    columns = CubicSpline(knots[0], values, axis=0, bc_type="natural")(at[0])
    return CubicSpline(knots[1], columns, axis=1, bc_type="natural")(at[1])


def main():
    out = Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    image = field()
    meshes = mesh(image, 0.0) + mesh(image, THRESHOLD_ADU)
    image.astype("<f4").tofile(out / "background_field.f32")
    cells(image).astype("<f8").tofile(out / "background_cells.f64")
    np.array(meshes).astype("<f8").tofile(out / "background_mesh.f64")
    spline(meshes[0]).astype("<f8").tofile(out / "background_spline.f64")
    background(image, fw=3, fh=3).back(dtype=np.float32).astype("<f4").tofile(out / "background_sep.f32")
    print(f"background: {COLUMNS} x {ROWS} cells, sep {sep.__version__}")


if __name__ == "__main__":
    main()
