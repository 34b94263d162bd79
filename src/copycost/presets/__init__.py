"""Presets of audits and comparisons, by name: the head of each file says what it is and costs."""

from __future__ import annotations

from typing import Any

from copycost.registry import Entry, Registry

PRESETS: Registry[dict[str, Any]] = Registry(
    "preset",
    {
        "digits": Entry(
            "copycost.presets.digits:PRESET",
            "the default: DFME, Frugal and random noise on 8×8 digits, minutes on a CPU",
        ),
        "pool-digits": Entry(
            "copycost.presets.pool_digits:PRESET",
            "attacks with a pool of images, and random noise, on 8×8 digits; a minute on a CPU",
        ),
        "pool-digits-k-centre": Entry(
            "copycost.presets.pool_digits:PRESET_K_CENTRE",
            "ActiveThief choosing by k-centre, on the same digits and pool; seconds on a CPU",
        ),
        "small": Entry(
            "copycost.presets.small:PRESET",
            "five data-free attacks by probabilities, and random noise; a minute on a CPU",
        ),
        "small-label": Entry(
            "copycost.presets.small:PRESET_LABEL",
            "seven attacks by labels alone, and random noise; two minutes on a CPU",
        ),
        "small-label-shapes": Entry(
            "copycost.presets.small:PRESET_LABEL_SHAPES",
            "DFMS-HL by labels alone, with drawn shapes for proxies; half a minute on a CPU",
        ),
        "cifar10-small": Entry(
            "copycost.presets.cifar10_small:PRESET",
            "small nets on CIFAR-10, to try things end to end on a CPU",
        ),
        "dfme-cifar10-20m": Entry(
            "copycost.presets.dfme_cifar10:PRESET",
            "DFME's own CIFAR-10 setting at 20 million queries; for a GPU",
        ),
        "dfme-cifar10-2m": Entry(
            "copycost.presets.dfme_cifar10:PRESET_2M",
            "DFME's own CIFAR-10 setting at 2 million queries; for a GPU",
        ),
        "dfme-svhn-2m": Entry(
            "copycost.presets.dfme_svhn:PRESET",
            "DFME's own SVHN setting at 2 million queries; for a GPU",
        ),
        "disguide-cifar10-20m": Entry(
            "copycost.presets.disguide_cifar10:PRESET",
            "DisGUIDE's own CIFAR-10 setting at 20 million queries; for a GPU",
        ),
        "disguide-cifar10-label-20m": Entry(
            "copycost.presets.disguide_cifar10:PRESET_LABEL",
            "DisGUIDE's own CIFAR-10 setting at 20 million labels; for a GPU",
        ),
        "dual-student-cifar10-20m": Entry(
            "copycost.presets.dual_student_cifar10:PRESET",
            "Dual Student's own CIFAR-10 setting at 20 million queries; for a GPU",
        ),
        "frugal-cifar10-1m": Entry(
            "copycost.presets.frugal_cifar10:PRESET_1M",
            "Frugal by a million queries on CIFAR-10; for a GPU",
        ),
        "frugal-cifar10-2m": Entry(
            "copycost.presets.frugal_cifar10:PRESET_2M",
            "Frugal by 2 million queries on CIFAR-10; for a GPU",
        ),
        "frugal-cifar10-20m": Entry(
            "copycost.presets.frugal_cifar10:PRESET_20M",
            "Frugal by 20 million queries on CIFAR-10; for a GPU",
        ),
        "frugal-cifar10-label-8m": Entry(
            "copycost.presets.frugal_cifar10:PRESET_LABEL_8M",
            "Frugal by 8 million labels on CIFAR-10; for a GPU",
        ),
        "frugal-cifar10-1m-patches": Entry(
            "copycost.presets.frugal_cifar10:PRESET_1M_PATCHES",
            "Frugal by a million queries on CIFAR-10, of patches drawn by a rule; for a GPU",
        ),
        "maze-cifar10-30m": Entry(
            "copycost.presets.maze_cifar10:PRESET",
            "MAZE by 30 million queries on CIFAR-10, its code's defaults; for a GPU",
        ),
        "dfms-hl-cifar10-8m": Entry(
            "copycost.presets.dfms_hl_cifar10:PRESET",
            "DFMS-HL by 8 million labels on CIFAR-10, synthetic proxies; for a GPU",
        ),
        "ideal-cifar10-100k": Entry(
            "copycost.presets.ideal_cifar10:PRESET",
            "IDEAL by 100,000 labels on CIFAR-10, each image asked once; for a GPU",
        ),
        "qedg-cifar10-30k": Entry(
            "copycost.presets.qedg_cifar10:PRESET",
            "QEDG's own CIFAR-10 setting at 30,000 labels; for a GPU",
        ),
        "knockoff-cifar10-50k": Entry(
            "copycost.presets.pool_cifar10:PRESET_KNOCKOFF",
            "Knockoff by 50,000 queries on CIFAR-10, a pool of CIFAR-100; for a GPU",
        ),
        "knockoff-adaptive-cifar10-50k": Entry(
            "copycost.presets.pool_cifar10:PRESET_ADAPTIVE",
            "Knockoff with a policy, 50,000 queries on CIFAR-10, a pool of CIFAR-100; for a GPU",
        ),
        "active-thief-cifar10-30k": Entry(
            "copycost.presets.pool_cifar10:PRESET_ACTIVE_THIEF",
            "ActiveThief by 30,000 queries on CIFAR-10, a pool of CIFAR-100; for a GPU",
        ),
        "jbda-cifar10-50k": Entry(
            "copycost.presets.pool_cifar10:PRESET_JBDA",
            "JBDA by 50,000 queries on CIFAR-10, seeds from a pool of CIFAR-100; for a GPU",
        ),
        "fixmatch-cifar10-250": Entry(
            "copycost.presets.pool_cifar10:PRESET_FIXMATCH",
            "FixMatch with nearly its CIFAR-10 setting by 250 labels of the victim; for a GPU",
        ),
        "dfms-hl-proxy-cifar10-8m": Entry(
            "copycost.presets.pool_cifar10:PRESET_PROXY",
            "DFMS-HL by 8 million labels on CIFAR-10, proxies of CIFAR-100; for a GPU",
        ),
    },
)
"""Values for `AuditConfig`; command-line options override them. Loads no PyTorch."""

BENCHES: Registry[dict[str, Any]] = Registry(
    "bench",
    {
        "bench-digits": Entry(
            "copycost.presets.bench_digits:PRESET",
            "attacks without data on 8×8 digits at equal queries, minutes on two CPU cores",
        ),
        "bench-digits-label": Entry(
            "copycost.presets.bench_digits:PRESET_LABEL",
            "attacks without data on 8×8 digits by labels alone, at equal queries",
        ),
        "bench-digits-pool": Entry(
            "copycost.presets.bench_digits:PRESET_POOL",
            "attacks with a pool of house numbers on 8×8 digits at equal queries",
        ),
    },
)
"""Values for `BenchConfig`; command-line options override them. Loads no PyTorch."""
