"""The attacker's side. Each attack is one file; adding one takes that file and an entry here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from copycost.registry import Entry, Registry, derived_from

if TYPE_CHECKING:
    from copycost.attacks.base import Attack


ATTACKS: Registry[type[Attack]] = Registry(
    "attack",
    {
        "dfme": Entry(
            "copycost.attacks.dfme:DFME",
            "a generator seeks images on which student and victim differ (Truong et al. 2021): "
            "strictly data-free",
        ),
        "disguide": Entry(
            "copycost.attacks.disguide:DisGUIDE",
            "a generator seeks images on which students differ, and these vote "
            "(Rosenthal et al. 2023): strictly data-free",
        ),
        "dual-student": Entry(
            "copycost.attacks.dual_student:DualStudent",
            "a generator seeks images on which two students differ (Beetham et al. 2023): strictly "
            "data-free",
        ),
        "maze": Entry(
            "copycost.attacks.maze:MAZE",
            "like DFME, and earlier answers are learnt again (Kariyappa et al. 2021): "
            "strictly data-free",
        ),
        "dfms-hl": Entry(
            "copycost.attacks.dfms_hl:DFMSHL",
            "images spread over all classes, by labels alone (Sanyal et al. 2022): "
            "strictly data-free by default",
        ),
        "dfms-hl-proxy": Entry(
            "copycost.attacks.dfms_hl_proxy:DFMSHLProxy",
            "DFMS-HL with images made to look like a pool's (Sanyal et al. 2022): needs a pool",
        ),
        "ideal": Entry(
            "copycost.attacks.ideal:IDEAL",
            "a new generator for every batch of labels (Zhang et al. 2023): strictly data-free",
        ),
        "qedg": Entry(
            "copycost.attacks.qedg:QEDG",
            "few labels, of images hard for the student (Pei et al. 2025): strictly data-free",
        ),
        "frugal": Entry(
            "copycost.attacks.frugal:Frugal",
            "copycost's own for few queries, each answer learnt many times: strictly data-free by "
            "default",
        ),
        "random-noise": Entry(
            "copycost.attacks.random_noise:RandomNoise",
            "queries of random noise: the floor that every attack is compared with",
        ),
        "in-distribution": Entry(
            "copycost.attacks.in_distribution:InDistribution",
            "queries of the victim's own training images: the ceiling for the same student",
        ),
        "knockoff": Entry(
            "copycost.attacks.knockoff:Knockoff",
            "Knockoff Nets, random sampling (Orekondy et al. 2019): needs a pool",
        ),
        "knockoff-adaptive": Entry(
            "copycost.attacks.knockoff_adaptive:KnockoffAdaptive",
            "Knockoff Nets, a policy over groups of the pool (Orekondy et al. 2019): needs a pool",
        ),
        "active-thief": Entry(
            "copycost.attacks.active_thief:ActiveThief",
            "queries chosen from the pool by entropy or k-centre (Pal et al. 2020): needs a pool",
        ),
        "jbda": Entry(
            "copycost.attacks.jbda:JBDA",
            "a few images, moved along the student's Jacobian (Papernot et al. 2017): needs a pool",
        ),
        "fixmatch": Entry(
            "copycost.attacks.fixmatch:FixMatch",
            "semi-supervised: learns from images not asked, too (Sohn et al. 2020): needs a pool",
        ),
    },
    own=derived_from("copycost.attacks.base:Attack"),
)
