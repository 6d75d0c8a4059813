#!/usr/bin/env python3
"""Golden for the simulator's own TAN code (crates/testkit/src/tan.rs), computed by astropy.

    pip install -r goldens/requirements.txt
    python goldens/make_tan_golden.py

Writes goldens/tan_golden.csv: per row one WCS (CRVAL, CRPIX in FITS convention, CD) and one 0-based pixel with the
ICRS position that astropy.wcs gives it. The draws are seeded, so the file only changes when this script does.
"""
# writes: goldens/tan_golden.csv
from pathlib import Path

import numpy as np
from astropy.wcs import WCS

OUT = Path(__file__).resolve().parent / "tan_golden.csv"
CRVALS = [(0.0001, 0.0), (359.9999, 45.0), (315.4, 68.16), (83.6, -5.4), (37.95, 89.264), (120.0, -89.9), (10.0, 90.0), (201.3, -43.0)]
SCALES_ARCSEC = [2.374, 0.7, 30.0]
PIXELS_PER_WCS = 6


def main():
    rng = np.random.default_rng(20250327)
    lines = ["crval1,crval2,crpix1,crpix2,cd11,cd12,cd21,cd22,x0_px,y0_px,ra_deg,dec_deg"]
    for crval in CRVALS:
        for scale in SCALES_ARCSEC:
            angle = rng.uniform(0, 2 * np.pi)
            sign = rng.choice([-1.0, 1.0])
            s = scale / 3600.0
            cd = s * np.array([[sign * np.cos(angle), np.sin(angle)], [-sign * np.sin(angle), np.cos(angle)]])
            cd *= 1 + rng.uniform(-1e-3, 1e-3, (2, 2))
            wcs = WCS(naxis=2)
            wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
            wcs.wcs.crval = crval
            wcs.wcs.crpix = rng.uniform(400, 700, 2)
            wcs.wcs.cd = cd
            # Named, because the default becomes 0 where CRVAL2 is 90.
            wcs.wcs.lonpole = 180.0
            wcs.wcs.set()
            pixels = rng.uniform(-100, 2000, (PIXELS_PER_WCS, 2))
            sky = wcs.all_pix2world(pixels, 0)
            head = [*crval, *wcs.wcs.crpix, *cd.ravel()]
            for pixel, position in zip(pixels, sky):
                lines.append(",".join(repr(float(v)) for v in [*head, *pixel, *position]))
    OUT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
