#!/usr/bin/env python3
"""Golden of single samples: reproject_interp and scipy's map_coordinates, bilinear and bicubic.

    make_bicubic_golden.py DATA_DIR OUT_DIR

The resampling crate knows no sky, so every case stores the positions that astropy gives beside the values. Each
bicubic_NAME.f64 is a row of little-endian f64:

    width, height, n, number of value rows (2, or 3 with reproject's stored reference)
    the input's width x height pixels, row by row
    n positions x, n positions y, in the input's pixels, before reproject's clamping of the outer half pixel
    n values bilinear, n values bicubic (NaN where there are none)
    n values of the reference file that reproject's own tests compare with (bilinear)

Cases: gal2equ and cutout as interpolation/tests/test_core.py has them, with their reference files; oblique is noise
on gc_ga.hdr brought onto gc_eq.hdr, both with ten times larger pixels; cube_0 .. cube_3 are the planes of
equatorial_3d.fits with their reference; random is noise sampled by scipy alone (mode "mirror", which is the
boundary of its filter) at positions of all phases, up to the outermost pixel centres.
"""
# data: reproject_reference/tests/data
# writes: bicubic_gal2equ.f64 bicubic_cutout.f64 bicubic_oblique.f64 bicubic_cube_0.f64 bicubic_cube_1.f64 bicubic_cube_2.f64 bicubic_cube_3.f64 bicubic_random.f64
import sys
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from astropy.wcs.utils import pixel_to_pixel
from reproject import reproject_interp
from scipy.ndimage import map_coordinates

# The centre of the Galaxy as reproject's tests write it.
CENTRE = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 266.39311, "CRVAL2": -28.939779}


def write(path, pixels, x, y, values):
    height, width = pixels.shape
    head = [width, height, x.size, len(values)]
    parts = [head, pixels, x, y, *values]
    row = np.concatenate([np.asarray(part, dtype="<f8").ravel() for part in parts])
    path.write_bytes(row.tobytes())
    print(f"{path.name}: {x.size} positions in {width} x {height} pixels")


def on_sky(path, pixels, wcs_in, wcs_out, shape, reference=None):
    y, x = np.indices(shape, dtype=float)
    x, y = pixel_to_pixel(wcs_out, wcs_in, x.ravel(), y.ravel())
    values = [
        reproject_interp((pixels, wcs_in), wcs_out, shape, order=order, roundtrip_coords=False, return_footprint=False)
        for order in ("bilinear", "bicubic")
    ]
    if reference is not None:
        values.append(reference)
    write(path, pixels, x, y, values)


def cube(out, folder):
    """The celestial planes of a cube whose reference was made plane by plane from one pair of WCS."""
    with fits.open(folder / "tests/data/equatorial_3d.fits") as hdus:
        data, header = hdus[0].data.astype(float), hdus[0].header
    turned = header.copy()
    turned.update({"NAXIS1": 10, "NAXIS2": 9, "CTYPE1": "GLON-SIN", "CTYPE2": "GLAT-SIN"})
    turned.update({"CRVAL1": 163.16724, "CRVAL2": -15.777405, "CRPIX1": 6, "CRPIX2": 5})
    reference = fits.getdata(folder / "interpolation/tests/reference/test_reproject_celestial_3d_equ2gal.fits")
    for plane, pixels in enumerate(data):
        path = out / f"bicubic_cube_{plane}.f64"
        on_sky(path, pixels, WCS(header).celestial, WCS(turned).celestial, (9, 10), reference[plane])


def random(path):
    rng = np.random.default_rng(20261126)
    pixels = rng.normal(100.0, 30.0, (47, 61)).astype(np.float32).astype(float)
    x, y = rng.uniform(0.0, 60.0, 20000), rng.uniform(0.0, 46.0, 20000)
    # Also on pixels, half-way, and on the last columns and rows.
    x[:500], y[200:700] = np.rint(2 * x[:500]) / 2, np.rint(2 * y[200:700]) / 2
    x[700:800], y[750:850], x[850:900] = 60.0, 46.0, 0.0
    values = [map_coordinates(pixels, [y, x], order=order, mode="mirror") for order in (1, 3)]
    write(path, pixels, x, y, values)


def main():
    folder, out = Path(sys.argv[1]) / "reproject_reference", Path(sys.argv[2])
    warnings.simplefilter("ignore", FITSFixedWarning)
    out.mkdir(parents=True, exist_ok=True)
    with fits.open(folder / "tests/data/galactic_2d.fits") as hdus:
        pixels, header = hdus[0].data.astype(float), hdus[0].header
    references = folder / "interpolation/tests/reference"
    equatorial = header.copy()
    equatorial.update(CENTRE)
    reference = fits.getdata(references / "test_reproject_celestial_2d_gal2equ.fits")
    on_sky(out / "bicubic_gal2equ.f64", pixels, WCS(header), WCS(equatorial), pixels.shape, reference)
    equatorial.update({"NAXIS1": 10, "NAXIS2": 9, "CRPIX1": 5.1, "CRPIX2": 4.7})
    reference = fits.getdata(references / "test_small_cutout.fits")
    on_sky(out / "bicubic_cutout.f64", pixels, WCS(header), WCS(equatorial), (9, 10), reference)
    galactic, equatorial = (
        fits.Header.fromtextfile(folder / f"tests/data/gc_{name}.hdr") for name in ("ga", "eq")
    )
    smooth = np.random.default_rng(20261127).normal(0.0, 1.0, (70, 69)).astype(np.float32).astype(float)
    for grid, scale in ((galactic, 10), (equatorial, 10)):
        # Ten times larger pixels: the same part of the sky in a hundredth of them.
        grid.update({"CDELT1": grid["CDELT1"] * scale, "CDELT2": grid["CDELT2"] * scale})
        grid.update({"CRPIX1": (grid["CRPIX1"] - 0.5) / scale + 0.5, "CRPIX2": (grid["CRPIX2"] - 0.5) / scale + 0.5})
    on_sky(out / "bicubic_oblique.f64", smooth, WCS(galactic), WCS(equatorial), (72, 72))
    cube(out, folder)
    random(out / "bicubic_random.f64")


if __name__ == "__main__":
    main()
