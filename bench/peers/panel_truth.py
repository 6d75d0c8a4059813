#!/usr/bin/env python3
"""A mosaic of set B against the truth, as its panels could show.

    MB_DATA=DIR python3 panel_truth.py RUN_FOLDER [...]

Stars brighter than 13 mag: aperture flux over that of the truth after one common factor per channel (median, 1.4826 MAD);
colour (red and blue over green) per panel; power of mosaic minus truth at the frequency of the panels over the median of the
frequencies around it, along both axes, after one common surface of second order."""
import json, os, sys, warnings
import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from scipy.ndimage import maximum_filter1d
from scipy.spatial import cKDTree
import flux_ratio

warnings.filterwarnings("ignore")
BLOCK = 32
# The aperture that takes least noise of the sky for what it takes of the light.
flux_ratio.R = 4.0
PITCH = (0.75 * 1080, 0.75 * 1920)


def residual_blocks(plane, truth, stars):
    h, w = (n // BLOCK for n in plane.shape)
    mask = np.zeros(plane.shape, bool)
    for limit, radius in ((16.0, 6), (13.0, 14), (10.5, 30), (8.5, 70)):
        points = np.zeros(plane.shape, np.uint8)
        keep = stars["mag"] < limit
        x, y = np.round(stars["x0"][keep]).astype(int), np.round(stars["y0"][keep]).astype(int)
        inside = (x >= 0) & (y >= 0) & (x < plane.shape[1]) & (y < plane.shape[0])
        points[y[inside], x[inside]] = 1
        mask |= maximum_filter1d(maximum_filter1d(points, 2 * radius + 1, axis=0), 2 * radius + 1, axis=1) > 0
    difference = np.where(mask, np.nan, plane - truth)[:h * BLOCK, :w * BLOCK]
    cells = difference.reshape(h, BLOCK, w, BLOCK).transpose(0, 2, 1, 3).reshape(h, w, -1)
    known = np.isfinite(cells).sum(2) > 60
    return np.where(known, np.nanmedian(cells, 2), np.nan)


def without_quadratic(blocks):
    y, x = np.mgrid[-1:1:blocks.shape[0] * 1j, -1:1:blocks.shape[1] * 1j]
    known = np.isfinite(blocks)
    terms = lambda k: np.column_stack([np.ones(k.sum()), x[k], y[k], x[k] ** 2, x[k] * y[k], y[k] ** 2])
    fit = np.linalg.lstsq(terms(known), blocks[known], rcond=None)[0]
    out = np.zeros_like(blocks)
    out[known] = blocks[known] - terms(known) @ fit
    return out


def panel_power(blocks, axis):
    """Power at the panels' frequency over the continuum, along an axis: rows (columns) averaged in power."""
    lines = blocks if axis == 1 else blocks.T
    n = lines.shape[1]
    power = (np.abs(np.fft.rfft(lines * np.hanning(n), axis=1)) ** 2).mean(0)
    panel = n * BLOCK / PITCH[0 if axis == 1 else 1]
    k = np.arange(len(power))
    # Power falls steeply with frequency: the continuum is a power law through the frequencies around, without the panels' own.
    around = (k >= 2) & (k <= 20) & (np.abs(k - panel) > 1.0) & (np.abs(k - 2 * panel) > 1.0)
    fit = np.polyfit(np.log(k[around]), np.log(power[around]), 2)
    at = np.abs(k - panel) <= 0.75
    return float(np.mean(power[at] / np.exp(np.polyval(fit, np.log(k[at]))))), float(np.sqrt(power.mean()) / n)


def main():
    data = os.environ["MB_DATA"]
    truth_cube = fits.getdata(f"{data}/B/truth.fits").astype(np.float32)
    truth_wcs = WCS(fits.getheader(f"{data}/B/truth.fits"), naxis=2)
    stars = np.genfromtxt(f"{data}/B/stars.csv", delimiter=",", names=True)
    meta = json.load(open(f"{data}/B/frames.json"))
    panels = {}
    for frame in meta:
        panels.setdefault(frame["panel"], []).append((frame["ra"], frame["dec"]))
    numbers = sorted(panels)
    centres = truth_wcs.all_world2pix(np.array([np.mean(panels[p], 0) for p in numbers]), 0)
    candidates = stars[(stars["mag"] < 13.0) & (stars["mag"] > 8.5)]
    bright = stars[stars["mag"] < 16.0]
    tree = cKDTree(np.column_stack([bright["x0"], bright["y0"]]))
    near = tree.query_ball_point(np.column_stack([candidates["x0"], candidates["y0"]]), 15.0)
    alone = np.array([all(bright["mag"][j] > m + 3.0 or abs(bright["x0"][j] - x) + abs(bright["y0"][j] - y) < 1e-6 for j in own)
                      for own, m, x, y in zip(near, candidates["mag"], candidates["x0"], candidates["y0"])])
    candidates = candidates[alone]
    x, y = candidates["x0"], candidates["y0"]
    for folder in sys.argv[1:]:
        with fits.open(os.path.join(folder, "mosaic.fits")) as hdus:
            cube = hdus[0].data.astype(np.float32)
        ratios = np.array([flux_ratio.flux(cube[c], x, y) / flux_ratio.flux(truth_cube[c], x, y) for c in range(3)])
        known = np.isfinite(ratios).all(0) & (ratios > 0).all(0)
        ratios, xs, ys = ratios[:, known], x[known], y[known]
        common = np.median(ratios, 1)
        ratios = ratios / common[:, None]
        own = np.argmin(np.hypot(xs[:, None] - centres[:, 0], ys[:, None] - centres[:, 1]), 1)
        per_panel = np.array([[np.median(ratios[c][own == p]) for p in range(len(numbers))] for c in range(3)])
        colour = {}
        for name, c in (("red", 0), ("blue", 2)):
            values = ratios[c] / ratios[1]
            medians = np.array([np.median(values[own == p]) for p in range(len(numbers))])
            errors = np.array([1.2533 * flux_ratio.mad(values[own == p]) / np.sqrt((own == p).sum()) for p in range(len(numbers))])
            colour[name] = {"rms_percent": round(100 * float(medians.std()), 3), "statistical_percent": round(100 * float(np.sqrt((errors ** 2).mean())), 3)}
        power = [[round(p, 3) for p in panel_power(without_quadratic(residual_blocks(cube[c] / common[c], truth_cube[c], stars)), axis)] for c in range(3) for axis in (1, 0)]
        print(json.dumps({"run": folder, "stars": int(known.sum()), "common": [round(float(v), 4) for v in common],
                          "median": [round(float(np.median(r)), 4) for r in ratios], "scatter_percent": [round(100 * float(flux_ratio.mad(r)), 3) for r in ratios],
                          "panel_rms_percent": [round(100 * float(p.std()), 3) for p in per_panel], "colour": colour, "panel_power_and_rms_adu": power}), flush=True)


if __name__ == "__main__":
    main()
