"""The values from which `tools.tuning` draws the settings of each attack, by comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Space = Mapping[str, Sequence[Any]]

STUDENT: Space = {
    "batch_size": (8, 16, 32, 64),
    "student_lr": (0.01, 0.02, 0.05, 0.1, 0.2),
    "student_weight_decay": (0.0, 5e-4, 2e-3),
    "schedule": ("cosine", "constant"),
}
GENERATOR: Space = {
    "width": (16, 32, 64),
    "latent": (64, 256),
    "generator_lr": (2e-5, 1e-4, 5e-4, 2e-3),
}
DISGUIDE: Space = {
    **STUDENT,
    **GENERATOR,
    "student_steps": (1, 2),
    "replay_steps": (3, 8, 16),
    "grey_every": (0, 8),
}
SYNTHESIS: Space = {
    "batch_size": (250, 500),
    "latent": (64, 256),
    "generator_lr": (3e-4, 1e-3, 3e-3),
    "synthesis_steps": (10, 20, 40),
    "epochs": (5, 10, 20),
}
FRUGAL: Space = {
    **STUDENT,
    "student_steps": (8, 16, 32),
    "members": (1, 2),
    "candidates": (2, 4, 8),
    "balanced": (True, False),
    "recent": (0.25, 0.5, 0.75),
}
LARGER: Space = {
    "batch_size": (16, 32, 64),
    "student_lr": (0.02, 0.05, 0.1, 0.2),
    "student_weight_decay": STUDENT["student_weight_decay"],
    "schedule": STUDENT["schedule"],
}
FRUGAL_LARGER: Space = {
    **FRUGAL,
    **LARGER,
    "student_steps": (16, 32, 64),
    "candidates": (4, 8, 16, 32),
    "shift": (0.0, 0.0625),
}
POOL: Space = {**STUDENT, "batch_size": (16, 32, 64), "epochs": (25, 50, 100)}
NOISE: Space = {**STUDENT, "distribution": ("uniform", "normal")}
SPACES: dict[str, dict[str, Space]] = {
    "digits": {
        "dfme": {**STUDENT, **GENERATOR, "student_steps": (5, 9, 15)},
        "maze": {
            **STUDENT,
            **GENERATOR,
            "student_steps": (2, 5, 10),
            "replay_steps": (5, 10, 20),
            "directions": (1, 2),
        },
        "disguide": DISGUIDE,
        "dual-student": {
            **STUDENT,
            **GENERATOR,
            "student_steps": (2, 5, 10),
            "generator_sees": ("unsquashed", "image"),
            "average_every": (1, 10),
        },
        "frugal": FRUGAL,
        "random-noise": NOISE,
    },
    "digits-label": {
        "disguide": DISGUIDE,
        "dual-student": {
            **STUDENT,
            **GENERATOR,
            "student_steps": (1, 2, 5),
            "generator_sees": ("unsquashed", "image"),
            "average_every": (1, 10),
            "label_loss": ("cross-entropy", "l1-one-hot"),
        },
        "dfms-hl": {**STUDENT, **GENERATOR, "diversity": (50.0, 500.0)},
        "dfms-hl-proxy": {
            **STUDENT,
            **GENERATOR,
            "gan_steps": (50, 100, 200),
            "proxies_asked": (1_000, 2_000, 4_000),
            "epochs": (10, 20, 40),
        },
        "ideal": {**STUDENT, **SYNTHESIS, "spread": (0.5, 5.0)},
        "qedg": {**STUDENT, **SYNTHESIS, "last_epochs": (10, 40)},
        "frugal": FRUGAL,
        "random-noise": NOISE,
    },
    "digits-pool": {
        "in-distribution": POOL,
        "knockoff": {**POOL, "rounds": (1, 2, 4)},
        "knockoff-adaptive": {
            **POOL,
            "groups": (10, 30),
            "window": (25, 100),
            "scout_lr": (5e-4, 5e-3, 5e-2),
        },
        "active-thief": {
            **POOL,
            "strategy": ("entropy", "k-centre", "random"),
            "rounds": (2, 4),
            "first": (0.1, 0.3, 0.5),
        },
        "jbda": {
            **POOL,
            "epochs": (5, 10, 20),
            "last_epochs": (50, 100),
            "seeds": (50, 150, 300),
            "distance": (0.05, 0.1, 0.3),
            "direction": ("answer", "random-class"),
            "moves": (1, 2),
            "round_lr": (0.02, 0.05, 0.1, 0.2),
        },
        "fixmatch": {
            **POOL,
            "epochs": (15, 30, 60),
            "ratio": (3, 7),
            "threshold": (0.8, 0.95),
            "weight": (0.3, 1.0),
            "shift": (0.0, 0.125),
        },
        "random-noise": NOISE,
    },
    "twentieth": {
        "dfme": {**LARGER, **GENERATOR, "student_steps": (5, 9, 15), "loss": ("l1", "l2")},
        "frugal": {**FRUGAL_LARGER, "loss": ("l1", "l2")},
    },
    "twentieth-label": {
        "disguide": {**DISGUIDE, **LARGER},
        "frugal": {**FRUGAL_LARGER, "adjustment": (0.0, 0.5, 1.0)},
    },
}
