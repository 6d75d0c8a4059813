#!/usr/bin/env python3
"""Goldens of the area kernels: reproject_exact, reproject_adaptive and STScI's drizzle.

    make_area_golden.py DATA_DIR OUT_DIR

Inputs are made here from a seed (noise and stars), and for some cases taken from the test data that reproject brings;
DATA_DIR is not read.
What the Rust test needs of the coordinates is stored with the values, so that it reads no WCS: the positions of the
corners of output pixels in the frame, and for pixels so large that the sphere matters the unit vectors of the corners of
output and frame pixels. Every case is one FITS file whose image extensions are named:

    area_exact_*.fits     INPUT, CORNER_X, CORNER_Y (n + 1 by m + 1), VALUE, FOOTPRINT,
                          SKY_OUT and SKY_IN (3 planes, corners) where the sphere is compared
    area_adaptive_*.fits  INPUT, CORNER_X, CORNER_Y, VALUE; the header of VALUE names KERNEL and SCALE
    area_drizzle_*.fits   INPUT (a cube of frames), CORNER_X, CORNER_Y (cubes), VALUE, WEIGHT; SHAPE, PIXFRAC, SCALE

SCALE is the side of an output pixel in frame pixels. area_adaptive_reference_*.fits are reproject's own stored
references. area_goldens.txt lists the files.
"""
# data: -
# inputs: goldens/requirements.txt
# writes: area_goldens.txt
import sys
import warnings
from pathlib import Path

import numpy as np
import reproject
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from astropy.wcs.utils import pixel_to_pixel
from drizzle.resample import Drizzle
from reproject import reproject_adaptive, reproject_exact

PACKAGE = Path(reproject.__file__).parent


def field(seed, height, width):
    """Noise of 1 on a sky of 100, with stars."""
    random = np.random.default_rng(seed)
    y, x = np.indices((height, width))
    image = 100.0 + random.normal(size=(height, width))
    for _ in range(12):
        at_x, at_y, peak = random.uniform(0, width), random.uniform(0, height), random.uniform(20, 500)
        image += peak * np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / (2 * 1.1**2))
    return image.astype(np.float32)


def wcs(ctype, crval, crpix, scale_deg, angle_deg=0.0, parity=-1.0):
    made = WCS(naxis=2)
    made.wcs.ctype = ctype
    made.wcs.crval = crval
    made.wcs.crpix = crpix
    s, c = np.sin(np.deg2rad(angle_deg)), np.cos(np.deg2rad(angle_deg))
    made.wcs.cd = scale_deg * np.array([[parity * c, s], [-parity * s, c]])
    if ctype[0].startswith("RA"):
        made.wcs.radesys = "ICRS"
    made.wcs.set()
    return made


def corners(shape):
    height, width = shape
    return np.meshgrid(np.arange(width + 1) - 0.5, np.arange(height + 1) - 0.5)


def vectors(system, shape):
    """Unit vectors, ICRS, of all corners of an image's pixels: 3 planes."""
    sky = system.pixel_to_world(*corners(shape)).icrs
    return np.stack([sky.cartesian.x.value, sky.cartesian.y.value, sky.cartesian.z.value])


def write(path, header=None, **planes):
    hdus = [fits.PrimaryHDU()]
    for name, plane in planes.items():
        hdus.append(fits.ImageHDU(plane, name=name))
    for key, value in (header or {}).items():
        hdus[1].header[key] = value
    fits.HDUList(hdus).writeto(path, overwrite=True)


def exact(out, name, image, system, grid, shape, scale, sphere):
    value, footprint = reproject_exact((image.astype(float), system), grid, shape_out=shape)
    x, y = pixel_to_pixel(grid, system, *corners(shape))
    planes = {"INPUT": image, "CORNER_X": x, "CORNER_Y": y, "VALUE": value, "FOOTPRINT": footprint}
    if sphere:
        planes["SKY_OUT"] = vectors(grid, shape)
        planes["SKY_IN"] = vectors(system, image.shape)
    write(out / f"area_exact_{name}.fits", {"SCALE": scale}, **planes)


def adaptive(out, name, image, system, grid, shape, scale, kernel):
    value = reproject_adaptive(
        (image.astype(float), system), grid, shape_out=shape, kernel=kernel, boundary_mode="ignore",
        roundtrip_coords=False, return_footprint=False, center_jacobian=True,
    )
    x, y = pixel_to_pixel(grid, system, *corners(shape))
    write(out / f"area_adaptive_{name}_{kernel}.fits", {"KERNEL": kernel, "SCALE": scale}, INPUT=image, CORNER_X=x, CORNER_Y=y, VALUE=value)


def tangent_cases(out):
    image = field(1, 48, 56)
    system = wcs(["RA---TAN", "DEC--TAN"], [83.6, 22.0], [28.5, 24.5], 2.0 / 3600)
    for scale, angle, parity in [(0.7, 31.0, -1.0), (1.0, 12.0, -1.0), (2.3, -55.0, -1.0), (1.0, 77.0, 1.0)]:
        shape = (int(40 / scale), int(46 / scale))
        crpix = [(shape[1] + 1) / 2, (shape[0] + 1) / 2]
        grid = wcs(["RA---TAN", "DEC--TAN"], [83.601, 22.0005], crpix, scale * 2.0 / 3600, angle, parity)
        name = f"tan_{scale}_{'mirrored' if parity > 0 else 'plain'}"
        exact(out, name, image, system, grid, shape, scale, sphere=True)
        # Of mirrored maps only the Gaussian at scale 1: reproject raises a negative singular value to +1 (docs/methods).
        for kernel in ["gaussian", "hann"] if parity < 0 else ["gaussian"]:
            adaptive(out, name, image, system, grid, shape, scale, kernel)


