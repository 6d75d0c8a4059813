"""What photons, read noise and the Bayer pattern allow for the stars of set B: model of the simulator (simulate.py), no pixel is looked at.

    limits(data, run_folder, ra, dec, flux, rgb, nebula, weight) -> Limits

Every star is drawn as its Moffat image on the raw pixels of each frame that holds it, with the seeing, gain, sky and vignetting of
frames.json. `weight` is the photometry's: what a pixel at a distance (px) counts in the sum over a star. What it does to a raw pixel
is the transpose of the bilinear demosaic (or of CFA drizzle); frames are averaged with the weights of frames.csv."""
import csv, json, os, tomllib
from typing import NamedTuple
import numpy as np
from astropy.wcs import WCS

BETA, E_PER_ADU, NX, NY, SCALE = 3.5, 0.25, 1080, 1920, 2.39
SKY = (0.85, 1.0, 0.8)
# Read noise, and steps of 16 ADU = 4 e- of the converter.
READ_VARIANCE_E2 = 2.0 ** 2 + 4.0 ** 2 / 12.0
TRUTH_SEEING, HALF = 5.4, 10


class Limits(NamedTuple):
    depth: np.ndarray          # frames per star
    loss: np.ndarray           # (3, n) share of a star in the sum on the mosaic over that on the truth
    noise: np.ndarray          # (3, n) relative noise of that sum: photons, read noise, sky ring
    cramer_rao: np.ndarray     # (3, n) least relative error of any unbiased flux from the raw pixels, all else known


def offsets(x, y):
    xi, yi = np.round(x).astype(int), np.round(y).astype(int)
    d = np.arange(-HALF, HALF + 1)
    return xi[:, None] + d, yi[:, None] + d


def moffat(px, py, x, y, seeing):
    """Share of the light per pixel, of 2 x 2 points as the simulator has it."""
    alpha = seeing / SCALE / (2 * np.sqrt(2 ** (1 / BETA) - 1))
    u = [((px + s - x[:, None]) / alpha) ** 2 for s in (-0.25, 0.25)]
    v = [((py + s - y[:, None]) / alpha) ** 2 for s in (-0.25, 0.25)]
    image = sum((1 + b[:, :, None] + a[:, None, :]) ** -BETA for a in u for b in v)
    return image * (BETA - 1) / (np.pi * alpha ** 2) / 4


def distance(px, py, x, y):
    return np.hypot(px[:, None, :] - x[:, None, None], py[:, :, None] - y[:, None, None])


def on_raw(weight, channel, own, drizzled):
    """Transpose of the bilinear demosaic: what each raw pixel of the channel (`own`) counts in the sum over its plane. Drizzled instead
    (overlap of two pixels, many frames): the mean weight under its drop, for the pixels of other colours too."""
    w = np.pad(weight, ((0, 0), (1, 1), (1, 1)))
    if drizzled:
        w = (w[:, :-2] + 10 * w[:, 1:-1] + w[:, 2:]) / 12
        w = (w[:, :, :-2] + 10 * w[:, :, 1:-1] + w[:, :, 2:]) / 12
        return np.where(own, w * (2 if channel == 1 else 4), 0.0)
    sides = [w[:, 1:-1, :-2], w[:, 1:-1, 2:], w[:, :-2, 1:-1], w[:, 2:, 1:-1]]
    corners = [w[:, :-2, :-2], w[:, :-2, 2:], w[:, 2:, :-2], w[:, 2:, 2:]]
    total = weight + (sum(sides) / 4 if channel == 1 else sum(sides) / 2 + sum(corners) / 4)
    return np.where(own, total, 0.0)


def frame_wcs(frame):
    wcs, scale, turn = WCS(naxis=2), SCALE / 3600, np.radians(frame["rot"])
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [frame["ra"], frame["dec"]]
    wcs.wcs.crpix = [NX / 2 + 0.5, NY / 2 + 0.5]
    wcs.wcs.cd = scale * np.array([[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return wcs


def limits(data, run_folder, place, flux, rgb, nebula, weight, ring_px):
    """`place`: ra, dec, x, y on the truth's grid; `nebula` (3, n) ADU at the star; `ring_px`: pixels of the sky's ring."""
    ra, dec, truth_x, truth_y = place
    with open(os.path.join(run_folder, "frames.csv")) as file:
        rows = {row["frame"].rsplit(".", 1)[0]: row for row in csv.DictReader(file)}
    with open(os.path.join(run_folder, "run.toml"), "rb") as file:
        drizzled = tomllib.load(file)["options"]["ingest"]["demosaic"] == "none"
    n = len(ra)
    depth, total, share, variance, information = np.zeros(n, int), *(np.zeros((3, n)) for _ in range(4))
    with open(f"{data}/B/frames.json") as file:
        frames = json.load(file)
    for frame in frames:
        row = rows.get(frame["name"])
        if row is None or row["status"] != "used":
            continue
        x, y = frame_wcs(frame).all_world2pix(ra, dec, 0)
        k = np.where((x > HALF) & (y > HALF) & (x < NX - 1 - HALF) & (y < NY - 1 - HALF))[0]
        x, y = x[k], y[k]
        px, py = offsets(x, y)
        image, counts = moffat(px, py, x, y, frame["seeing"]), weight(distance(px, py, x, y))
        u, v = 2 * x / (NX - 1) - 1, 2 * y / (NY - 1) - 1
        light = frame["gain"] * (1 - 0.12 * (u * u + v * v)) * E_PER_ADU
        a = frame["grad"]
        sky = frame["level"] * (1 + a[0] * u + a[1] * v + a[2] * u * u + a[3] * v * v + a[4] * u * v) / frame["gain"]
        even_x, even_y = (px % 2 == 0)[:, None, :], (py % 2 == 0)[:, :, None]
        depth[k] += 1
        for c, own in enumerate((~even_x & even_y, even_x == even_y, even_x & ~even_y)):
            per_pixel = ((sky * SKY[c] + nebula[c, k]) * light + READ_VARIANCE_E2)[:, None, None]
            electrons = image * (flux[k] * rgb[c, k] * light)[:, None, None]
            information[c, k] += np.where(own, electrons ** 2 / (per_pixel + electrons), 0.0).sum((1, 2))
            raw, own_weight = on_raw(counts, c, own, drizzled), float(row["weight_" + "rgb"[c]])
            ring = counts.sum((1, 2)) ** 2 * per_pixel[:, 0, 0] * (2 if c == 1 else 4) / ring_px
            total[c, k] += own_weight
            share[c, k] += own_weight * (raw * image).sum((1, 2))
            noise = (raw ** 2 * (per_pixel + electrons)).sum((1, 2)) + ring
            variance[c, k] += own_weight ** 2 * noise / (flux[k] * rgb[c, k] * light) ** 2
    px, py = offsets(truth_x, truth_y)
    of_truth = (moffat(px, py, truth_x, truth_y, TRUTH_SEEING) * weight(distance(px, py, truth_x, truth_y))).sum((1, 2))
    with np.errstate(all="ignore"):
        return Limits(depth, share / total / of_truth, np.sqrt(variance) / share, 1 / np.sqrt(information))
