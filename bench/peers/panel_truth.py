#!/usr/bin/env python3
"""A mosaic of set B (bilinear demosaic or CFA drizzle) against the truth, as its panels could show.

    MB_DATA=DIR python3 panel_truth.py RUN_FOLDER [...]

Stars of 8.5 to 13 mag: flux over that of the truth after one common factor per channel (1.4826 MAD), beside what noise alone
gives in this photometry and the Cramer-Rao limit of the raw pixels (star_limit.py); colour (red and blue over green) per panel, stars weighted by their noise; power of
mosaic minus truth at the frequency of the panels over the median of the frequencies around it, along both axes, after one common
surface of second order.

Photometry: sum under a Gaussian of sigma 1.5 px, near the best for noise that is mostly the sky's, less the clipped mean of mosaic minus
truth in a ring (nebula and faint stars cancel); divided by what the seeing and the sampling of the frames let through."""
import json, os, sys, warnings
import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from scipy.ndimage import maximum_filter1d
from scipy.spatial import cKDTree
import flux_ratio
import star_limit

warnings.filterwarnings("ignore")
BLOCK = 32
SIGMA_PX, RING = 1.5, (9.0, 20.0)
BINS = ((8.5, 13.0), (8.5, 10.5), (10.5, 12.0), (12.0, 13.0))
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


def weight(r):
    return np.exp(-0.5 * (r / SIGMA_PX) ** 2)


def clipped_mean(values):
    for _ in range(4):
        middle = np.median(values)
        values = values[np.abs(values - middle) < 3 * flux_ratio.mad(values)]
    return values.mean()


def star_ratios(plane, truth, x, y):
    """Weighted flux of mosaic over truth; sky of the truth in the ring."""
    n = int(RING[1]) + 2
    d = np.arange(-n, n + 1)
    ratios, nebula = np.full(len(x), np.nan), np.zeros(len(x))
    common = 1.0
    for _ in range(2):
        for k, (i, j) in enumerate(zip(np.round(x).astype(int), np.round(y).astype(int))):
            cut = np.s_[j - n:j + n + 1, i - n:i + n + 1]
            if min(i, j) < n or truth[cut].shape != (len(d), len(d)):
                continue
            own, other = plane[cut].astype(np.float64) / common, truth[cut].astype(np.float64)
            r = np.hypot((d + i - x[k])[None, :], (d + j - y[k])[:, None])
            ring = (r > RING[0]) & (r < RING[1]) & np.isfinite(own)
            if ring.sum() < 500 or not np.isfinite(own[r < RING[0]]).all():
                continue
            nebula[k] = np.median(other[ring])
            own = own - clipped_mean((own - other)[ring])
            near = np.where(r < star_limit.HALF, weight(r), 0.0)
            ratios[k] = common * (np.nan_to_num(own - nebula[k]) * near).sum() / ((other - nebula[k]) * near).sum()
        common = np.nanmedian(ratios)
    return ratios, nebula


def expected_scatter(sigma):
    rng = np.random.default_rng(1)
    return float(np.median([flux_ratio.mad(rng.normal(0, sigma)) for _ in range(200)]))


def weighted_mean(values, weights):
    """Without what is off by more than 4 standard deviations (at first of the median), and its standard error."""
    middle = np.median(values)
    for _ in range(4):
        near = np.abs(values - middle) * np.sqrt(weights) < 4.0
        middle = np.average(values[near], weights=weights[near])
    return middle, weights[near].sum() ** -0.5


def scatter_by_magnitude(ratio, noise, cramer_rao, mag):
    out = []
    for low, high in BINS:
        k = (mag > low) & (mag < high)
        own = [flux_ratio.mad(ratio[k]), expected_scatter(noise[k]), expected_scatter(cramer_rao[k])]
        out.append([round(100 * float(v), 3) for v in own])
    return out


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
    x, y, mag = candidates["x0"], candidates["y0"], candidates["mag"]
    rgb = np.stack([10 ** (0.16 * (candidates["colour"] - 0.7)), np.ones(len(x)), 10 ** (-0.24 * (candidates["colour"] - 0.7))])
    ring_px = np.pi * (RING[1] ** 2 - RING[0] ** 2)
    for folder in sys.argv[1:]:
        with fits.open(os.path.join(folder, "mosaic.fits")) as hdus:
            cube = hdus[0].data.astype(np.float32)
        measured = [star_ratios(cube[c], truth_cube[c], x, y) for c in range(3)]
        nebula = np.array([own[1] for own in measured])
        limit = star_limit.limits(data, folder, (candidates["ra"], candidates["dec"], x, y), candidates["flux"], rgb, nebula, weight, ring_px)
        ratios = np.array([own[0] for own in measured]) / limit.loss
        known = np.isfinite(ratios).all(0) & (ratios > 0).all(0) & (limit.depth >= 3)
        ratios, xs, ys = ratios[:, known], x[known], y[known]
        common = np.median(ratios, 1)
        ratios = ratios / common[:, None]
        scatter = [scatter_by_magnitude(ratios[c], limit.noise[c][known], limit.cramer_rao[c][known], mag[known]) for c in range(3)]
        own = np.argmin(np.hypot(xs[:, None] - centres[:, 0], ys[:, None] - centres[:, 1]), 1)
        per_panel = np.array([[np.median(ratios[c][own == p]) for p in range(len(numbers))] for c in range(3)])
        colour = {}
        for name, c in (("red", 0), ("blue", 2)):
            values = ratios[c] / ratios[1]
            weights = 1 / (limit.noise[c][known] ** 2 + limit.noise[1][known] ** 2)
            means, errors = np.array([weighted_mean(values[own == p], weights[own == p]) for p in range(len(numbers))]).T
            colour[name] = {"rms_percent": round(100 * float(means.std()), 3), "statistical_percent": round(100 * float(np.sqrt((errors ** 2).mean())), 3)}
        power = [[round(p, 3) for p in panel_power(without_quadratic(residual_blocks(cube[c] / common[c], truth_cube[c], stars)), axis)] for c in range(3) for axis in (1, 0)]
        print(json.dumps({"run": folder, "stars": int(known.sum()), "common": [round(float(v), 4) for v in common],
                          "median": [round(float(np.median(r)), 4) for r in ratios], "magnitudes": BINS, "scatter_noise_cramer_rao_percent": scatter,
                          "panel_rms_percent": [round(100 * float(p.std()), 3) for p in per_panel], "colour": colour, "panel_power_and_rms_adu": power}), flush=True)


if __name__ == "__main__":
    main()
