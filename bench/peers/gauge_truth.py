#!/usr/bin/env python3
"""Gauge of set D against the truth it was made with.

    MB_DATA=DIR python3 gauge_truth.py RUN_FOLDER [...]

Prints per channel: rms of the gain errors after one common factor, and the level scatter: rms over tiles of the median of
corrected tile minus truth, one common surface of second order removed (reference: issue of the gauge)."""
import json, os, sys, warnings
import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from scipy.ndimage import map_coordinates

warnings.filterwarnings("ignore")
STEP = 8


def inputs(folder):
    with fits.open(os.path.join(folder, "mosaic.fits")) as hdus:
        table = hdus["INPUTS"].data
        names = table.names
        grid = WCS(hdus[0].header, naxis=2)
        rows = {}
        for row in table:
            name = os.path.basename(str(row["FRAME"])).split(".")[0]
            surface = row["SURFACE"].reshape(-1, 9) if "SURFACE" in names else None
            rows[name] = (np.atleast_1d(row["GAIN"]), np.atleast_1d(row["OFFSET"]), surface)
    return grid, rows


def surface_at(row, x, y):
    """Surface of a channel as INPUTS has it: five coefficients, middle, half size; at pixels from 0."""
    u, v = (x - row[5]) / row[7], (y - row[6]) / row[8]
    terms = [u, v, u * u - 1 / 3, u * v, v * v - 1 / 3]
    return sum(c * t for c, t in zip(row, terms))


def main():
    data = os.environ["MB_DATA"]
    meta = json.load(open(f"{data}/D/frames.json"))
    with fits.open(f"{data}/D/truth.fits") as hdus:
        truth = hdus[0].data.astype(np.float32)
        truth_wcs = WCS(hdus[0].header, naxis=2)
    for folder in [None] + sys.argv[1:]:
        grid, rows = inputs(folder) if folder else (truth_wcs, {})
        gains = np.array([[rows[m["name"]][0][c] * m["gains"][c] if folder else m["gains"][c] for c in range(3)] for m in meta])
        common = gains.mean(0)
        result = {"run": folder or "uncorrected", "gain_rms_percent": [], "level_scatter": []}
        for c in range(3):
            result["gain_rms_percent"].append(round(100 * float((gains[:, c] / common[c]).std()), 4))
            samples = []
            for i, m in enumerate(meta):
                with fits.open(f"{data}/D/tiles/{m['name']}.fits") as hdus:
                    image = hdus[0].data[c][::STEP, ::STEP].astype(np.float64)
                    wcs = WCS(hdus[0].header, naxis=2)
                yy, xx = np.mgrid[0:image.shape[0], 0:image.shape[1]] * STEP
                ra, dec = wcs.all_pix2world(xx.ravel(), yy.ravel(), 0)
                tx, ty = truth_wcs.all_world2pix(ra, dec, 0)
                expected = map_coordinates(truth[c], [ty, tx], order=1, cval=np.nan)
                value = image.ravel()
                if folder:
                    gain, offset, surface = rows[m["name"]]
                    gx, gy = grid.all_world2pix(ra, dec, 0)
                    value = gain[c] * value + offset[c]
                    if surface is not None:
                        value = value + surface_at(surface[c], gx, gy)
                    value = value / common[c]
                residual = value - expected
                # Blocks of 8 x 8 samples: their medians carry the common surface.
                keep = np.isfinite(residual)
                samples.append((tx[keep], ty[keep], residual[keep]))
            scale = 3000.0
            design, values = [], []
            for x, y, r in samples:
                order = np.arange(len(r)) // 64
                cut = len(r) // 64 * 64
                med = np.median(r[:cut].reshape(-1, 64), 1)
                u, v = (x[:cut].reshape(-1, 64).mean(1)) / scale - 1, (y[:cut].reshape(-1, 64).mean(1)) / scale - 1
                design.append(np.column_stack([np.ones_like(u), u, v, u * u, u * v, v * v])); values.append(med)
            a, b = np.vstack(design), np.concatenate(values)
            keep = np.ones(len(b), bool)
            for _ in range(4):
                fit = np.linalg.lstsq(a[keep], b[keep], rcond=None)[0]
                res = b - a @ fit
                keep = np.abs(res - np.median(res)) < 4 * 1.4826 * np.median(np.abs(res - np.median(res)))
            medians = []
            for x, y, r in samples:
                u, v = x / scale - 1, y / scale - 1
                medians.append(np.median(r - np.column_stack([np.ones_like(u), u, v, u * u, u * v, v * v]) @ fit))
            result["level_scatter"].append(round(float(np.std(medians)), 3))
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
