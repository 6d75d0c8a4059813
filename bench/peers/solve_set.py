#!/usr/bin/env python3
"""Measure solved frames of a simulated set against its truth.   solve_set.py SET SIDECARS [--wrong-px 5] [--list]

  zemosaic solve $MB_DATA/B/nowcs --write-sidecar --sidecar-dir SIDECARS && solve_set.py B SIDECARS      env MB_DATA

SIDECARS has NAME.wcs (FITS header, binary or text) for the frames that were solved; SET/wcs has the same frames with
their true WCS, SET/frames.json their names, SET/stars.csv the stars.  Printed, in pixels of the frame:
  solved     side-cars of N frames; of them wrong: farthest corner more than --wrong-px off, or not readable
  corners    true corner pixel -> solved sky -> true pixel; over four corners of all frames that are not wrong
  centre     the same of the central pixel
  scatter    of one star over the frames that have it: true pixel -> solved sky, rms about its mean place
The exit status is 1 if there are wrong ones."""
import argparse, json, os, sys, warnings
import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
warnings.filterwarnings("ignore")


def sidecar(path):
    with open(path, "rb") as f:
        raw = f.read()
    if raw[:9] == b"SIMPLE  =" and len(raw) % 2880 == 0:
        header = fits.Header.fromstring(raw)
    else:
        header = fits.Header.fromstring(raw.decode("ascii", "replace"), sep="\n" if b"\n" in raw else "")
    wcs = WCS(header)
    if not wcs.has_celestial:
        raise ValueError("no celestial WCS")
    return wcs


def miss_px(truth, solved, x, y):
    """distance of the places that the two systems give the same pixel, in pixels of the true one"""
    ra, dec = solved.all_pix2world(x, y, 0)
    u, v = truth.wcs_world2pix(ra, dec, 0)                  # the truth is plain TAN; far off the sky gives NaN
    return np.nan_to_num(np.hypot(u - x, v - y), nan=np.inf)


def line(name, v):
    print(f"{name:9s} rms {np.sqrt(np.mean(v ** 2)):.3f}  median {np.median(v):.3f}  max {v.max():.3f} px  (n {len(v)})")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("set"); p.add_argument("sidecars")
    p.add_argument("--wrong-px", type=float, default=5.0)
    p.add_argument("--mag", type=float, default=13.0, help="stars for the scatter: brighter than this")
    p.add_argument("--list", action="store_true", help="one line for each frame")
    a = p.parse_args()
    D = f"{os.environ['MB_DATA']}/{a.set}"
    names = [f["name"] for f in json.load(open(f"{D}/frames.json"))]
    cat = np.genfromtxt(f"{D}/stars.csv", delimiter=",", names=True)
    cat = cat[cat["mag"] < a.mag]
    missing, wrong, corners, centres, scale, places = [], [], [], [], [], []
    for name in names:
        path = f"{a.sidecars}/{name}.wcs"
        if not os.path.exists(path):
            missing.append(name); continue
        th = fits.getheader(f"{D}/wcs/{name}.fit")
        w, h = th["NAXIS1"], th["NAXIS2"]
        truth = WCS(th)
        try:
            solved = sidecar(path)
            c = miss_px(truth, solved, np.array([0.0, w - 1, 0, w - 1, (w - 1) / 2]), np.array([0.0, 0, h - 1, h - 1, (h - 1) / 2]))
        except Exception as error:                          # whatever astropy makes of a bad side-car
            print(f"{name}: {error}"); wrong.append(name); continue
        if a.list:
            print(f"{name}  corners {c[:4].max():.3f}  centre {c[4]:.3f} px")
        if c[:4].max() > a.wrong_px:
            wrong.append(name); continue
        corners.append(c[:4]); centres.append(c[4])
        scale.append(np.sqrt(np.abs(np.linalg.det(truth.pixel_scale_matrix))))
        x, y = truth.wcs_world2pix(cat["ra"], cat["dec"], 0)
        cos = np.cos(np.radians(cat["dec"])) * np.cos(np.radians(cat["ra"] - th["CRVAL1"]))
        on = np.flatnonzero((x >= 0) & (x <= w - 1) & (y >= 0) & (y <= h - 1) & (cos > 0))
        ra, dec = solved.all_pix2world(x[on], y[on], 0)
        dra = (ra - cat["ra"][on] + 180) % 360 - 180
        places.append(np.column_stack([on, dra * np.cos(np.radians(cat["dec"][on])), dec - cat["dec"][on]]))
    print(f"solved    {len(names) - len(missing)} of {len(names)}, wrong {len(wrong)} (> {a.wrong_px:g} px)")
    for label, some in (("missing", missing), ("wrong", wrong)):
        if some:
            print(f"{label:9s} {' '.join(some[:8])}{' ...' if len(some) > 8 else ''}")
    if corners:
        line("corners", np.concatenate(corners)); line("centre", np.array(centres))
        all_places = np.concatenate(places)
        star = all_places[:, 0].astype(int)
        xy = all_places[:, 1:] / np.mean(scale)
        n = np.bincount(star, minlength=len(cat))
        mean = np.column_stack([np.bincount(star, xy[:, k], len(cat)) for k in (0, 1)]) / np.maximum(n, 1)[:, None]
        d2 = np.bincount(star, ((xy - mean[star]) ** 2).sum(1), len(cat))
        many = n >= 3
        if many.any():
            line("scatter", np.sqrt(d2[many] / (n[many] - 1)))
            print(f"          all stars {np.sqrt(d2[many].sum() / (n[many] - 1).sum()):.3f} px; mean place {np.sqrt((mean[many] ** 2).sum(1).mean()):.3f} px off the truth (rms)")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