def reproject_cases(out):
    """The inputs of reproject's own tests, and pixels of half a degree."""
    data = PACKAGE / "tests" / "data"
    with fits.open(data / "galactic_2d.fits") as hdus:
        image, system = hdus[0].data.astype(np.float32), WCS(hdus[0].header)
    for name, cut in [("gc_eq", (330, 330, 60, 60)), ("gc_ga", (67, 68, 16, 16))]:
        header = fits.Header.fromtextfile(data / f"{name}.hdr")
        y0, x0, height, width = cut
        grid = WCS(header)[y0 : y0 + height, x0 : x0 + width]
        scale = abs(header["CDELT2"]) / 0.002
        exact(out, name, image, system, grid, (height, width), scale, sphere=True)
    coarse = field(2, 60, 80)
    plate = wcs(["GLON-CAR", "GLAT-CAR"], [0.0, 0.0], [40.5, 30.5], 0.5)
    grid = wcs(["RA---TAN", "DEC--TAN"], [266.4, -28.9], [20.5, 20.5], 0.6, 8.0)
    exact(out, "car_half_degree", coarse, plate, grid, (40, 40), 1.3, sphere=True)


def drizzle_cases(out):
    random = np.random.default_rng(3)
    frames = np.stack([field(10 + k, 30, 34) for k in range(4)])
    shape = (36, 40)
    # Output pixel = A frame pixel + b: different rotations, about equal scales, one mirrored.
    maps = []
    for k, (angle, parity) in enumerate([(3.0, 1.0), (48.0, 1.0), (-20.0, -1.0), (0.7, 1.0)]):
        s, c = np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))
        maps.append((np.array([[parity * c, -s], [parity * s, c]]), random.uniform(-0.5, 0.5, 2)))
    for shape_name in ["square", "turbo", "point"]:
        for pixfrac in [0.5, 0.8, 1.0]:
            for scale in [1.0, 0.8]:
                driz = Drizzle(kernel=shape_name, out_shape=shape, fillval="NAN", disable_ctx=True)
                xs, ys = [], []
                for image, (turn, shift) in zip(frames, maps):
                    y, x = np.indices(image.shape, dtype=float)
                    centre_in, centre_out = np.array([16.5, 14.5]), np.array([19.5, 17.5]) + shift
                    u, v = x - centre_in[0], y - centre_in[1]
                    pixmap = np.stack(
                        [centre_out[0] + (turn[0, 0] * u + turn[0, 1] * v) / scale,
                         centre_out[1] + (turn[1, 0] * u + turn[1, 1] * v) / scale], axis=-1)
                    driz.add_image(image, exptime=1.0, pixmap=pixmap, pixel_scale_ratio=scale, pixfrac=pixfrac, in_units="cps")
                    back = np.linalg.inv(turn)
                    cx, cy = corners(shape)
                    u, v = (cx - centre_out[0]) * scale, (cy - centre_out[1]) * scale
                    xs.append(centre_in[0] + back[0, 0] * u + back[0, 1] * v)
                    ys.append(centre_in[1] + back[1, 0] * u + back[1, 1] * v)
                write(
                    out / f"area_drizzle_{shape_name}_{pixfrac}_{scale}.fits",
                    {"SHAPE": shape_name, "PIXFRAC": pixfrac, "SCALE": scale},
                    INPUT=frames, CORNER_X=np.stack(xs), CORNER_Y=np.stack(ys),
                    VALUE=driz.out_img, WEIGHT=driz.out_wht,
                )


def reference_cases(out):
    """reproject's stored references whose maps are affine: hann, boundary_mode="ignore"; see its adaptive tests."""
    image = np.zeros((256, 256), np.float32)
    image[::20, :] = 1
    image[:, ::20] = 1
    image[10::20, 10::20] = 1
    for name, pc in [("2d", [[1.0, 0.0], [0.0, 1.0]]), ("2d_rotated", [[0.8, 0.2], [-0.2, 0.8]])]:
        with fits.open(PACKAGE / "adaptive" / "tests" / "reference" / f"test_reproject_adaptive_{name}.fits") as hdus:
            value = hdus[0].data if hdus[0].data.ndim == 2 else hdus[0].data[0]
        x, y = corners((60, 60))
        u, v = x - 29.5, y - 29.5
        pc = 4.27 * np.array(pc)
        corner_x = 127.5 + pc[0][0] * u + pc[0][1] * v
        corner_y = 127.5 + pc[1][0] * u + pc[1][1] * v
        write(out / f"area_adaptive_reference_{name}.fits", {"KERNEL": "hann", "SCALE": 4.27}, INPUT=image, CORNER_X=corner_x, CORNER_Y=corner_y, VALUE=value)


def main():
    out = Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("area_*.fits"):
        old.unlink()
    warnings.simplefilter("ignore", FITSFixedWarning)
    tangent_cases(out)
    reproject_cases(out)
    drizzle_cases(out)
    reference_cases(out)
    made = sorted(path.name for path in out.glob("area_*.fits"))
    (out / "area_goldens.txt").write_text("\n".join(made) + "\n")
    print(f"area: {len(made)} goldens")


if __name__ == "__main__":
    main()
