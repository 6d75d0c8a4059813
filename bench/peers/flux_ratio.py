#!/usr/bin/env python3
"""flux_ratio.py SET a.fits b.fits    env MB_DATA

Aperture flux of isolated stars in a over that in b (two mosaics on one grid, any number of planes): median and scatter
(1.4826 MAD) per plane. Stars of SET/stars.csv, placed by the WCS of a; aperture radius 6 px, sky annulus 9 to 14 px."""
import json, os, sys, warnings
import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from scipy.spatial import cKDTree

warnings.filterwarnings("ignore")
R, R_IN, R_OUT = 6.0, 9.0, 14.0
MAG = (8.5, 12.0)


def mad(v):
    return 1.4826 * np.median(np.abs(v - np.median(v)))


def flux(plane, x, y):
    n = int(R_OUT) + 1
    d = np.arange(-n, n + 1)
    out = np.full(len(x), np.nan)
    sub = (np.arange(5) + 0.5) / 5 - 0.5
    for k, (a, b) in enumerate(zip(x, y)):
        i, j = int(round(a)), int(round(b))
        cut = plane[j - n:j + n + 1, i - n:i + n + 1].astype(np.float64)
        if cut.shape != (2 * n + 1, 2 * n + 1) or not np.isfinite(cut).all():
            continue
        rr = np.hypot((d + i - a)[None, :], (d + j - b)[:, None])
        share = np.zeros_like(cut)
        for u in sub:
            for v in sub:
                share += np.hypot((d + i - a + u)[None, :], (d + j - b + v)[:, None]) < R
        share /= len(sub) ** 2
        sky = np.median(cut[(rr > R_IN) & (rr < R_OUT)])
        out[k] = ((cut - sky) * share).sum()
    return out


def main():
    name, a, b = sys.argv[1:4]
    stars = np.genfromtxt(f"{os.environ['MB_DATA']}/{name}/stars.csv", delimiter=",", names=True)
    planes_a, header = fits.getdata(a), fits.getheader(a)
    planes_b = fits.getdata(b)
    assert planes_a.shape == planes_b.shape, "two mosaics on one grid"
    keys = stars.dtype.names
    ra, dec = (stars["ra"], stars["dec"]) if "ra" in keys else (stars["ra_deg"], stars["dec_deg"])
    x, y = WCS(header).celestial.all_world2pix(ra, dec, 0)
    mag = stars["mag"]
    near = mag < MAG[1] + 2
    tree = cKDTree(np.column_stack([x[near], y[near]]))
    alone = np.array([len(hits) == 1 for hits in tree.query_ball_point(np.column_stack([x, y]), R_OUT)])
    pick = alone & (mag > MAG[0]) & (mag < MAG[1])
    x, y = x[pick], y[pick]
    for channel, (one, two) in enumerate(zip(np.atleast_3d(planes_a.T).T, np.atleast_3d(planes_b.T).T)):
        fa, fb = flux(one, x, y), flux(two, x, y)
        good = np.isfinite(fa) & np.isfinite(fb) & (fb > 0)
        ratio = fa[good] / fb[good]
        print(json.dumps({"plane": channel, "stars": int(good.sum()), "median": float(np.median(ratio)),
                          "scatter": float(mad(ratio)), "std": float(np.std(ratio))}))


if __name__ == "__main__":
    main()
