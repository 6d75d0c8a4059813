"""The plain mean of images on a grid by reproject (bilinear, float64), with what a test needs to compare with it.

Used by make_2mass_golden.py and make_survey_golden.py. Planes, all on the grid:

    mean      f64  mean over the images with a value, NaN where none has one
    depth     i32  number of images with a value
    safe      u8   1 = compare the value; 2 = no image is near, must be NaN; 0 = do not compare: within 2 px (of an
                   image's own pixels) of the edge or of a NaN of some image
    range     f32  highest minus lowest input pixel over the 4x4 pixels around the sampled position in every image that
                   contributes
    gradient  f32  largest step between neighbouring input pixels in that same 4x4 part, both axes added in quadrature,
                   largest over the contributing images (per px)

The last two scale the tolerances of the test; they are NaN outside the pixels with safe = 1.
"""
import numpy as np
from astropy.io import fits
from astropy.wcs.utils import pixel_to_pixel
from reproject import reproject_interp
from scipy.ndimage import maximum_filter

GUARD_PX = 2.0


def part_of_grid(grid_wcs, shape, tile_wcs, tile_shape, pad_px=16):
    """Slices of the grid that hold the whole tile and pad_px around it."""
    height, width = tile_shape
    edge_x = np.array([-0.5, width - 0.5, width - 0.5, -0.5])
    edge_y = np.array([-0.5, -0.5, height - 0.5, height - 0.5])
    x, y = pixel_to_pixel(tile_wcs, grid_wcs, edge_x, edge_y)
    x0, x1 = max(int(x.min()) - pad_px, 0), min(int(x.max()) + pad_px, shape[1])
    y0, y1 = max(int(y.min()) - pad_px, 0), min(int(y.max()) + pad_px, shape[0])
    return slice(y0, y1), slice(x0, x1)


def running(values, size_y, size_x, pick, fill):
    """pick (np.maximum or np.minimum) over the size_y x size_x pixels that start one before each pixel; no NaN."""
    height, width = values.shape
    filled = np.where(np.isfinite(values), values, fill)
    padded = np.pad(filled, ((1, size_y - 2), (1, size_x - 2)), constant_values=fill)
    out = np.full(values.shape, fill)
    for dy in range(size_y):
        for dx in range(size_x):
            pick(out, padded[dy : dy + height, dx : dx + width], out=out)
    return out


def tolerance_planes(tile):
    """Highest and lowest pixel, and largest step, of the 4x4 pixels floor-1 .. floor+2 about a position."""
    step_x = np.full(tile.shape, np.nan)
    step_y = np.full(tile.shape, np.nan)
    step_x[:, :-1] = np.abs(np.diff(tile, axis=1))
    step_y[:-1, :] = np.abs(np.diff(tile, axis=0))
    high = running(tile, 4, 4, np.maximum, -np.inf)
    low = running(tile, 4, 4, np.minimum, np.inf)
    steep_x = running(step_x, 4, 3, np.maximum, 0.0)
    steep_y = running(step_y, 3, 4, np.maximum, 0.0)
    return high, low, np.hypot(steep_x, steep_y)


def near_edge_or_nan(x, y, tile):
    """Whether a position of the tile's pixel frame is within GUARD_PX of its edge (either side) or of a NaN pixel."""
    height, width = tile.shape
    outside = (x < -0.5 - GUARD_PX) | (x > width - 0.5 + GUARD_PX) | (y < -0.5 - GUARD_PX) | (y > height - 0.5 + GUARD_PX)
    inside = (x > -0.5 + GUARD_PX) & (x < width - 0.5 - GUARD_PX) & (y > -0.5 + GUARD_PX) & (y < height - 0.5 - GUARD_PX)
    reach = int(GUARD_PX)
    # A centre within 2 px of the position is within 2 whole pixels of the position's nearest pixel (2.5 rounds to 2).
    near_nan = maximum_filter(np.isnan(tile).astype(np.uint8), size=2 * reach + 1, mode="nearest")
    column = np.clip(np.rint(x), 0, width - 1).astype(int)
    row = np.clip(np.rint(y), 0, height - 1).astype(int)
    return ~outside & ~(inside & (near_nan[row, column] == 0)), inside


def mean_golden(tiles, grid_wcs, shape):
    """The planes described at the top, as a dictionary by name."""
    total = np.zeros(shape)
    depth = np.zeros(shape, np.int32)
    unsafe = np.zeros(shape, bool)
    high = np.full(shape, -np.inf)
    low = np.full(shape, np.inf)
    steep = np.zeros(shape)
    for tile, tile_wcs in tiles:
        part = part_of_grid(grid_wcs, shape, tile_wcs, tile.shape)
        part_wcs = grid_wcs[part]
        part_shape = total[part].shape
        value, _ = reproject_interp((tile, tile_wcs), part_wcs, part_shape, order="bilinear", roundtrip_coords=False)
        good = np.isfinite(value)
        total[part] += np.where(good, value, 0.0)
        depth[part] += good
        y, x = np.indices(part_shape, dtype=float)
        x, y = pixel_to_pixel(part_wcs, tile_wcs, x, y)
        near, inside = near_edge_or_nan(x, y, tile)
        unsafe[part] |= near
        column = np.clip(np.floor(x), 0, tile.shape[1] - 1).astype(int)
        row = np.clip(np.floor(y), 0, tile.shape[0] - 1).astype(int)
        used = inside & good
        tile_high, tile_low, tile_steep = (plane[row, column] for plane in tolerance_planes(tile))
        high[part] = np.where(used, np.maximum(high[part], tile_high), high[part])
        low[part] = np.where(used, np.minimum(low[part], tile_low), low[part])
        steep[part] = np.where(used, np.maximum(steep[part], tile_steep), steep[part])
    covered = depth > 0
    compare = covered & ~unsafe
    safe = np.where(compare, 1, np.where(~covered & ~unsafe, 2, 0)).astype(np.uint8)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(covered, total / depth, np.nan)
        spread = np.where(compare, high - low, np.nan)
    return {
        "mean": mean,
        "depth": depth,
        "safe": safe,
        "range": spread.astype(np.float32),
        "gradient": np.where(compare, steep, np.nan).astype(np.float32),
    }


def write(out, name, planes, grid_wcs):
    """Every plane into its file NAME_PLANE.fits; says how much is compared."""
    out.mkdir(parents=True, exist_ok=True)
    for plane, pixels in planes.items():
        fits.PrimaryHDU(pixels, grid_wcs.to_header()).writeto(out / f"{name}_{plane}.fits", overwrite=True)
    compared = (planes["safe"] == 1).sum()
    print(f"{name}: {compared} of {(planes['depth'] > 0).sum()} covered pixels are compared, depth up to {planes['depth'].max()}")
