#!/usr/bin/env python3
"""Golden of the generalised ESD test: critical values by scipy, and outliers by the test as Rosner states it.

    make_esd_golden.py DATA_DIR OUT_DIR

Rosner, B. (1983), Technometrics 25, 165; NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.17.3. The test is written
straight from there, step by step over numpy arrays; t quantiles are scipy's.

Files written to OUT_DIR:

    esd_critical.csv   alpha, samples left m = n - i + 1, critical value
    esd_outliers.csv   alpha, largest share of outliers, too low, too high, then the samples (float32, as written exactly)
"""
# data: -
# inputs:
# writes: esd_critical.csv esd_outliers.csv
import sys
from pathlib import Path

import numpy as np
from scipy.stats import t as student

ALPHAS = (0.5, 0.05, 0.01, 1e-4, 1e-8)
LEFT = [*range(3, 61), 80, 100, 150, 200, 500, 1000, 3000]


def critical(alpha, m):
    """Critical value where m samples are left; the upper tail, which keeps small probabilities exact."""
    t = student.isf(alpha / (2 * m), m - 2)
    return t * (m - 1) / np.sqrt((m - 2 + t * t) * m)


def outliers(samples, alpha, share):
    """Outliers at the low and at the high end."""
    left, gone, count = samples.astype(np.float64), [], 0
    for _ in range(min(int(share * len(samples) + 1e-9), len(samples) - 2)):
        distance = np.abs(left - left.mean())
        farthest = int(distance.argmax())
        studentised = distance[farthest] / left.std(ddof=1)
        gone.append(left[farthest] < left.mean())
        if studentised > critical(alpha, len(left)):
            count = len(gone)
        left = np.delete(left, farthest)
    low = sum(gone[:count])
    return low, count - low


def stacks():
    """Seeded samples without ties: noise, a few outliers on both sides, often as many as the share allows."""
    random = np.random.default_rng(19_83)
    for k in range(600):
        n = int(random.integers(2, 201))
        samples = 1000.0 + 10.0 * random.standard_normal(n)
        hit = random.random(n) < random.choice([0.0, 0.02, 0.1, 0.25])
        samples += np.where(hit, random.choice([-1, 1, 1], n) * random.uniform(20.0, 10.0 ** random.uniform(1.5, 4.5), n), 0.0)
        samples = np.unique(samples.astype(np.float32))
        random.shuffle(samples)
        yield float(random.choice([0.05, 0.01, 0.2])), float(random.choice([0.1, 0.3, 0.5])), samples


def main():
    out = Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "esd_critical.csv", "w") as file:
        for alpha in ALPHAS:
            for m in LEFT:
                file.write(f"{alpha!r},{m},{float(critical(alpha, m))!r}\n")
    total = 0
    with open(out / "esd_outliers.csv", "w") as file:
        for alpha, share, samples in stacks():
            low, high = outliers(samples, alpha, share)
            total += low + high
            values = ",".join(repr(float(value)) for value in samples)
            file.write(f"{alpha!r},{share!r},{low},{high},{values}\n")
    print(f"esd: {len(ALPHAS) * len(LEFT)} critical values, {total} outliers in 600 stacks")


if __name__ == "__main__":
    main()
