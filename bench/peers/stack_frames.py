#!/usr/bin/env python3
"""stack_frames.py FOLDER N [SIRIL_SEQUENCE_PREFIX]

30 (N) registered colour frames of 1080 x 1920 pixels for timing a stack alone: sky, noise of 20 ADU, stars, 0.2 % outliers, offsets of
the frames; all with one WCS, so that nearest-neighbour resampling is a copy. With a prefix, the frames of a registered Siril sequence
(PREFIX00001.fit ...) are given that WCS instead."""
import glob, os, sys
import numpy as np
from astropy.io import fits

folder, count = sys.argv[1], int(sys.argv[2])
os.makedirs(folder, exist_ok=True)
W, H = 1080, 1920


def write(name, cube, width, height):
    h = fits.Header()
    h["CTYPE1"], h["CTYPE2"], h["CRVAL1"], h["CRVAL2"] = "RA---TAN", "DEC--TAN", 312.75, 44.0
    h["CRPIX1"], h["CRPIX2"] = width / 2 + 0.5, height / 2 + 0.5
    h["CD1_1"], h["CD1_2"], h["CD2_1"], h["CD2_2"] = -0.000664, 0.0, 0.0, 0.000664
    h["RADESYS"], h["EXPTIME"] = "ICRS", 10.0
    fits.writeto(os.path.join(folder, name), cube, h, overwrite=True)


if len(sys.argv) > 3:
    for k, path in enumerate(sorted(glob.glob(sys.argv[3] + "*.fit"))[:count]):
        cube = fits.getdata(path)
        write(f"s{k:03d}.fits", cube, cube.shape[-1], cube.shape[-2])
else:
    rng = np.random.default_rng(1)
    sky = np.full((3, H, W), 1000, np.float32)
    y, x = np.mgrid[-6:7, -6:7]
    for a, b, f in zip(rng.integers(8, W - 8, 2000), rng.integers(8, H - 8, 2000), 10 ** rng.uniform(2, 4, 2000)):
        sky[:, b - 6:b + 7, a - 6:a + 7] += (f * np.exp(-(x * x + y * y) / 2.9)).astype(np.float32)
    for k in range(count):
        cube = sky + rng.normal(rng.normal(0, 30), 20, sky.shape).astype(np.float32)
        hit = rng.random(sky.shape) < 0.002
        cube[hit] += rng.uniform(200, 4000, hit.sum()).astype(np.float32)
        write(f"f{k:03d}.fits", cube, W, H)
